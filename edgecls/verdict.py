"""What is decided about one part, and why."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from edgecls.frame import Frame
from edgecls.prediction import Prediction

# Four (x, y), px of the frame, from the place's own top left corner clockwise. A pixel is 1 wide:
# the frame's outline begins at (0, 0) and ends at (width, height).
Outline = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


class Outcome(StrEnum):
    """What happens to the part. There is no "unknown": what cannot be judged is REVIEW."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    REVIEW = "review"


class Cause(StrEnum):
    """How a verdict came about: what a part counts as where no rule has judged it."""

    JUDGED = "judged"  # a rule did, or there was a picture and it was not fit for one
    MISSED = "missed"  # the part came by and has no frame that may be judged
    ERROR = "error"  # camera or engine failed
    INCIDENT = "incident"  # no part at all: what announces them was lost


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
            "score": _number(self.score),
            "outline": [[round(x, 1), round(y, 1)] for x, y in self.outline],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision about one part, with the reason a person would want to read.

    A PASS without a prediction cannot be built: silence, blindness and errors are never a PASS.

    Moments are monotonic seconds. Of a verdict that was read back from a journal they are relative
    to its decision: only their differences mean something.

    Attributes:
        outcome: What happens to the part.
        reason: One line: which score or which fault decided.
        prediction: The scores behind it, of the place that decided; None when nothing could be
            classified. Read back from a journal it holds the best few labels.
        part: Id of the part, unique within a session.
        frame_number: Number of the frame judged; None when there was none.
        captured_at: When the frame reached the host; None when there was none.
        decided_at: When the verdict was reached.
        looks: What was decided about each place, in the order of the station file; empty where
            the frame was looked at as a whole.
        camera: Name of the station and its camera, where there are several; it begins ``part``.
        cause: How it came about; with MISSED, ERROR and INCIDENT the outcome is REVIEW.
        announced_at: When a trigger announced the part; None where nothing announces parts.
        id: Unique among all verdicts of all stations, for whoever is told twice; empty where no
            journal keeps them.
        recorded_at: UTC, ISO 8601 with milliseconds, when the journal had it; empty without one.
        bundle: Name, version and first 12 digits of the digest of the bundle that judged.
        recipe: Name of the recipe that judged; empty where the station has one rule.
        image_sha256: Of the pixels that the network got, as hexadecimal; empty without any.
        frame: The frame judged, while it is at hand; None when there was none, or when the verdict
            was read back. Its image is not written to.

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
    cause: Cause = Cause.JUDGED
    announced_at: float | None = None
    id: str = ""
    recorded_at: str = ""
    bundle: str = ""
    recipe: str = ""
    image_sha256: str = ""
    frame: Frame | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hold the promise of the class."""
        if self.outcome is Outcome.PASS and self.prediction is None:
            raise ValueError(f"verdict: PASS without a prediction ({self.reason}); that is REVIEW")
        if self.cause is not Cause.JUDGED and self.outcome is not Outcome.REVIEW:
            raise ValueError(
                f"verdict: {self.outcome.upper()} by {self.cause} ({self.reason}); that is REVIEW"
            )

    @property
    def latency(self) -> float | None:
        """Seconds from the frame's arrival to the verdict; None when there was no frame."""
        return None if self.captured_at is None else self.decided_at - self.captured_at

    @property
    def waited(self) -> float | None:
        """Seconds from the part's announcement to the verdict; None where nothing announced it."""
        return None if self.announced_at is None else self.decided_at - self.announced_at

    @property
    def counts_as(self) -> str:
        """``pass``, ``fail``, ``review``, ``missed``, ``error``; ``incident`` is no part."""
        return self.outcome.value if self.cause is Cause.JUDGED else self.cause.value

    def table(self) -> dict[str, object]:
        """Return it as programs read it, on a terminal, a broker or a web page: JSON knows it all.

        No number is None. Durations are milliseconds.
        """
        prediction = self.prediction
        return {
            "id": self.id,
            "part": self.part,
            "camera": self.camera,
            "outcome": self.outcome.value,
            "cause": self.cause.value,
            "reason": self.reason,
            "label": prediction and prediction.label,
            "score": prediction and _number(prediction.score),
            "frame_number": self.frame_number,
            "latency_ms": _ms(self.latency),
            "waited_ms": _ms(self.waited),
            "recorded_at": self.recorded_at,
            "bundle": self.bundle,
            "recipe": self.recipe,
            "image_sha256": self.image_sha256,
            "looks": [look.table() for look in self.looks],
        }


def _number(score: float) -> float | None:
    return round(score, 6) if math.isfinite(score) else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
