"""Frames from a device: the kernel fills buffers, each is copied out and handed back to it."""

import ctypes
import mmap
import select
import time
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, CameraTimeout, Fault
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.sensor_clock import SensorClock
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.v4l2 import layout, modes
from edgecls_runtime.v4l2.device import Device

# One is being filled, one is being copied; the others are for a reader that is late by two frames.
BUFFERS = 4
# Rows of bytes in a frame, for each row of pixels; and bytes in such a row for each pixel.
LINES = {Coding.NV12: 1.5}
DEPTH = {
    **dict.fromkeys((Coding.YUYV, Coding.UYVY, Coding.YUV_YUYV, Coding.YUV_UYVY), 2),
    **dict.fromkeys((Coding.RGB, Coding.BGR), 3),
}


class V4L2Camera:
    """A streaming device; live."""

    live = True

    def __init__(self, device: Device, pixels: layout.PixelFormat, silence: float) -> None:
        """Begin to stream.

        Args:
            device: Opened; closed by this, also when it cannot stream.
            pixels: What ``modes.set_to`` set it to.
            silence: Seconds without a frame after which the device counts as lost.

        Raises:
            CameraError: The device is busy, or cannot stream.

        """
        self._device, self._silence = device, silence
        self._clock, self._number, self._count = SensorClock(), -1, 0
        self._memory: list[mmap.mmap] = []
        self._pixels = pixels
        self._coding = modes.coding(pixels)
        self._poll = select.poll()
        self._poll.register(device.file, select.POLLIN)
        try:
            self._start()
        except BaseException:
            self.close()  # memory that stays mapped keeps a device busy after it was closed
            raise
        self._heard = time.monotonic()

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next whole frame as the device sent it; damaged ones are passed over.

        Its number is the driver's count, so that those and lost ones leave a gap.

        Raises:
            CameraTimeout: None came in time.
            CameraError: The device is lost, or has been silent for too long.

        """
        deadline = time.monotonic() + timeout
        while True:
            self._wait(deadline, timeout)
            taken = self._next()
            if taken is not None:
                self._heard, self._count = time.monotonic(), self._count + 1
                return taken

    def close(self) -> None:
        """Stop and let the device go; closing twice is allowed."""
        if self._device.file < 0:
            return
        with suppress(OSError):  # it may be gone
            self._device.ask(layout.STREAMOFF, ctypes.c_int32(layout.CAPTURE))
        for memory in self._memory:
            memory.close()
        self._memory = []
        self._device.close()

    def _start(self) -> None:
        device = self._device
        asked = layout.BufferRequest(BUFFERS, layout.CAPTURE, layout.MMAP)
        device.insist(layout.REQBUFS, asked, "memory for its frames")
        for number in range(asked.count):
            buffer = _buffer(number)
            device.insist(layout.QUERYBUF, buffer, "memory for its frames")
            self._memory.append(
                mmap.mmap(
                    device.file,
                    buffer.length,
                    mmap.MAP_SHARED,
                    mmap.PROT_READ | mmap.PROT_WRITE,
                    offset=buffer.m.offset,
                )
            )
            device.insist(layout.QBUF, buffer, "memory for its frames")
        device.insist(layout.STREAMON, ctypes.c_int32(layout.CAPTURE), "streaming")

    def _wait(self, deadline: float, timeout: float) -> None:
        """Wait until the driver has something to say."""
        left = deadline - time.monotonic()
        if left > 0 and self._poll.poll(left * 1000):
            return
        if left <= 0 and self._poll.poll(0):
            return
        silent = time.monotonic() - self._heard
        if silent >= self._silence:
            raise CameraError(
                f"{self._device.name}: silent for {silent:.1f} s; {self._delivered()}; "
                f"is its cable sound?",
                Fault.TIMEOUT,
            )
        raise CameraTimeout(
            f"{self._device.name}: no frame within {timeout:g} s; {self._delivered()}"
        )

    def _next(self) -> Undecoded | None:
        """Return the frame that is there; None when it is damaged, or none is there after all."""
        if self._device.file < 0:
            raise CameraError(f"{self._device.name}: closed", Fault.GONE)
        buffer = _buffer(0)
        try:
            self._device.ask(layout.DQBUF, buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._device.error(error, "reading") from error
        arrived = time.monotonic()
        data = self._copied(buffer)
        sequence = buffer.sequence
        # Now: handing the buffer back clears it.
        stamp = buffer.timestamp.seconds + buffer.timestamp.microseconds / 1e6
        self._device.insist(layout.QBUF, buffer, "reading")
        # Some drivers do not count.
        number = self._number = max(sequence, self._number + 1)
        if data is None:
            return None
        coded = Coded(data, self._coding, f"{self._device.name}: frame {number}")
        return Undecoded(coded, number, self._clock.when(stamp, arrived), self._device.name)

    def _copied(self, buffer: layout.Buffer) -> NDArray[np.uint8] | None:
        """Return what a buffer holds, in the shape of its coding; None when that is not whole."""
        if buffer.flags & layout.BUF_FLAG_ERROR or not buffer.bytesused:
            return None
        data = np.frombuffer(self._memory[buffer.index], np.uint8, buffer.bytesused)
        if self._coding is Coding.JPEG:
            return data.copy()
        pixels, depth = self._pixels, DEPTH.get(self._coding, 1)
        rows, row = int(pixels.height * LINES.get(self._coding, 1)), pixels.width * depth
        stride = max(pixels.bytesperline, row)
        if data.size < stride * (rows - 1) + row:
            return None
        # The last row may come without the bytes that fill it up.
        lines = np.lib.stride_tricks.as_strided(data, (rows, row), (stride, 1), writeable=False)
        shape = (rows, pixels.width) if depth == 1 else (rows, pixels.width, depth)
        return np.array(lines).reshape(shape)

    def _delivered(self) -> str:
        return f"{self._count} frames delivered before"


def _buffer(number: int) -> layout.Buffer:
    return layout.Buffer(index=number, type=layout.CAPTURE, memory=layout.MMAP)
