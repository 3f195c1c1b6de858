"""What errors cost, and the outcome that is expected to cost least (Bayes with a reject option).

This believes the scores: that of a hundred answers of 0.9 ninety are right. A bundle whose report
says otherwise (calibration) gives costs that are as wrong as its scores.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecls.errors import ConfigError
from edgecls.prediction import Prediction, Task
from edgecls.verdict import Outcome
from edgecls_runtime.decision.answers import Answer, unsure

# Scores of a softmax sum to 1; int8 and fp16 round them.
LARGEST_GAP = 0.02


@dataclass(frozen=True, slots=True)
class Costs:
    """What each kind of error costs, in any one unit.

    Attributes:
        escape: A bad part passes.
        overkill: A good part fails.
        review: A person looks at a part.
        labels: Of single labels: of a bad one, when it passes; of a good one, when it fails.

    """

    escape: float
    overkill: float
    review: float
    labels: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an error that costs nothing: it would always be made."""
        given = {"escape": self.escape, "overkill": self.overkill, "review": self.review}
        given |= {f"labels.{label}": cost for label, cost in self.labels.items()}
        for key, cost in given.items():
            if not 0 < cost < math.inf:  # NaN compares false
                raise ConfigError(f"rule.costs.{key}: {cost:g}; expected a cost above 0")

    def answer(self, prediction: Prediction, good: tuple[str, ...]) -> Answer:
        """Decide about a prediction with valid scores; of equal costs review wins, then fail."""
        scores = dict(zip(prediction.labels, map(float, prediction.scores), strict=True))
        total = math.fsum(scores.values())
        if prediction.task is not Task.MULTILABEL and abs(total - 1) > LARGEST_GAP:
            reason = f"scores sum to {total:.3f}; costs need chances, which sum to 1"
            return unsure(prediction, reason, valid=False)
        expected = self.expected(scores, prediction.task, good)
        outcome = min(expected, key=expected.__getitem__)
        label = self._named(scores, outcome, good) or prediction.label
        costs = ", ".join(f"{name} {cost:.3g}" for name, cost in expected.items())
        reason = f"{label} scored {scores[label]:.3f}; expected costs: {costs}"
        return Answer(outcome, reason, label, scores[label])

    def expected(
        self, scores: Mapping[str, float], task: Task, good: tuple[str, ...]
    ) -> dict[Outcome, float]:
        """Return what each outcome is expected to cost, review first, pass last.

        Multilabel: each defect costs its own escape, and so does a part without any good label
        where ``good`` names some; labels are taken as independent.

        Args:
            scores: Of each label, 0..1.
            task: What they mean.
            good: The labels that let a part pass.

        """
        bad = {label: score for label, score in scores.items() if label not in good}
        fine = {label: score for label, score in scores.items() if label in good}
        passing = math.fsum(p * self.labels.get(label, self.escape) for label, p in bad.items())
        if task is Task.MULTILABEL:
            none = math.prod(1 - p for p in fine.values()) if fine else 0.0
            passing += none * self.escape
            is_good = math.prod(1 - p for p in bad.values()) * (1 - none)
            dearest = max((self.labels.get(label, self.overkill) for label in fine), default=None)
            failing = is_good * (self.overkill if dearest is None else dearest)
        else:
            failing = math.fsum(
                p * self.labels.get(label, self.overkill) for label, p in fine.items()
            )
        return {Outcome.REVIEW: self.review, Outcome.FAIL: failing, Outcome.PASS: passing}

    def _named(
        self, scores: Mapping[str, float], outcome: Outcome, good: tuple[str, ...]
    ) -> str | None:
        """Return the label that decided: the dearest defect, the surest good one; else none."""
        if outcome is Outcome.REVIEW:
            return None
        of_that = [label for label in scores if (label in good) is (outcome is Outcome.PASS)]
        weight = {label: self.labels.get(label, self.escape) for label in of_that}
        if outcome is Outcome.PASS:
            return max(of_that, key=scores.__getitem__, default=None)
        return max(of_that, key=lambda label: scores[label] * weight[label], default=None)
