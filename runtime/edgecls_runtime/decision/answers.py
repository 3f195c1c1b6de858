"""What is decided about one prediction."""

from dataclasses import dataclass

from edgecls.prediction import Prediction
from edgecls.verdict import Outcome, Verdict

NO_SCORES = "the model answered with no valid scores"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided about one prediction.

    Attributes:
        outcome: Of it alone.
        reason: Why.
        label: Which label decided.
        score: Of that label.
        valid: Whether the model's scores are scores; what is not never helps to pass.

    """

    outcome: Outcome
    reason: str
    label: str
    score: float
    valid: bool = True


def is_valid(prediction: Prediction) -> bool:
    """Return whether scores are scores: each from 0 to 1."""
    return all(0 <= score <= 1 for score in prediction.scores)  # NaN compares false


def unsure(prediction: Prediction, reason: str, *, valid: bool = True) -> Answer:
    """Return that a prediction is for a person to judge."""
    return Answer(Outcome.REVIEW, reason, prediction.label, prediction.score, valid)


def of_verdict(verdict: Verdict) -> Answer:
    """Return a verdict as one of several answers; without a prediction it is valid for nothing."""
    prediction = verdict.prediction
    if prediction is None:
        return Answer(verdict.outcome, verdict.reason, "", -1.0, valid=False)
    valid = is_valid(prediction)
    return Answer(verdict.outcome, verdict.reason, prediction.label, prediction.score, valid)
