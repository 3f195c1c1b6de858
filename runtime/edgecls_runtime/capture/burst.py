"""Several frames of one part, which go through the station as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgecls.errors import ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.undecoded import Undecoded


@dataclass(frozen=True, slots=True)
class Burst(Frame):
    """The frames of a part; as a frame it is the last of them.

    Attributes:
        shots: In their order; an error stands for one that is not to be had.

    """

    shots: tuple[Frame | ImageError, ...] = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class UndecodedBurst(Undecoded):
    """The frames of a part, as the camera delivered them; as one it is the last of them.

    Attributes:
        shots: In their order; an error stands for one that did not come.

    """

    shots: tuple[Undecoded | ImageError, ...] = field(kw_only=True)

    def decoded(self) -> Frame:
        """Return the frames with their images.

        Raises:
            ImageError: None of them can be decoded; the first one's fault.

        """
        shots = tuple(_decoded(shot, self.part, self.announced_at) for shot in self.shots)
        last = next((shot for shot in reversed(shots) if isinstance(shot, Frame)), None)
        if last is None:
            raise next(shot for shot in shots if isinstance(shot, ImageError))
        return Burst(
            last.image,
            last.number,
            last.captured_at,
            last.camera,
            self.part,
            self.announced_at,
            last.original,
            shots=shots,
        )


def burst(
    shots: Sequence[Undecoded | ImageError], part: str, announced_at: float
) -> UndecodedBurst | ImageError:
    """Return the frames of a part as one; where none came, the fault of the first."""
    named = tuple(_named(shot, part, announced_at) for shot in shots)
    last = next((shot for shot in reversed(named) if isinstance(shot, Undecoded)), None)
    if last is None:
        return next(shot for shot in named if isinstance(shot, ImageError))
    return UndecodedBurst(
        last.decode,
        last.number,
        last.captured_at,
        last.camera,
        part,
        announced_at,
        last.original,
        shots=named,
    )


def _decoded(
    shot: Undecoded | ImageError, part: str | None, announced_at: float | None
) -> Frame | ImageError:
    if isinstance(shot, ImageError):
        return shot
    try:
        return shot.decoded()
    except ImageError as error:
        return type(error)(str(error), part, announced_at)


def _named(shot: Undecoded | ImageError, part: str, announced_at: float) -> Undecoded | ImageError:
    if isinstance(shot, ImageError):
        return type(shot)(str(shot), part, announced_at)
    return replace(shot, part=part, announced_at=announced_at)
