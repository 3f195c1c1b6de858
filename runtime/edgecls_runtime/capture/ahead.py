"""Decode and prepare the next frames while the engine is busy with the present one.

The station stays a simple loop: it reads a camera and asks a classifier. This camera's frames have
been prepared by threads of its own, which the engine does not hold up: OpenCV and ONNX Runtime
release Python's lock while they compute.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, CameraTimeout, Fault, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.burst import Burst
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.capture.undecoded import Undecoded, take
from edgecls_runtime.health.measures import Figures
from edgecls_runtime.protocols import Camera

Image = NDArray[np.uint8]
Prepare = Callable[[Image, Image | None], Image]
Measure = Callable[[Image], Figures]

GRACE_S = 2.0
# A camera keeps its own deadline; a file on a network drive may hang.
HUNG_S = 3.0
# A frame may wait while a station is held up by an output, but then it begins to show the past.
PATIENCE_S = 0.25


@dataclass(frozen=True, slots=True)
class PreparedFrame(Frame):
    """A frame that is ready for the engine.

    Attributes:
        prepared: uint8, shape (*size, 3), of several places (n, *size, 3); written over once the
            next frame was read.
        by: What prepared it; None where that is beyond doubt.
        health: The frame's figures; None where nobody wants them.

    """

    prepared: Image = field(kw_only=True)
    by: Prepare | None = field(kw_only=True, default=None)
    health: Figures | None = field(kw_only=True, default=None)


@dataclass(frozen=True, slots=True)
class Event:
    """What became of one frame, and when, in monotonic seconds."""

    found: Frame | Exception
    at: float


class Ahead:
    """A camera whose frames are decoded and prepared ahead, in their order.

    Of a folder or a video every frame is delivered. Of a live camera the newest that is ready: one
    that is overtaken, or that has waited for too long, is dropped and counted.

    Attributes:
        dropped: Prepared frames that a newer one has replaced.

    """

    def __init__(  # noqa: PLR0913 - each a word of its own
        self,
        camera: Camera,
        prepare: Prepare,
        *,
        workers: int = 2,
        timeout: float = 1.0,
        patience: float = PATIENCE_S,
        measure: Measure | None = None,
    ) -> None:
        """Stand before a camera; nothing is read before somebody asks for the first frame.

        Args:
            camera: Closed by this.
            prepare: Image in, network input out, written to the second argument if there is one
                and it has the right shape. Called by several threads.
            workers: Threads, and frames at most on their way to the engine.
            timeout: Seconds that a thread waits for a frame of ``camera``.
            patience: Seconds that a prepared frame of a live camera may wait.
            measure: Image in, its figures out. Called by several threads.

        """
        self.live = camera.live
        self.dropped = 0
        self._camera, self._prepare, self._measure = camera, prepare, measure
        self._timeout, self._patience = timeout, patience
        self._taking = threading.Lock()
        self._taken = self._next = 0
        self._room = threading.Semaphore(workers)
        self._ready = threading.Condition()
        self._events: dict[int, Event] = {}
        self._buffers: list[Image] = []
        self._lent: PreparedFrame | None = None
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"prepare {i}", daemon=True)
            for i in range(workers)
        ]

    def read(self, timeout: float) -> Frame:
        """Return the next frame, prepared; one that cannot be prepared comes as it is.

        Args:
            timeout: Seconds after which damaged frames of a live camera are no more passed over.
                How long to wait for one is the camera's own to say, in ``take``.

        Raises:
            CameraTimeout, EndOfStream, ImageError, CameraError: As the camera said.

        """
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        self._give_back(self._lent)
        self._lent = None
        deadline = time.monotonic() + timeout
        while True:
            event = self._event()
            if self._is_past(event) or self._is_passed_over(event, deadline):
                continue
            if isinstance(event.found, Exception):
                raise event.found
            if isinstance(event.found, PreparedFrame):
                self._lent = event.found
            return event.found

    def prepare_by(self, prepare: Prepare) -> None:
        """Prepare frames in another way from now on; those that wait say by what they were."""
        self._prepare = prepare
        self._buffers.clear()

    def close(self) -> None:
        """Stop the threads and close the camera; closing twice is allowed."""
        with self._ready:
            if self._stopping:
                return
            self._stopping = True
            self._ready.notify_all()
        has_threads = self.live or isinstance(self._camera, LiveCamera | TriggeredCamera)
        if has_threads:  # that also ends the wait of ours
            self._camera.close()
        deadline = time.monotonic() + GRACE_S
        self._room.release(len(self._threads))
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))
        # A file that hangs is left to end with the process: closing it under a read may crash.
        if not has_threads and not any(thread.is_alive() for thread in self._threads):
            self._camera.close()

    def _event(self) -> Event:
        longest = self._timeout + HUNG_S
        with self._ready:
            came = self._ready.wait_for(
                lambda: self._next in self._events or self._stopping, longest
            )
            if not came:
                raise CameraTimeout(f"no frame within {longest:g} s; its source hangs")
            if self._next not in self._events:
                raise CameraError("closed", Fault.GONE)
            event = self._events.pop(self._next)
            self._next += 1
        self._room.release()
        return event

    def _is_past(self, event: Event) -> bool:
        """Drop what a live camera has newer news about."""
        waited = time.monotonic() - event.at
        if not self.live or (waited < self._patience and self._next not in self._events):
            return False
        if isinstance(event.found, PreparedFrame):
            self._give_back(event.found)
        self.dropped += isinstance(event.found, Frame)
        return True

    def _is_passed_over(self, event: Event, deadline: float) -> bool:
        damaged = isinstance(event.found, ImageError)
        return self.live and damaged and time.monotonic() < deadline

    def _give_back(self, frame: PreparedFrame | None) -> None:
        # Another one's buffers have another shape.
        if frame is not None and frame.by == self._prepare:
            self._buffers.append(frame.prepared)

    def _work(self) -> None:
        while True:
            self._room.acquire()
            with self._taking:
                if self._stopping:
                    return
                number, self._taken = self._taken, self._taken + 1
                taken = self._take()
            found = self._prepared(taken) if isinstance(taken, Undecoded) else taken
            with self._ready:
                self._events[number] = Event(found, time.monotonic())
                self._ready.notify()

    def _take(self) -> Undecoded | Exception:
        try:
            return take(self._camera, self._timeout)
        except Exception as error:  # noqa: BLE001 - raised where the frame is asked for
            return error

    def _prepared(self, taken: Undecoded) -> Frame | Exception:
        try:
            frame = taken.decoded()
        except MemoryError:
            fault = f"{taken.camera}: not enough memory for its frame"
            return ImageError(fault, taken.part, taken.announced_at)
        except ImageError as error:
            return type(error)(str(error), error.part or taken.part, taken.announced_at)
        except Exception as error:  # noqa: BLE001 - raised where the frame is asked for
            return error
        if isinstance(frame, Burst):
            shots = (
                self._ready_for(shot) if isinstance(shot, Frame) else shot for shot in frame.shots
            )
            return replace(frame, shots=tuple(shots))
        try:
            buffer = self._buffers.pop()
        except IndexError:
            buffer = None
        return self._ready_for(frame, buffer)

    def _ready_for(self, frame: Frame, buffer: Image | None = None) -> Frame:
        # What cannot be prepared is for the classifier to say, of this very part.
        with suppress(Exception):
            prepare = self._prepare
            return PreparedFrame(
                frame.image,
                frame.number,
                frame.captured_at,
                frame.camera,
                frame.part,
                frame.announced_at,
                original=frame.original,
                prepared=prepare(frame.image, buffer),
                by=prepare,
                health=self._measure and self._measure(frame.image),
            )
        return frame
