"""From scores to pass, fail or review: pure functions, no clock, no I/O.

This is the only file of the project that makes a PASS.
"""

from dataclasses import dataclass

from edgecls.errors import ConfigError
from edgecls.prediction import Prediction, Task
from edgecls.verdict import Outcome, Verdict


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

    """

    good: tuple[str, ...]
    min_score: float = 0.9
    min_margin: float = 0.2

    def __post_init__(self) -> None:
        """Refuse limits that can never be met, or always are."""
        if isinstance(self.good, str):  # a part of that text would count as good
            raise ConfigError(f"rule.good: {self.good!r} is one text; expected a list of labels")
        for key, value in (("min_score", self.min_score), ("min_margin", self.min_margin)):
            if not 0 <= value <= 1:
                raise ConfigError(f"rule.{key}: {value:g}; expected a score from 0 to 1")

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
        if not all(0 <= score <= 1 for score in prediction.scores):  # NaN compares false
            return Verdict(Outcome.REVIEW, "the model answered with no valid scores", prediction)
        if prediction.task is Task.MULTILABEL:
            return self._judge_many(prediction)
        label, score, margin = prediction.label, prediction.score, prediction.margin
        if score < self.min_score:
            reason = f"{label} scored {score:.3f} < {self.min_score:g}"
            return Verdict(Outcome.REVIEW, reason, prediction)
        if margin < self.min_margin:
            reason = f"{label} leads by {margin:.3f} < {self.min_margin:g}"
            return Verdict(Outcome.REVIEW, reason, prediction)
        outcome = Outcome.PASS if label in self.good else Outcome.FAIL
        return Verdict(outcome, f"{label} scored {score:.3f}", prediction)

    def _judge_many(self, prediction: Prediction) -> Verdict:
        scores = dict(zip(prediction.labels, map(float, prediction.scores), strict=True))
        present = {label: scores[label] for label in prediction.present}
        bad = {label: score for label, score in present.items() if label not in self.good}
        if bad:
            worst = max(bad, key=bad.__getitem__)
            sure = bad[worst] >= self.min_score
            limit = "" if sure else f" < {self.min_score:g}"
            outcome = Outcome.FAIL if sure else Outcome.REVIEW
            return Verdict(outcome, f"{worst} scored {bad[worst]:.3f}{limit}", prediction)
        for label, score in scores.items():
            if label not in self.good and 1 - score < self.min_score:
                reason = f"{label} scored {score:.3f} > {1 - self.min_score:g}"
                return Verdict(Outcome.REVIEW, reason, prediction)
        if self.good and (not present or max(present.values()) < self.min_score):
            return Verdict(Outcome.REVIEW, "no good label is surely present", prediction)
        return Verdict(Outcome.PASS, f"nothing but {', '.join(present) or 'no label'}", prediction)
