"""Which of the cameras that were found is meant."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgecls.errors import CameraError, Fault
from edgecls_runtime.genicam.nodes import listed


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that was found.

    Attributes:
        model: Of the maker.
        names: What it may be called by: serial number first, then others; empty ones do not count.

    """

    model: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return such as ``acA1300-60gm 21694497``."""
        return " ".join(part for part in (self.model, next(filter(None, self.names), "")) if part)


def chosen(found: Sequence[Found], device: str, where: str, advice: str) -> int:
    """Return which one of those found is meant.

    Args:
        found: In the library's order.
        device: One of a camera's names; empty for the only one.
        where: Begins the message.
        advice: Ends it where none was found.

    Raises:
        CameraError: None, or more than one; the message lists those that are there.

    """
    fitting = [
        index
        for index, one in enumerate(found)
        if not device or device in [name for name in one.names if name]
    ]
    if len(fitting) == 1:
        return fitting[0]
    there = listed([str(one) for one in found])
    if not found:
        message = f"no camera found; {advice}"
    elif not fitting:
        message = f"no camera {device!r}; there are {there}"
    else:
        message = f"{len(fitting)} cameras found: {there}; set device to the one that is meant"
    raise CameraError(f"{where}: {message}", Fault.MISSING)
