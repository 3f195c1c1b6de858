"""What comes from a camera, while it is being set up: rate, age, size, losses, the last picture."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, EdgeclsError, EndOfStream, ImageError, NoPart
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.undecoded import Undecoded, take
from edgecls_runtime.protocols import Camera, Firing

Image = NDArray[np.uint8]
Measure = Callable[[Image], Mapping[str, float]]

WAIT_S = 1.0
# Over which the rate is taken.
WINDOW_S = 2.0
# A camera that takes a picture when it is told to is told as often.
FIRE_S = 0.2
# After an error that came at once, so that asking again does not keep a core busy.
PAUSE_S = 0.1
GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A camera at one moment.

    Attributes:
        name: The camera's in the station file; empty for a single one.
        source: What its frames call it; empty before the first one.
        rate_hz: Frames a second, lately.
        age_ms: How long ago the newest frame was taken; None before the first one.
        size: Its height and width, px.
        frames: How many came.
        dropped: Those of them that a newer one replaced before anybody looked.
        missed: Frames that were lost on their way, where every one is kept.
        reopened: How often the camera was lost and opened again.
        fault: What is wrong with it now; empty when nothing is.
        health: Figures of the newest frame, by their names.
        image: The newest frame.

    """

    name: str
    source: str = ""
    rate_hz: float = 0.0
    age_ms: float | None = None
    size: tuple[int, int] | None = None
    frames: int = 0
    dropped: int = 0
    missed: int = 0
    reopened: int = 0
    fault: str = ""
    health: Mapping[str, float] = field(default_factory=dict)
    image: Image | None = field(default=None, repr=False, compare=False)


class Sight:
    """Looks at one camera in a thread of its own; decodes only what somebody wants to see.

    Attributes:
        ended: Whether the camera, a file, is at its end.

    """

    def __init__(self, name: str, camera: Camera, measure: Measure = lambda _: {}) -> None:
        """Begin to look.

        Args:
            name: The camera's in the station file.
            camera: Closed by this.
            measure: Takes the figures of a frame.

        """
        self.ended = False
        self._name, self._camera, self._measure = name, camera, measure
        self._count = 0
        self._fault = ""
        self._newest: Undecoded | None = None
        self._decoded: tuple[Undecoded, Image, Mapping[str, float]] | None = None
        self._times: deque[tuple[float, int]] = deque(maxlen=1000)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"sight {name}", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> int:
        """Frames that came, also those that this has not seen."""
        return self._camera.delivered if isinstance(self._camera, LiveCamera) else self._count

    def now(self) -> Seen:
        """Return what is to be seen; decodes the newest frame."""
        newest, damage = self._newest, ""
        live = self._camera if isinstance(self._camera, LiveCamera) else None
        seen = Seen(
            self._name,
            frames=self.frames,
            dropped=live.dropped if live else 0,
            missed=live.missed if live else 0,
            reopened=live.reopened if live else 0,
            fault=self._fault,
        )
        if newest is None:
            return seen
        try:
            _, image, health = self._picture(newest)
        except ImageError as error:
            image, health, damage = None, {}, str(error)
        return Seen(
            self._name,
            newest.camera,
            self._rate(),
            1000 * (time.monotonic() - newest.captured_at),
            None if image is None else (image.shape[0], image.shape[1]),
            seen.frames,
            seen.dropped,
            seen.missed,
            seen.reopened,
            seen.fault or damage,
            health,
            image,
        )

    def close(self) -> None:
        """Stop looking and close the camera."""
        self._stopping.set()
        if self._camera.live:  # that also ends a wait
            self._camera.close()
        self._thread.join(GRACE_S)
        # A file that hangs is left to end with the process: closing it under a read may crash.
        if not self._thread.is_alive():
            self._camera.close()

    def _picture(self, newest: Undecoded) -> tuple[Undecoded, Image, Mapping[str, float]]:
        kept = self._decoded
        if kept is None or kept[0] is not newest:
            image = newest.decode()
            kept = self._decoded = (newest, image, self._measure(image))
        return kept

    def _rate(self) -> float:
        times, now = list(self._times), time.monotonic()
        since = [one for one in times if one[0] > now - WINDOW_S]
        # One that is slower than the window is told by its last two.
        used = since if len(since) > 1 else times[-2:]
        if len(used) < 2 or used[-1][0] == used[0][0]:
            return 0.0
        interval = (used[-1][0] - used[0][0]) / max(used[-1][1] - used[0][1], 1)
        return 0.0 if now - used[-1][0] > max(WINDOW_S, 2 * interval) else 1 / interval

    def _look(self) -> None:
        fires = isinstance(self._camera, Firing) and self._camera.fires
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if fires:
                    self._fire()
                self._note(take(self._camera, WAIT_S))
            except NoPart:
                self._fault = ""
            except EndOfStream:
                self.ended = True
                return
            except Exception as error:  # noqa: BLE001 - a thread that dies shows nothing any more
                known = isinstance(error, EdgeclsError)
                self._fault = str(error) if known else f"{type(error).__name__}: {error}"
                if time.monotonic() - began < PAUSE_S:
                    self._stopping.wait(PAUSE_S)
            if fires:
                self._stopping.wait(FIRE_S)

    def _fire(self) -> None:
        assert isinstance(self._camera, Firing)  # noqa: S101 - asked before
        with suppress(CameraError):  # what is wrong is said by the frame that does not come
            self._camera.fire()

    def _note(self, frame: Undecoded) -> None:
        self._count += 1
        self._times.append((time.monotonic(), self.frames))
        self._newest, self._fault = frame, ""
