"""Keep only the newest frame of a live camera, and keep trying when the camera goes away.

A thread of its own reads the camera, so that a call that hangs in a driver hangs that thread and
not the station: the station's read has its own deadline, always.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraTimeout, ImageError
from edgecls.frame import Frame
from edgecls_runtime.protocols import Camera
from edgecls_runtime.undecoded import Undecoded, take

READ_S = 1.0
RETRY_S = 0.5
GRACE_S = 2.0


class NewestFrame:
    """A live camera behind a slot that holds one frame: the newest.

    Attributes:
        dropped: Frames that were replaced before anyone read them.
        delivered: Frames that came from the camera.
        reopened: How often the camera was lost and opened again.

    """

    live = True

    def __init__(self, camera: Camera, reopen: Callable[[], Camera]) -> None:
        """Begin to read an opened camera.

        Args:
            camera: Where frames come from; closed by this.
            reopen: Opens it again. A loss is no error: reads time out until it is back.

        """
        self.dropped = self.delivered = self.reopened = 0
        self._open = reopen
        self._slot = threading.Condition()
        self._newest: Undecoded | None = None
        self._where = self._fault = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, args=(camera,), name="capture", daemon=True
        )
        self._thread.start()

    def read(self, timeout: float) -> Frame:
        """Return the newest frame that was not returned yet; damaged ones are passed over.

        Raises:
            CameraTimeout: None came within ``timeout`` seconds.

        """
        deadline = time.monotonic() + timeout
        while True:
            taken = self.take(max(deadline - time.monotonic(), 0.0), timeout)
            with suppress(ImageError):
                return taken.decoded()

    def take(self, timeout: float, said: float | None = None) -> Undecoded:
        """Return the newest frame that was not returned yet; it may turn out to be damaged.

        Args:
            timeout: Longest wait in seconds.
            said: What the message calls it, of someone who has waited before.

        Raises:
            CameraTimeout: None came within ``timeout`` seconds.

        """
        with self._slot:
            self._slot.wait_for(lambda: self._newest or self._stopping.is_set(), timeout)
            frame, self._newest = self._newest, None
            if frame is None:
                fault = f"; {self._fault}" if self._fault else ""
                raise CameraTimeout(
                    f"{self._where}no frame within {timeout if said is None else said:g} s; "
                    f"{self.delivered} delivered before{fault}"
                )
        return replace(frame, decode=partial(self._decode, frame))

    def close(self) -> None:
        """Stop reading; a thread that hangs in a driver is left behind to end with the process."""
        with self._slot:
            self._stopping.set()
            self._slot.notify_all()
        self._thread.join(GRACE_S)

    def _decode(self, frame: Undecoded) -> NDArray[np.uint8]:
        try:
            return frame.decode()
        except ImageError as error:
            self._fault = str(error)
            raise

    def _watch(self, camera: Camera) -> None:
        while not self._stopping.is_set():
            try:
                self._put(take(camera, READ_S))
            except (CameraTimeout, ImageError) as error:
                self._fault = str(error)
            except Exception as error:  # noqa: BLE001 - a reader that dies is a silent camera
                self._fault = str(error)
                _close(camera)
                camera = self._reopen() or camera
        _close(camera)

    def _put(self, frame: Undecoded) -> None:
        with self._slot:
            self.dropped += self._newest is not None
            self._newest = replace(frame, number=self.delivered)
            self.delivered += 1
            self._where, self._fault = f"{frame.camera}: ", ""
            self._slot.notify()

    def _reopen(self) -> Camera | None:
        while not self._stopping.wait(RETRY_S):
            try:
                camera = self._open()
            except Exception as error:  # noqa: BLE001 - it may be refused today and not tomorrow
                self._fault = str(error)
                continue
            self.reopened += 1
            return camera
        return None


def _close(camera: Camera) -> None:
    # A driver that lost its device may fail to close it; that must not end the thread that reopens.
    with suppress(Exception):
        camera.close()
