"""A camera without hardware: a test card, or for tests whatever a script says, then silence."""

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraTimeout, ConfigError, DeviceError
from edgecls.frame import Frame

Event = NDArray[np.uint8] | DeviceError


class FakeCamera:
    """Plays a script: an image is delivered, an error is raised; after the last it is silent."""

    def __init__(self, script: Iterable[Event], *, live: bool = False, period: float = 0.0) -> None:
        """Prepare a script.

        Args:
            script: Images, each uint8 of shape (height, width, 3), RGB, and errors.
            live: What ``Camera.live`` shall say.
            period: Seconds between two events.

        """
        self.live = live
        self.closed = False
        self._script = enumerate(script)
        self._period = period

    def read(self, timeout: float) -> Frame:
        """Play the next event of the script, or wait and time out when there is none."""
        time.sleep(min(self._period, timeout))
        for number, event in self._script:
            if isinstance(event, DeviceError):
                raise event
            return Frame(event, number, time.monotonic(), "fake camera")
        time.sleep(timeout)
        raise CameraTimeout(f"fake camera: no frame within {timeout:g} s")

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def open(
    *, height_px: int = 480, width_px: int = 640, frames: int = 1, rate_hz: float = 0.0
) -> FakeCamera:
    """Open a fake camera that shows a grey card.

    Args:
        height_px: Height of the card.
        width_px: Width of the card.
        frames: How often it is shown before the camera falls silent.
        rate_hz: Frames a second, delivered whether read or not; 0 delivers at each read.

    """
    if height_px < 1 or width_px < 1 or not rate_hz >= 0:
        raise ConfigError("camera: expected sizes of 1 px or more and a rate of 0 or more")
    card = np.full((height_px, width_px, 3), 128, np.uint8)
    period = 1 / rate_hz if rate_hz else 0.0
    return FakeCamera([card] * frames, live=rate_hz > 0, period=period)
