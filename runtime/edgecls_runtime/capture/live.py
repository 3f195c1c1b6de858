"""Read a live camera all the time, keep what will be judged, and open it again when it is lost.

A thread of its own reads the camera, so that a call that hangs in a driver hangs that thread and
not the station: the station's read has its own deadline, always.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, CameraTimeout, Fault, FrameMissed, ImageError, NoPart
from edgecls.frame import Frame
from edgecls_runtime.announcing.announcements import Counts
from edgecls_runtime.capture.undecoded import Undecoded, take
from edgecls_runtime.protocols import Camera, Firing

READ_S = 1.0
# Between two attempts to open a camera again; half of it to all of it, so that stations which lost
# one switch do not come back in one moment. Wrong passwords lock accounts: those are tried rarely.
RETRY_S = 0.5
LOCKED_RETRY_S = 30.0
GRACE_S = 2.0
# A call that should have come back after READ_S and has not after this hangs.
HUNG_S = 3.0
# A picture that was ordered and is later than this may show another part when it comes: only a
# camera that was opened again cannot deliver it any more.
OWED_S = 2.0
QUEUE = 8
# A camera that counts anew, or another one in its place, has not missed as many.
LARGEST_GAP = 1000


class Keep(StrEnum):
    """Which frames of a live camera are judged."""

    NEWEST = "newest"  # the last one that came; what it replaced is counted
    EVERY = "every"  # all of them; none for a while is a fault
    TRIGGERED = "triggered"  # all of them, each a part that the camera's own trigger line announced


class LiveCamera:
    """A camera behind its reader: what ``read`` gives is at most a few frames old.

    Attributes:
        live: Whether a later frame makes an earlier one worthless: of ``Keep.NEWEST`` alone.
        dropped: Frames that were replaced before anyone read them; of ``Keep.NEWEST`` alone.
        missed: Frames that were to be judged and cannot be: lost on their way, or not read in time.
        delivered: Frames that came from the camera.
        reopened: How often the camera was lost and opened again.
        fires: As of ``Firing``.
        keep: Which frames are judged.

    """

    def __init__(
        self,
        camera: Camera,
        reopen: Callable[[], Camera],
        keep: Keep = Keep.NEWEST,
        queue: int = QUEUE,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin to read an opened camera.

        Args:
            camera: Where frames come from; closed by this.
            reopen: Opens it again. A loss is no error: reads time out until it is back.
            keep: Which frames are judged.
            queue: Frames at most that wait to be read, where every one is kept.
            release: Called at the very end; takes the device from a driver that still hangs.

        """
        self.keep, self.live = keep, keep is Keep.NEWEST
        self.fires = isinstance(camera, Firing) and camera.fires
        self.dropped = self.delivered = self.reopened = self.missed = self._overrun = 0
        self._camera, self._open = camera, reopen
        self._most, self._release = queue, release
        self._slot = threading.Condition()
        self._frames: deque[Undecoded | FrameMissed] = deque()
        self._expected: int | None = None
        self._damaged = 0
        self._where = self._fault = ""
        self._lost = False
        self._asked = time.monotonic()
        self._ordered: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="capture", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        """Why it does not deliver at the moment; empty when it does."""
        return self._fault if self._lost else ""

    @property
    def counts(self) -> Counts:
        """What became of the frames, where each is a part."""
        with self._slot:
            return Counts(
                announced=self.delivered + self.missed - self._overrun,
                taken=self.delivered - self._overrun,
                missed=self.missed,
                overrun=self._overrun,
            )

    def read(self, timeout: float) -> Frame:
        """Return the next frame that was kept; of the newest, damaged ones are passed over.

        Raises:
            CameraTimeout: None came within ``timeout`` seconds; NoPart, where that is no fault.
            FrameMissed: One that was to be judged is not to be had.
            ImageError: One that was to be judged is damaged.

        """
        deadline = time.monotonic() + timeout
        while True:
            taken = self.take(max(deadline - time.monotonic(), 0.0), timeout)
            with suppress(*([ImageError] if self.live else [])):
                return taken.decoded()

    def take(self, timeout: float, said: float | None = None) -> Undecoded:
        """Return the next frame that was kept; it may turn out to be damaged.

        Args:
            timeout: Longest wait in seconds.
            said: What the message calls it, of someone who has waited before.

        Raises:
            CameraTimeout, NoPart, FrameMissed: As ``read``.

        """
        with self._slot:
            self._slot.wait_for(lambda: self._frames or self._stopping.is_set(), timeout)
            if not self._frames:
                raise self._silence(timeout if said is None else said)
            frame = self._frames.popleft()
        if isinstance(frame, FrameMissed):
            raise frame
        return replace(frame, decode=partial(self._decode, frame))

    def fire(self) -> None:
        """Have the camera take a picture; frames that came before are not the one.

        Raises:
            CameraError: It does not take the order, is being opened again, or still owes the
                picture before: whose frame comes next could not be told.

        """
        camera = self._camera
        with self._slot:
            if self._lost or not isinstance(camera, Firing):
                raise CameraError(self._fault or f"{self._where}cannot be triggered", Fault.GONE)
            now = time.monotonic()
            if self._ordered is not None:
                raise CameraError(
                    f"{self._where}the picture before, ordered {now - self._ordered:.1f} s ago, "
                    f"has not come yet",
                    Fault.TIMEOUT,
                )
            self.dropped += len(self._frames)
            self._frames.clear()
            # Also when it says no: a picture may have been taken all the same.
            self._ordered = now
        camera.fire()

    def close(self) -> None:
        """Stop reading; a thread that hangs in a driver is left behind to end with the process."""
        with self._slot:
            if self._stopping.is_set():
                return
            self._stopping.set()
            self._slot.notify_all()
        self._thread.join(GRACE_S)
        self._release()
        self._thread.join(GRACE_S / 4)

    def _silence(self, timeout: float) -> CameraTimeout:
        fault = f"; {self._fault}" if self._fault else ""
        message = (
            f"{self._where}no frame within {timeout:g} s; {self.delivered} delivered before{fault}"
        )
        hangs = time.monotonic() - self._asked > HUNG_S
        quiet = self.keep is Keep.TRIGGERED and not self._lost and not hangs
        return NoPart(message) if quiet else CameraTimeout(message)

    def _decode(self, frame: Undecoded) -> NDArray[np.uint8]:
        try:
            return frame.decode()
        except ImageError as error:
            self._fault = str(error)
            raise

    def _watch(self) -> None:
        while not self._stopping.is_set():
            self._asked = time.monotonic()
            try:
                self._put(take(self._camera, READ_S))
            except CameraTimeout as error:
                self._fault = str(error)
                if self._ordered is not None and time.monotonic() - self._ordered > OWED_S:
                    self._lose(error)
                    self._reopen()
            except ImageError as error:
                self._tear(str(error))
            except Exception as error:  # noqa: BLE001 - a reader that dies is a silent camera
                self._lose(error)
                self._reopen()
        _close(self._camera)

    def _tear(self, fault: str) -> None:
        """Note a frame that came and is no image."""
        with self._slot:
            self._fault, self._ordered = fault, None
            if not self.live:
                self._damaged += 1
                self._miss(fault)

    def _put(self, frame: Undecoded) -> None:
        with self._slot:
            self._where, self._fault, self._lost = f"{frame.camera}: ", "", False
            self._ordered = None
            if self.live:
                self.dropped += len(self._frames)
                self._frames.clear()
            else:
                self._count_gap(frame.number)
            if not self.live and self._is_full():
                self._overrun += 1
                self._miss(f"{self._where}frame came while {self._most} others were waiting")
            else:
                # A clock that is set wrong must not make a frame younger than it can be.
                at = min(frame.captured_at, time.monotonic())
                self._frames.append(replace(frame, number=self.delivered, captured_at=at))
            self.delivered += 1
            self._slot.notify()

    def _count_gap(self, number: int) -> None:
        """Notice frames that a driver or a network lost: the camera counted them."""
        expected, self._expected = self._expected, number + 1
        damaged, self._damaged = self._damaged, 0  # counted when they came
        if expected is not None and 0 < number - expected < LARGEST_GAP:
            for lost in range(expected + damaged, number):
                self._miss(f"{self._where}frame {lost} was lost on its way")

    def _is_full(self) -> bool:
        return sum(isinstance(frame, Undecoded) for frame in self._frames) >= self._most

    def _miss(self, reason: str) -> None:
        with self._slot:
            self.missed += 1
            # Of more than these nobody wants to read; they are counted.
            if len(self._frames) < self._most + LARGEST_GAP:
                self._frames.append(FrameMissed(f"missed: {reason}"))
            self._slot.notify()

    def _lose(self, error: Exception) -> None:
        with self._slot:
            self._fault = str(error) or type(error).__name__
            self._lost, self._expected, self._damaged = True, None, 0
            self._ordered = None
        _close(self._camera)

    def _reopen(self) -> None:
        wait = RETRY_S
        while not self._stopping.wait(wait * random.uniform(0.5, 1)):  # noqa: S311 - no secret
            try:
                self._camera = self._open()
            except Exception as error:  # noqa: BLE001 - it may be refused today and not tomorrow
                self._fault = str(error) or type(error).__name__
                locked = isinstance(error, CameraError) and error.fault is Fault.AUTH
                wait = LOCKED_RETRY_S if locked else RETRY_S
                continue
            self.reopened += 1
            self._lost = False
            return


def _close(camera: Camera) -> None:
    # A driver that lost its device may fail to close it; that must not end the thread that reopens.
    with suppress(Exception):
        camera.close()
