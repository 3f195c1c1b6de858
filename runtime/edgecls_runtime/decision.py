"""From scores to pass, fail or review: pure functions, no clock, no I/O.

This is the only file of the project that makes a PASS.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from edgecls.errors import ConfigError
from edgecls.prediction import Prediction, Task
from edgecls.verdict import Look, Outcome, Verdict
from edgecls_runtime.views.place import Place, Seen


class Places(StrEnum):
    """Which of several places of a frame must pass."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided about one prediction.

    Attributes:
        outcome: Of it alone.
        reason: Why.
        label: Which label decided.
        score: Of that label.
        valid: Whether the model's scores are scores.

    """

    outcome: Outcome
    reason: str
    label: str
    score: float
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """When a prediction is good enough to act on.

    Multilabel: a part passes when every label outside ``good`` is surely absent, and some good one
    is surely present (if ``good`` names any); it fails when one outside ``good`` is surely present.

    Attributes:
        good: The labels that let a part pass.
        min_score: Lowest score of the answer, 0..1, that is acted on; below it the part goes to
            review. For an absent multilabel label, one less its score.
        min_margin: Smallest lead over the second label, 0..1, that is acted on. Not for multilabel.
        places: Where several places of a frame are looked at: whether all must pass, or any.
        most_bad: So many of them may be bad where all are looked at; a part with more fails.

    """

    good: tuple[str, ...]
    min_score: float = 0.9
    min_margin: float = 0.2
    places: Places = Places.ALL
    most_bad: int = 0

    def __post_init__(self) -> None:
        """Refuse limits that can never be met, or always are."""
        if isinstance(self.good, str):  # a part of that text would count as good
            raise ConfigError(f"rule.good: {self.good!r} is one text; expected a list of labels")
        for key, value in (("min_score", self.min_score), ("min_margin", self.min_margin)):
            if not 0 <= value <= 1:
                raise ConfigError(f"rule.{key}: {value:g}; expected a score from 0 to 1")
        if self.most_bad < 0:
            raise ConfigError(f"rule.most_bad: {self.most_bad}; expected 0 or more places")
        if self.most_bad and self.places is Places.ANY:
            raise ConfigError(
                f"rule.most_bad: {self.most_bad} with places = 'any', where one place that passes "
                f"is enough; leave it out"
            )

    def check(self, labels: tuple[str, ...]) -> None:
        """Raise ConfigError for a good label that the bundle does not know."""
        for label in self.good:
            if label not in labels:
                raise ConfigError(
                    f"rule.good: {label!r} is no label of the bundle; "
                    f"its labels are {', '.join(labels)}"
                )

    def __call__(self, prediction: Prediction) -> Verdict:
        """Judge one prediction."""
        answer = self.answer(prediction)
        return Verdict(answer.outcome, answer.reason, prediction)

    def judge_places(self, seen: Sequence[Seen]) -> Verdict:
        """Judge the places of one frame, each by itself and then together.

        All must pass: FAIL when more than ``most_bad`` fail; PASS when no more than ``most_bad``
        could be bad, were every unsure one bad, and some place passes; else REVIEW. Any must pass:
        PASS when one does, FAIL when all fail, else REVIEW. Scores that are no numbers never help
        a part to pass, at whatever place.
        """
        answers = [self._for(one.place).answer(one.prediction) for one in seen]
        outcome = self._together(answers)
        decided = self._deciding(answers, outcome)
        looks = tuple(
            Look(one.place.name, one.place.outline, answer.outcome, answer.label, answer.score)
            for one, answer in zip(seen, answers, strict=True)
        )
        reason = f"{looks[decided].name}: {answers[decided].reason}{_counted(answers)}"
        return Verdict(outcome, reason, seen[decided].prediction, looks=looks)

    def _for(self, place: Place) -> "Rule":
        return self if place.good is None else replace(self, good=place.good)

    def _together(self, answers: Sequence[Answer]) -> Outcome:
        count = Counter(answer.outcome for answer in answers)
        bad, unsure = count[Outcome.FAIL], count[Outcome.REVIEW]
        if self.places is Places.ANY:
            fails, passes = bad == len(answers), True
        else:
            fails, passes = bad > self.most_bad, bad + unsure <= self.most_bad
        if fails:
            return Outcome.FAIL
        valid = all(answer.valid for answer in answers)
        return Outcome.PASS if passes and valid and count[Outcome.PASS] else Outcome.REVIEW

    def _deciding(self, answers: Sequence[Answer], outcome: Outcome) -> int:
        """Return which place to name: the surest bad one, the least sure of those that must pass.

        Where any may pass it is the surest. Of a review with nothing unsure, the surest bad one.
        """
        for index, answer in enumerate(answers):
            if not answer.valid and outcome is Outcome.REVIEW:
                return index
        same = [index for index, answer in enumerate(answers) if answer.outcome is outcome]
        surest = not same or outcome is Outcome.FAIL or self.places is Places.ANY
        pick = max if surest else min
        return pick(same or range(len(answers)), key=lambda index: answers[index].score)

    def answer(self, prediction: Prediction) -> Answer:
        """Decide about one prediction, and say which label did."""
        label, score = prediction.label, prediction.score
        if not all(0 <= score <= 1 for score in prediction.scores):  # NaN compares false
            return Answer(
                Outcome.REVIEW,
                "the model answered with no valid scores",
                label,
                score,
                valid=False,
            )
        if prediction.task is Task.MULTILABEL:
            return self._answer_many(prediction)
        if score < self.min_score:
            reason = f"{label} scored {score:.3f} < {self.min_score:g}"
            return Answer(Outcome.REVIEW, reason, label, score)
        if prediction.margin < self.min_margin:
            reason = f"{label} leads by {prediction.margin:.3f} < {self.min_margin:g}"
            return Answer(Outcome.REVIEW, reason, label, score)
        outcome = Outcome.PASS if label in self.good else Outcome.FAIL
        return Answer(outcome, f"{label} scored {score:.3f}", label, score)

    def _answer_many(self, prediction: Prediction) -> Answer:
        scores = dict(zip(prediction.labels, map(float, prediction.scores), strict=True))
        present = {label: scores[label] for label in prediction.present}
        bad = {label: score for label, score in present.items() if label not in self.good}
        if bad:
            worst = max(bad, key=bad.__getitem__)
            sure = bad[worst] >= self.min_score
            limit = "" if sure else f" < {self.min_score:g}"
            outcome = Outcome.FAIL if sure else Outcome.REVIEW
            return Answer(outcome, f"{worst} scored {bad[worst]:.3f}{limit}", worst, bad[worst])
        for label, score in scores.items():
            if label not in self.good and 1 - score < self.min_score:
                reason = f"{label} scored {score:.3f} > {1 - self.min_score:g}"
                return Answer(Outcome.REVIEW, reason, label, score)
        label, score = prediction.label, prediction.score
        if self.good and (not present or max(present.values()) < self.min_score):
            return Answer(Outcome.REVIEW, "no good label is surely present", label, score)
        reason = f"nothing but {', '.join(present) or 'no label'}"
        return Answer(Outcome.PASS, reason, label, score)


def _counted(answers: Sequence[Answer]) -> str:
    """Say how the other places fared; nothing where there is one."""
    if len(answers) == 1:
        return ""
    count = Counter(answer.outcome for answer in answers)
    words = [f"{count[Outcome.PASS]} of {len(answers)} places pass"]
    words += [
        f"{count[outcome]} {outcome}"
        for outcome in (Outcome.FAIL, Outcome.REVIEW)
        if count[outcome]
    ]
    return f"; {', '.join(words)}"
