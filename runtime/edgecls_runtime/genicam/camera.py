"""Frames of an opened GenICam camera: whole ones, numbered as the camera numbers them."""

import time
from dataclasses import dataclass
from typing import Protocol

from edgecls.errors import CameraError, CameraTimeout, Fault, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Image
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.genicam.clock import FrameCount
from edgecls_runtime.genicam.formats import coded
from edgecls_runtime.genicam.settings import OFF, Wanted

# A wait may end so much before its time.
EARLY_S = 0.002


@dataclass(frozen=True, slots=True)
class Grabbed:
    """What a library gave for one frame.

    Attributes:
        data: uint8, shape (bytes,); a copy of its own.
        pixel_format: By PFNC.
        size: (height, width) in pixels.
        number: The camera's own; None where it does not count, or the number was lost.
        captured_at: Monotonic seconds.
        row_padding: Bytes behind each row.
        fault: Why the frame is not whole; empty for one that is.

    """

    data: Image
    pixel_format: int
    size: tuple[int, int]
    number: int | None
    captured_at: float
    row_padding: int = 0
    fault: str = ""


class Source(Protocol):
    """An opened camera that acquires, through one of the libraries."""

    def next(self, timeout: float) -> Grabbed | None:
        """Return the next buffer that was filled, or None when there was none in time.

        Raises:
            CameraError: The camera is gone.

        """
        ...

    def fire(self) -> None:
        """Execute the software trigger.

        Raises:
            CameraError: The camera did not take it.

        """
        ...

    def close(self) -> None:
        """Stop and let the camera go."""
        ...


class GenicamCamera:
    """A live camera.

    One that runs freely, or was fired, and is silent for too long is lost: after a short
    break of the cable the library still holds the camera, but its stream never comes back. One that
    waits for its line may be silent for as long as no part comes.
    """

    live = True

    def __init__(self, source: Source, name: str, wanted: Wanted, silence: float) -> None:
        """Take over a camera that was set up.

        Args:
            source: The camera.
            name: Begins every message.
            wanted: What it was set to.
            silence: Seconds without a frame, where one is due, after which it is lost.

        """
        self.fires = wanted.fires
        self._line = "" if wanted.trigger == OFF or wanted.fires else wanted.trigger
        self._source: Source | None = source
        self._name, self._patience = name, silence
        self._count, self._delivered = FrameCount(), 0
        # Since when a frame is due; None while none is.
        self._due = time.monotonic() if wanted.trigger == OFF else None

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next frame as the camera sent it.

        Raises:
            CameraTimeout: None came in time.
            ImageError: One came that is not whole: packets were lost.
            CameraError: The camera is gone, or lost.

        """
        if self._source is None:
            raise CameraError(f"{self._name}: closed", Fault.GONE)
        patience = timeout if self._due is None else self._due + self._patience - time.monotonic()
        found = self._source.next(max(min(timeout, patience), 0.0))
        if found is None:
            raise self._silence(timeout)
        self._due = None if self.fires or self._line else time.monotonic()
        number = self._count.number(found.number)
        where = f"{self._name}: frame {number}"
        if found.fault:
            raise ImageError(f"{where}: incomplete: {found.fault}")
        decode = coded(found.data, found.pixel_format, found.size, where, found.row_padding)
        self._delivered += 1
        return Undecoded(decode, number, found.captured_at, self._name)

    def fire(self) -> None:
        """Take a picture now.

        Raises:
            CameraError: The camera did not take the order.

        """
        if self._source is None:
            raise CameraError(f"{self._name}: closed", Fault.GONE)
        self._source.fire()
        if self._due is None:
            self._due = time.monotonic()

    def close(self) -> None:
        """Let the camera go; closing twice is allowed."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _silence(self, timeout: float) -> CameraError:
        due, delivered = self._due, f"{self._delivered} delivered before"
        if due is None:
            waiting = f"; it waits for {self._line}" if self._line else ""
            return CameraTimeout(f"{self._name}: no frame within {timeout:g} s{waiting}")
        silent = time.monotonic() - due
        if silent < self._patience - EARLY_S:
            return CameraTimeout(f"{self._name}: no frame within {timeout:g} s; {delivered}")
        return CameraError(
            f"{self._name}: lost after {silent:.1f} s of silence; {delivered}; "
            f"is its cable in, and its exposure shorter than that?",
            Fault.GONE,
        )
