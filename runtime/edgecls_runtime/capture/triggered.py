"""A frame for each part that is announced: taken after it was, and in time to show it.

A thread of its own takes each frame when its part is in view, however busy the station is; the
frame then waits, with its part's id, in a short queue. Whatever happens, each announced part gives
one frame, one burst of frames or one error that names it.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgecls.errors import (
    CameraError,
    CameraTimeout,
    DeviceError,
    EndOfStream,
    FrameMissed,
    ImageError,
    NoPart,
    TriggerError,
)
from edgecls.frame import Frame
from edgecls_runtime.announcing.announcements import MOST_WAITING, Counts, Heard, Signal
from edgecls_runtime.capture.burst import burst
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.undecoded import Undecoded, take
from edgecls_runtime.protocols import Camera, Counting, Firing, Trigger

WAIT_S = 0.5
LOST_S = 0.1
GRACE_S = 2.0
# A part that is looked for so much longer than it may take hangs in a driver.
HUNG_S = 3.0


class TriggeredCamera:
    """A camera whose frames are parts.

    Attributes:
        live: False: each part waits for its verdict.

    """

    live = False

    def __init__(  # noqa: PLR0913 - each a word of its own
        self,
        camera: Camera,
        trigger: Trigger,
        capture: CaptureSettings,
        timeout: float = 1.0,
        say: Callable[[str], object] = lambda _: None,
        *,
        frames: int = 1,
    ) -> None:
        """Begin to wait for parts.

        Args:
            camera: Closed by this, as is ``trigger``.
            trigger: Announces parts.
            capture: When a frame shows its part.
            timeout: Seconds to wait for a frame.
            say: Told when the trigger is lost and when it is back.
            frames: Of each part: the first one after it is in view, and those that come next.

        """
        self._seen = self._taken = self._missed = self._overrun = 0
        self._camera, self._trigger, self._capture = camera, trigger, capture
        self._timeout, self._say, self._frames = timeout, say, frames
        self._arrived = threading.Condition()
        self._waiting: deque[Undecoded | DeviceError] = deque()
        self._lost = self._is_flooded = False
        self._told = 0
        self._looking: tuple[str, float] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="triggers", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What became of the parts up to this moment."""
        with self._arrived:
            heard = self._heard()
            return Counts(
                heard.announced,
                self._taken,
                self._missed + heard.overrun,
                self._overrun + heard.overrun,
                heard.ignored,
            )

    def read(self, timeout: float) -> Frame:
        """Return the frame of the next part.

        Raises:
            NoPart: None was announced.
            CameraTimeout: One was long ago, and the camera's driver hangs.
            FrameMissed, ImageError: A part was, and has no frame; the error names it.
            TriggerError: What announces parts is gone; said once, not of any part.
            EndOfStream: The camera, a file, is at its end, or the trigger.

        """
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the frame of the next part, not decoded; raises what ``read`` does."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting or self._stopping.is_set(), timeout)
            if not self._waiting:
                raise self._silence(timeout)
            found = self._waiting.popleft()
        if isinstance(found, Undecoded):
            return found
        raise found

    def close(self) -> None:
        """Stop waiting for parts; closing twice is allowed."""
        with self._arrived:
            if self._stopping.is_set():
                return
            self._stopping.set()
            self._arrived.notify_all()
        self._trigger.close()
        if self._camera.live:  # that also ends the wait for a frame
            self._camera.close()
        self._thread.join(GRACE_S)
        self._camera.close()

    def _silence(self, timeout: float) -> CameraTimeout:
        looking, now = self._looking, time.monotonic()
        if looking is not None and now - looking[1] > self._timeout + HUNG_S:
            part, since = looking
            return CameraTimeout(
                f"trigger: part {part} was announced {now - since:.0f} s ago; "
                f"the camera's driver does not come back"
            )
        return NoPart(f"trigger: no part announced within {timeout:g} s")

    def _heard(self) -> Heard:
        return self._trigger.heard if isinstance(self._trigger, Counting) else Heard(self._seen)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                signal = self._signal()
            except EndOfStream as error:
                self._put(error)
                return
            if signal is not None:
                self._seen += 1
                part = signal.part or str(self._seen)
                # Not before it is in view, which may be minutes away.
                seen = max(signal.at + self._capture.delay_ms / 1000, time.monotonic())
                self._looking = part, seen
                found = self._found(signal, part)
                self._looking = None
                self._count(found)
                self._put(found)
            self._notice_flood(quiet=signal is None)

    def _signal(self) -> Signal | None:
        try:
            signal = self._trigger.wait(WAIT_S)
        except EndOfStream:
            raise
        except Exception as error:  # noqa: BLE001 - a thread that dies announces nothing any more
            if not self._lost and not self._stopping.is_set():
                self._say(f"trigger lost: {error}")
                self._put(TriggerError(f"trigger lost: {error}"))
            self._lost = True
            self._stopping.wait(LOST_S)
            return None
        if self._lost and not self._stopping.is_set():
            self._say("trigger back")
        self._lost = False
        return signal

    def _notice_flood(self, *, quiet: bool) -> None:
        """Say once, until it is quiet again, that parts are announced which nobody will look at."""
        overrun = self.counts.overrun
        if overrun and not quiet and not self._is_flooded and overrun > self._told:
            self._is_flooded = True
            fault = (
                "trigger: parts are announced faster than they can be looked at; "
                f"of more than {MOST_WAITING} that wait, the others are only counted; "
                f"does it chatter?"
            )
            self._say(fault)
            self._put(TriggerError(fault))
        elif quiet:
            self._is_flooded = False
        self._told = overrun

    def _found(self, signal: Signal, part: str) -> Undecoded | DeviceError:
        with self._arrived:
            waiting = sum(isinstance(one, Undecoded) for one in self._waiting)
        if waiting >= self._capture.queue:
            fault = f"missed: {waiting} parts were still waiting to be judged"
            return FrameMissed(fault, part, signal.at)
        try:
            return self._seen_of(signal, part)
        except EndOfStream as error:
            return error
        except CameraError as error:
            return FrameMissed(str(error), part, signal.at)
        except ImageError as error:
            return type(error)(str(error), part, signal.at)
        except Exception as error:  # noqa: BLE001 - as in _signal
            return FrameMissed(f"{type(error).__name__}: {error}", part, signal.at)

    def _seen_of(self, signal: Signal, part: str) -> Undecoded | ImageError:
        due = signal.at + self._capture.delay_ms / 1000
        if self._frames > 1:
            return burst([*self._pictures(due)], part, signal.at)
        return replace(self._picture(due, due), part=part, announced_at=signal.at)

    def _pictures(self, due: float) -> Iterator[Undecoded | ImageError]:
        """Yield the frames of a part, each taken after the one before; of one that fails, why."""
        after, last = due, None
        for _ in range(self._frames):
            try:
                last = self._picture(due, after)
            except EndOfStream as error:
                if last is None:
                    raise
                yield FrameMissed(str(error))
            except CameraError as error:
                yield FrameMissed(str(error))
            except ImageError as error:
                yield error
            else:
                after = math.nextafter(last.captured_at, math.inf)
                yield last

    def _picture(self, due: float, after: float) -> Undecoded:
        """Return the next frame of a part.

        Args:
            due: Monotonic seconds when the part is in view; no frame may be much later.
            after: The frame is taken at this moment or after it.

        """
        if self._stopping.wait(max(due - time.monotonic(), 0.0)):
            raise CameraError("missed: the station is stopping")
        if isinstance(self._camera, Firing) and self._camera.fires:
            self._fire(self._camera, due)
        # From when it was due: parts that came while the camera was gone do not wait in a queue
        # that grows, each for its own time-out.
        deadline = due + self._timeout
        while True:
            left = max(round(deadline - time.monotonic(), 2), 0.0)
            frame = take(self._camera, left)
            late = frame.captured_at - due
            if not self._camera.live:
                return frame  # a file has no clock: each of its frames is the next part
            self._require_in_time(late, f"{frame.camera}: frame came")
            if frame.captured_at >= after:
                return frame

    def _fire(self, camera: Firing, due: float) -> None:
        if self._camera.live:
            self._require_in_time(time.monotonic() - due, "the camera was free only")
        camera.fire()

    def _require_in_time(self, late: float, what: str) -> None:
        if 1000 * late > self._capture.window_ms:
            raise CameraError(
                f"missed: {what} {1000 * late:.0f} ms after the part was "
                f"in view > {self._capture.window_ms:g} ms"
            )

    def _count(self, found: Undecoded | DeviceError) -> None:
        with self._arrived:
            if isinstance(found, Undecoded):
                self._taken += 1
            else:
                self._missed += 1

    def _put(self, found: Undecoded | DeviceError) -> None:
        with self._arrived:
            # What chatters must not fill the memory: of more missed parts than these none is told.
            if isinstance(found, FrameMissed) and len(self._waiting) >= MOST_WAITING:
                self._overrun += 1
                return
            self._waiting.append(found)
            self._arrived.notify()
