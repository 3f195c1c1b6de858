"""Frames in a row must agree before the outcome of a camera that nothing triggers changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.decision.answers import is_valid
from edgecls_runtime.decision.votes import Vote, voted


@dataclass(frozen=True, slots=True)
class Streak:
    """What was decided before.

    Attributes:
        standing: The outcome that so many in a row have made; None before that.
        last: Outcome of the last frame alone; None before any.
        count: How many frames in a row had it.

    """

    standing: Outcome | None = None
    last: Outcome | None = None
    count: int = 0


def followed(streak: Streak, verdict: Verdict, vote: Vote) -> tuple[Streak, Verdict]:
    """Return the streak with one more frame, and what is told of that frame.

    A frame that agrees with the outcome that stands is told as it is; so is one in review. One that
    disagrees is REVIEW until enough of them came in a row, which then stand. What was not judged,
    and scores that are no numbers, end all: nobody has seen what went by.

    Args:
        streak: Of the frames before; ``Streak()`` at the beginning.
        verdict: Of the frame alone.
        vote: How many in a row change the outcome.

    """
    prediction = verdict.prediction
    if verdict.cause is not Cause.JUDGED or prediction is None or not is_valid(prediction):
        return Streak(), verdict
    outcome = verdict.outcome
    count = streak.count + 1 if streak.last is outcome else 1
    needed = vote.in_a_row(outcome)
    if outcome is streak.standing or count >= needed:
        return Streak(outcome, outcome, count), verdict
    after = Streak(streak.standing, outcome, count)
    if outcome is Outcome.REVIEW:
        return after, verdict
    reason = f"{count} of {needed} in a row {outcome}: {verdict.reason}"
    return after, replace(verdict, outcome=Outcome.REVIEW, reason=reason)


class Steadied:
    """The streak of one camera, one verdict after the other."""

    def __init__(self, vote: Vote) -> None:
        """Begin with nothing decided."""
        self._vote, self._streak = vote, Streak()

    def __call__(self, verdict: Verdict) -> Verdict:
        """Return what is told of the next frame."""
        self._streak, told = followed(self._streak, verdict, self._vote)
        return told


def settling(vote: Vote) -> Callable[[Sequence[Verdict]], Verdict]:
    """Return what makes the verdict of each next part of one camera from those of its frames."""
    if vote.frames > 1:
        return partial(voted, vote=vote)
    steadied = Steadied(vote) if vote.is_steadied else lambda verdict: verdict
    return lambda verdicts: steadied(verdicts[0])
