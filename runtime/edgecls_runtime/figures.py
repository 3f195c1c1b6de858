"""What a station knows beyond its verdicts, by name, for whoever shows it: of one moment.

A figure is a number, or a table of numbers by what they are of, such as ``{"mqtt": 3.0}`` for
outputs. One that is not known is None or missing.

    output.observe(lambda: {"frames_dropped": 3, "output_waiting": {"mqtt": 3.0}})
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Figures = Mapping[str, float | Mapping[str, float] | None]


@runtime_checkable
class Observing(Protocol):
    """An output that shows figures of the station."""

    def observe(self, figures: Callable[[], Figures]) -> None:
        """Take what is asked for the figures of the moment, by any thread and at any time."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a figure is.

    Attributes:
        text: For people.
        label: What its table is by; empty where it is one number.
        counts: Whether it only grows, from 0 at the start.

    """

    text: str
    label: str = ""
    counts: bool = False


# Those of which a meaning is known. Others may be given all the same.
MEANINGS = {
    "triggers": Meaning("Parts that were announced", counts=True),
    "ignored": Meaning("What a trigger heard and took for no part", counts=True),
    "frames_dropped": Meaning("Frames replaced by newer ones before anyone looked", counts=True),
    "camera_reopened": Meaning("How often a camera was lost and opened again", counts=True),
    "output_up": Meaning("Whether an output could be told the last time: 1 or 0", "output"),
    "output_waiting": Meaning("Verdicts that an output has yet to be told", "output"),
    "output_told": Meaning("Verdicts that an output was told", "output", counts=True),
    "output_late": Meaning("Verdicts not told because it was too late", "output", counts=True),
    "output_failed": Meaning("Verdicts that an output did not take", "output", counts=True),
    "output_dropped": Meaning("Verdicts not told because too many waited", "output", counts=True),
    "placement_share": Meaning("Share of the network's arithmetic, 0..1", "provider"),
    "disk_free_bytes": Meaning("Free space of a disk that the station writes to", "path"),
}
