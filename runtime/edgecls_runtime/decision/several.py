"""Several answers about one part become one: its places, its frames, its cameras."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from edgecls.verdict import Outcome
from edgecls_runtime.decision.answers import Answer


class Places(StrEnum):
    """Which of several places of a frame must pass."""

    ALL = "all"
    ANY = "any"


def outcome(answers: Sequence[Answer], places: Places, most_bad: int) -> Outcome:
    """Return what several answers make together.

    All must pass: FAIL when more than ``most_bad`` fail; PASS when no more than ``most_bad`` could
    be bad, were every unsure one bad, and some one passes; else REVIEW. Any must pass: PASS when
    one does, FAIL when all fail, else REVIEW. One that is not valid never helps to pass.
    """
    count = Counter(answer.outcome for answer in answers)
    bad, unsure = count[Outcome.FAIL], count[Outcome.REVIEW]
    if places is Places.ANY:
        fails, passes = bad == len(answers), True
    else:
        fails, passes = bad > most_bad, bad + unsure <= most_bad
    if fails:
        return Outcome.FAIL
    valid = all(answer.valid for answer in answers)
    return Outcome.PASS if passes and valid and count[Outcome.PASS] else Outcome.REVIEW


def deciding(answers: Sequence[Answer], outcome: Outcome, places: Places) -> int:
    """Return which one to name: the surest bad one, the least sure of those that must pass.

    Where any may pass it is the surest. Of a review with nothing unsure, the surest bad one.
    """
    for index, answer in enumerate(answers):
        if not answer.valid and outcome is Outcome.REVIEW:
            return index
    same = [index for index, answer in enumerate(answers) if answer.outcome is outcome]
    surest = not same or outcome is Outcome.FAIL or places is Places.ANY
    pick = max if surest else min
    return pick(same or range(len(answers)), key=lambda index: answers[index].score)


def counted(answers: Sequence[Answer], what: str, missed: int = 0) -> str:
    """Say how the others fared; nothing where there is one.

    Args:
        answers: Of those that were looked at.
        what: They are, such as ``places``.
        missed: How many were not.

    """
    total = len(answers) + missed
    if total == 1:
        return ""
    count = Counter(answer.outcome.value for answer in answers)
    words = [f"{count['pass']} of {total} {what} pass"]
    count["missed"] = missed
    words += [f"{count[kind]} {kind}" for kind in ("fail", "review", "missed") if count[kind]]
    return f"; {', '.join(words)}"
