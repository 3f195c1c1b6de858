"""The ``[capture]`` table of a station file: what happens between a camera and the station."""

from dataclasses import dataclass

from edgecls.errors import ConfigError
from edgecls_runtime.capture.live import QUEUE, Keep

# Each holds a frame in memory: 6 MB of 1080p.
MOST_QUEUED = 64
LONGEST_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """From the camera to the station.

    Attributes:
        keep: Which frames of a live camera are judged.
        queue: Frames at most that wait, where every one is kept.
        isolated: Open the camera in a process of its own, which is ended when its driver hangs;
            None does so where the kind's driver is known to hang.
        delay_ms: From a trigger to the moment that the part is in view.
        window_ms: A frame taken later than this after that moment shows another part.

    """

    keep: Keep = Keep.NEWEST
    queue: int = QUEUE
    isolated: bool | None = None
    delay_ms: float = 0.0
    window_ms: float = 500.0

    def __post_init__(self) -> None:
        """Refuse what no camera can do."""
        if not 1 <= self.queue <= MOST_QUEUED:
            raise ConfigError(f"capture.queue: {self.queue}; expected 1 to {MOST_QUEUED} frames")
        for key in ("delay_ms", "window_ms"):
            if not 0 <= getattr(self, key) <= LONGEST_MS:
                raise ConfigError(f"capture.{key}: {getattr(self, key):g}; expected 0 to a day")
