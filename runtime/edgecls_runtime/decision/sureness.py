"""How sure an answer must be to be acted on: limits of score and margin, also for single labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecls.prediction import Prediction, Task
from edgecls.verdict import Outcome
from edgecls_runtime.decision.answers import Answer, unsure


@dataclass(frozen=True, slots=True)
class Sureness:
    """Limits below which an answer goes to review.

    Attributes:
        score: Lowest score, 0..1.
        margin: Smallest lead over the second label, 0..1; not for multilabel.
        scores: Lowest scores of labels that have their own.
        margins: Smallest leads of labels that have their own.

    """

    score: float
    margin: float
    scores: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)

    def answer(self, prediction: Prediction, good: tuple[str, ...]) -> Answer:
        """Decide about a prediction with valid scores."""
        if prediction.task is Task.MULTILABEL:
            return self._answer_many(prediction, good)
        label, score = prediction.label, prediction.score
        if score < (least := self.scores.get(label, self.score)):
            return unsure(prediction, f"{label} scored {score:.3f} < {least:g}")
        if prediction.margin < (least := self.margins.get(label, self.margin)):
            return unsure(prediction, f"{label} leads by {prediction.margin:.3f} < {least:g}")
        outcome = Outcome.PASS if label in good else Outcome.FAIL
        return Answer(outcome, f"{label} scored {score:.3f}", label, score)

    def _answer_many(self, prediction: Prediction, good: tuple[str, ...]) -> Answer:
        scores = dict(zip(prediction.labels, map(float, prediction.scores), strict=True))
        present = {label: scores[label] for label in prediction.present}
        bad = {label: score for label, score in present.items() if label not in good}
        if bad:
            return self._worst(bad)
        for label, score in scores.items():
            if label not in good and 1 - score < (least := self._absent(label)):
                return Answer(
                    Outcome.REVIEW, f"{label} scored {score:.3f} > {1 - least:g}", label, score
                )
        if good and not any(
            score >= self.scores.get(label, self.score) for label, score in present.items()
        ):
            return unsure(prediction, "no good label is surely present")
        reason = f"nothing but {', '.join(present) or 'no label'}"
        return Answer(Outcome.PASS, reason, prediction.label, prediction.score)

    def _worst(self, bad: Mapping[str, float]) -> Answer:
        """Decide by the defects that are present: any of them that is sure is enough."""
        sure = {
            label: score
            for label, score in bad.items()
            if score >= self.scores.get(label, self.score)
        }
        worst = max(sure or bad, key=bad.__getitem__)
        limit = "" if sure else f" < {self.scores.get(worst, self.score):g}"
        outcome = Outcome.FAIL if sure else Outcome.REVIEW
        return Answer(outcome, f"{worst} scored {bad[worst]:.3f}{limit}", worst, bad[worst])

    def _absent(self, label: str) -> float:
        """Return how surely a defect must be absent: its own lower limit lets nothing pass."""
        return max(self.scores.get(label, self.score), self.score)
