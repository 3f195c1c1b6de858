"""What is decided about one part, and why."""

from dataclasses import dataclass
from enum import StrEnum

from edgecls.prediction import Prediction


class Outcome(StrEnum):
    """What happens to the part. There is no "unknown": what cannot be judged is REVIEW."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision about one part, with the reason a person would want to read.

    A PASS without a prediction cannot be built: silence, blindness and errors are never a PASS.

    Attributes:
        outcome: What happens to the part.
        reason: One line: which score or which fault decided.
        prediction: The scores behind it; None when nothing could be classified.
        part: Id of the part, unique within a session.
        frame_number: Number of the frame judged; None when there was none.
        captured_at: Monotonic seconds when the frame reached the host; None when there was none.
        decided_at: Monotonic seconds when the verdict was reached.

    """

    outcome: Outcome
    reason: str
    prediction: Prediction | None = None
    part: str = ""
    frame_number: int | None = None
    captured_at: float | None = None
    decided_at: float = 0.0

    def __post_init__(self) -> None:
        """Hold the promise of the class."""
        if self.outcome is Outcome.PASS and self.prediction is None:
            raise ValueError(f"verdict: PASS without a prediction ({self.reason}); that is REVIEW")

    @property
    def latency(self) -> float | None:
        """Seconds from the frame's arrival to the verdict; None when there was no frame."""
        return None if self.captured_at is None else self.decided_at - self.captured_at
