"""What is decided about one part, and why."""

import math
from dataclasses import dataclass
from enum import StrEnum

from edgecls.prediction import Prediction

# Four (x, y), px of the frame, from the place's own top left corner clockwise. A pixel is 1 wide:
# the frame's outline begins at (0, 0) and ends at (width, height).
Outline = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


class Outcome(StrEnum):
    """What happens to the part. There is no "unknown": what cannot be judged is REVIEW."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Look:
    """What was decided about one place of a frame.

    Attributes:
        name: Of the place, such as ``lid``, or ``tile 3,1`` for a column and a row.
        outline: Where it is in the frame.
        outcome: Of this place alone.
        label: The answer; for multilabel the label that decided.
        score: Of that label, 0..1; NaN when the model gave no number.

    """

    name: str
    outline: Outline
    outcome: Outcome
    label: str
    score: float

    def table(self) -> dict[str, object]:
        """Return it as programs read it: JSON knows it all; no number is None."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "label": self.label,
            "score": round(self.score, 6) if math.isfinite(self.score) else None,
            "outline": [[round(x, 1), round(y, 1)] for x, y in self.outline],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision about one part, with the reason a person would want to read.

    A PASS without a prediction cannot be built: silence, blindness and errors are never a PASS.

    Attributes:
        outcome: What happens to the part.
        reason: One line: which score or which fault decided.
        prediction: The scores behind it, of the place that decided; None when nothing could be
            classified.
        part: Id of the part, unique within a session.
        camera: Name of the station and its camera, where there are several; it begins ``part``.
        frame_number: Number of the frame judged; None when there was none.
        captured_at: Monotonic seconds when the frame reached the host; None when there was none.
        decided_at: Monotonic seconds when the verdict was reached.
        looks: What was decided about each place, in the order of the station file; empty where
            the frame was looked at as a whole.

    """

    outcome: Outcome
    reason: str
    prediction: Prediction | None = None
    part: str = ""
    frame_number: int | None = None
    captured_at: float | None = None
    decided_at: float = 0.0
    looks: tuple[Look, ...] = ()
    camera: str = ""

    def __post_init__(self) -> None:
        """Hold the promise of the class."""
        if self.outcome is Outcome.PASS and self.prediction is None:
            raise ValueError(f"verdict: PASS without a prediction ({self.reason}); that is REVIEW")

    @property
    def latency(self) -> float | None:
        """Seconds from the frame's arrival to the verdict; None when there was no frame."""
        return None if self.captured_at is None else self.decided_at - self.captured_at
