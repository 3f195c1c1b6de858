"""What every camera that sends a stream over the network has in common: deadlines and ages."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, CameraTimeout, Fault
from edgecls.frame import Frame
from edgecls_runtime.capture.backlog import Backlog
from edgecls_runtime.capture.errand import Errand
from edgecls_runtime.capture.pts_clock import PtsClock
from edgecls_runtime.capture.undecoded import Undecoded

# A sender that stays behind, whatever held it up, never catches up by itself; a new connection is
# live. A burst after a short pause is over sooner than the patience.
BEHIND_S = 1.0
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """One frame as it came.

    Attributes:
        decode: As of ``Undecoded``.
        at: Monotonic seconds when it was complete.
        waited: Seconds that it was waited for.
        pts: When the sender says that it was taken, seconds of its own clock; None if it does not.

    """

    decode: Callable[[], NDArray[np.uint8]]
    at: float
    waited: float
    pts: float | None = None


class Source(Protocol):
    """An open stream.

    Attributes:
        instead: What has come since the last frame and was none; empty where nothing has.

    """

    instead: str

    def next(self, where: str) -> Arrived:
        """Wait for the next frame.

        Args:
            where: Begins the message about a damaged one.

        Raises:
            CameraError: The stream is at its end, or is none.

        """
        ...

    def stop(self) -> None:
        """End the wait of another thread, if that can be done."""
        ...

    def close(self) -> None:
        """Release the connection; nobody waits any more."""
        ...


# By a deadline, monotonic seconds; may raise TimeoutError.
Connect = Callable[[float], Source]


class StreamCamera:
    """Frames of a stream, each with the time at which it was taken, as far as the sender tells."""

    live = True

    def __init__(
        self, source: Source, first: Arrived, errand: Errand, name: str, silence: float
    ) -> None:
        """Take over an open stream.

        Args:
            source: Where frames come from.
            first: The first one.
            errand: Waits for the others; ended by this.
            name: Begins every message.
            silence: Seconds without a frame after which the stream is lost.

        """
        self._source, self._errand, self._name = source, errand, name
        self._silence = silence
        self._first: Arrived | None = first
        self._count = 0
        self._asked: float | None = None
        self._in_time = time.monotonic()
        self._clock, self._backlog = PtsClock(), Backlog()
        self._closed = False

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next frame, none of those that were stored before the stream was opened.

        Raises:
            CameraTimeout: None came in time.
            CameraError: The stream is lost, or has stayed behind.

        """
        deadline = time.monotonic() + timeout
        while True:
            arrived = self._arrival(deadline, timeout)
            taken_at = self._taken_at(arrived)
            if taken_at is not None:
                number, self._count = self._count, self._count + 1
                return Undecoded(arrived.decode, number, taken_at, self._name)

    def close(self) -> None:
        """Let the stream go, without waiting for it; closing twice is allowed."""
        if not self._closed:
            self._closed = True
            self._source.stop()
            self._errand.end(self._source.close)

    def _arrival(self, deadline: float, timeout: float) -> Arrived:
        if self._closed:
            raise CameraError(f"{self._name}: closed", Fault.GONE)
        if self._first is not None:
            arrived, self._first = self._first, None
            return arrived
        began = time.monotonic()
        asked = self._asked = began if self._asked is None else self._asked
        call = partial(self._source.next, f"{self._name}: frame {self._count}")
        try:
            arrived = self._errand.wait(call, min(deadline, asked + self._silence) - began)
        except TimeoutError:
            waited = time.monotonic() - asked
            if waited >= self._silence:
                if self._source.instead:
                    raise undecodable(self._name, self._source.instead) from None
                raise lost(self._name, f"after {waited:.1f} s of silence", self._count) from None
            raise CameraTimeout(f"{self._name}: no frame within {timeout:g} s") from None
        self._asked = None
        return arrived

    def _taken_at(self, arrived: Arrived) -> float | None:
        """Return when a frame was taken; None of one that must not be shown."""
        if arrived.pts is None:
            return None if self._backlog.holds(arrived.waited) else arrived.at
        taken_at = self._clock.captured_at(arrived.pts, arrived.at)
        age = time.monotonic() - taken_at
        if age < BEHIND_S:
            self._in_time = time.monotonic()
        elif time.monotonic() - self._in_time > PATIENCE_S:
            raise lost(self._name, f"{age:.1f} s behind", self._count)
        return taken_at if self._clock.settled else None


def opened(connect: Connect, name: str, timeout: float, silence: float) -> StreamCamera:
    """Open a stream and wait for its first frame.

    Args:
        connect: Opens it, by a deadline in monotonic seconds; what it opens too late is closed.
        name: Begins every message.
        timeout: Seconds that all this may take.
        silence: As of ``StreamCamera``.

    Raises:
        CameraError: It cannot be opened, or sends nothing.

    """
    errand = Errand("stream")
    deadline = time.monotonic() + timeout
    found: list[Source] = []

    def begin() -> tuple[Source, Arrived]:
        source = connect(deadline)
        found.append(source)
        return source, source.next(f"{name}: frame 0")

    def tidy() -> None:
        for source in found:
            with suppress(Exception):
                source.close()

    try:
        source, first = errand.wait(begin, timeout)
    except BaseException as error:
        for late in found:
            late.stop()
        errand.end(tidy)
        if isinstance(error, TimeoutError) and not isinstance(error, CameraError):
            if found and found[0].instead:
                raise undecodable(name, found[0].instead) from None
            raise CameraError(
                f"{name}: no frame within {timeout:g} s; is the camera on, and its cable in?",
                Fault.TIMEOUT,
            ) from None
        raise
    return StreamCamera(source, first, errand, name, silence)


def lost(name: str, how: str, count: int) -> CameraError:
    """Return the error about a stream that was there."""
    return CameraError(
        f"{name}: lost {how}; {count} frames delivered before; is the source still running?",
        Fault.GONE,
    )


def ended(name: str, how: str) -> CameraError:
    """Return the error about a stream that its sender or the network ended.

    Args:
        name: Begins the message.
        how: What was found.

    """
    return CameraError(f"{name}: lost: {how}; is the source still running?", Fault.GONE)


def undecodable(name: str, found: str) -> CameraError:
    """Return the error about a stream of which no frame can be made.

    Args:
        name: Begins the message.
        found: What comes instead.

    """
    return CameraError(f"{name}: {found}; expected a camera's stream", Fault.CODEC)
