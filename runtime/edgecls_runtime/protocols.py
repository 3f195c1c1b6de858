"""The two kinds of hardware a station touches, as small as they can be."""

from typing import Protocol

from edgecls.frame import Frame
from edgecls.verdict import Verdict


class Camera(Protocol):
    """Delivers frames.

    Attributes:
        live: True where frames come whether they are read or not, so that only the newest is worth
            judging; False where every frame waits to be read (a folder, a video file).

    """

    live: bool

    def read(self, timeout: float) -> Frame:
        """Return the next frame.

        Args:
            timeout: Longest wait in seconds.

        Raises:
            CameraTimeout: No frame arrived within ``timeout``; the next call may succeed.
            EndOfStream: There are no more frames.
            ImageError: This frame cannot be decoded; the next call goes on behind it.
            CameraError: The camera is gone; only opening it again can help.

        """
        ...

    def close(self) -> None:
        """Release the camera; closing twice is allowed."""
        ...


class Output(Protocol):
    """Tells the outside world what was decided."""

    def send(self, verdict: Verdict) -> None:
        """Pass one verdict on; must return within the station's cycle time.

        Raises:
            OutputError: The verdict could not be passed on.

        """
        ...

    def close(self) -> None:
        """Release the output, leaving it in its safe state; closing twice is allowed."""
        ...
