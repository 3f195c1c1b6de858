"""One place of a frame, and what the classifier says of it."""

from dataclasses import dataclass

from edgecls.prediction import Prediction
from edgecls.verdict import Outline


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look.

    Attributes:
        name: Of its view, for a tile with its column and row from 1 on: ``tile 3,1``.
        outline: In the frame.
        good: The labels that let it pass; None for those of the rule.

    """

    name: str
    outline: Outline
    good: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A place that was looked at."""

    place: Place
    prediction: Prediction
