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
from edgecls_runtime.v4l2 import layout
from edgecls_runtime.v4l2.device import Device
from edgecls_runtime.v4l2.modes import CODINGS, RATE_TOLERANCE, Wanted

# One is being filled, one is being copied; the others are for a reader that is late by two frames.
BUFFERS = 4
# Rows of bytes in a frame, for each row of pixels; and bytes in such a row for each pixel.
LINES = {Coding.NV12: 1.5}
DEPTH = {Coding.YUYV: 2, Coding.UYVY: 2, Coding.RGB: 3, Coding.BGR: 3}


class V4L2Camera:
    """A streaming device; live."""

    live = True

    def __init__(self, device: Device, mode: Wanted, silence: float) -> None:
        """Begin to stream.

        Args:
            device: Opened; closed by this, also when it cannot stream.
            mode: What ``modes.chosen`` chose.
            silence: Seconds without a frame after which the device counts as lost.

        Raises:
            CameraError: The device is busy, or does not take the mode.

        """
        self._device, self._silence = device, silence
        self._clock, self._number = SensorClock(), -1
        self._memory: list[mmap.mmap] = []
        self._pixels = _format_set(device, mode)
        self._coding = CODINGS[layout.name_of(self._pixels.pixelformat)]
        _rate_set(device, mode.rate)
        self._poll = select.poll()
        self._poll.register(device.file, select.POLLIN)
        self._start()
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
                self._heard = time.monotonic()
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
        sequence, stamp = buffer.sequence, buffer.timestamp
        self._device.insist(layout.QBUF, buffer, "reading")
        # Some drivers do not count.
        number = self._number = max(sequence, self._number + 1)
        if data is None:
            return None
        seconds = stamp.seconds + stamp.microseconds / 1e6
        coded = Coded(data, self._coding, f"{self._device.name}: frame {number}")
        return Undecoded(coded, number, self._clock.when(seconds, arrived), self._device.name)

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
        return f"{self._number + 1} frames delivered before"


def _format_set(device: Device, mode: Wanted) -> layout.PixelFormat:
    """Set format and size; the driver takes what is nearest, which is not what was asked for."""
    table = layout.Format(type=layout.CAPTURE)
    device.insist(layout.G_FMT, table, "its format")
    pixels: layout.PixelFormat = table.fmt.pix
    pixels.pixelformat = layout.fourcc(mode.format)
    pixels.width, pixels.height = mode.width or pixels.width, mode.height or pixels.height
    pixels.field, pixels.bytesperline, pixels.sizeimage = layout.FIELD_ANY, 0, 0
    wanted = f"{pixels.width}x{pixels.height} in {mode.format}"
    device.insist(layout.S_FMT, table, wanted)
    found = f"{pixels.width}x{pixels.height} in {layout.name_of(pixels.pixelformat)}"
    if found != wanted:
        raise CameraError(f"{device.name}: no {wanted}; it offers {found}", Fault.FORMAT)
    return layout.PixelFormat.from_buffer_copy(pixels)


def _rate_set(device: Device, rate: float) -> None:
    if not rate:
        return
    table = layout.StreamParameters(type=layout.CAPTURE)
    device.insist(layout.G_PARM, table, "its rate")
    capture = table.parm.capture
    capture.timeperframe = layout.Fraction(1000, round(rate * 1000))
    device.insist(layout.S_PARM, table, f"{rate:g} Hz")
    found = capture.timeperframe
    hz = found.denominator / found.numerator if found.numerator else 0.0
    if abs(hz - rate) > RATE_TOLERANCE * rate:
        raise CameraError(f"{device.name}: no {rate:g} Hz; it offers {hz:.4g} Hz", Fault.FORMAT)


def _buffer(number: int) -> layout.Buffer:
    return layout.Buffer(index=number, type=layout.CAPTURE, memory=layout.MMAP)
