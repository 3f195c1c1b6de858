"""Frames from libcamera through its own Python package: what a Raspberry Pi's cameras speak."""

import fcntl
import mmap
import select
import struct
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, CameraTimeout, Fault
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.sensor_clock import SensorClock
from edgecls_runtime.capture.undecoded import Undecoded

# libcamera names the bytes of a pixel from the last to the first; best first: the first is ours.
CODINGS = {
    "BGR888": Coding.RGB,
    "RGB888": Coding.BGR,
    "NV12": Coding.NV12,
    "YUYV": Coding.YUYV,
    "UYVY": Coding.UYVY,
    "R8": Coding.GREY,
    "MJPEG": Coding.JPEG,
}
DEPTH = {Coding.RGB: 3, Coding.BGR: 3, Coding.YUYV: 2, Coding.UYVY: 2}
BUFFERS = 4
# ``linux/dma-buf.h``: before and after the processor reads what a device wrote.
DMA_BUF_SYNC = 0x40086200
SYNC_READ, SYNC_END = 1, 4


@dataclass(frozen=True, slots=True)
class Stream:
    """What was agreed with a camera.

    Attributes:
        configured: libcamera's stream configuration.
        coding: Of its frames.
        controls: To start with: values by libcamera's controls.

    """

    configured: Any
    coding: Coding
    controls: Mapping[Any, object]


class LibcameraCamera:
    """A camera of libcamera that streams; live."""

    live = True

    def __init__(
        self,
        package: ModuleType,
        camera: Any,  # noqa: ANN401 - libcamera has no types
        name: str,
        stream: Stream,
        silence: float,
    ) -> None:
        """Begin to stream.

        Args:
            package: libcamera.
            camera: Acquired and configured.
            name: Begins every message.
            stream: What was agreed with it.
            silence: Seconds without a frame after which it counts as lost.

        """
        self._package, self._camera, self._name = package, camera, name
        self._stream, self._silence = stream, silence
        self._manager = package.CameraManager.singleton()
        self._clock, self._number, self._count = SensorClock(), -1, 0
        self._memory: dict[int, mmap.mmap] = {}
        self._ready: deque[Any] = deque()
        self._requests: list[Any] = []
        self._allocator: Any = package.FrameBufferAllocator(camera)
        self._poll = select.poll()
        self._poll.register(self._manager.event_fd, select.POLLIN)
        self._start()
        self._heard = time.monotonic()

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next whole frame; its number is the sensor's count.

        Raises:
            CameraTimeout: None came in time.
            CameraError: The camera is closed, or has been silent for too long.

        """
        deadline = time.monotonic() + timeout
        while True:
            request = self._next(deadline, timeout)
            try:
                taken = self._taken(request)
            finally:
                request.reuse()
                self._camera.queue_request(request)
            if taken is not None:
                self._heard, self._count = time.monotonic(), self._count + 1
                return taken

    def close(self) -> None:
        """Stop and let the camera go; closing twice is allowed."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        with suppress(RuntimeError):
            camera.stop()
        if self._poll.poll(0):  # without any it would wait for one
            self._manager.get_ready_requests()  # those that stopping gave back
        self._ready.clear()
        self._requests.clear()
        for memory in self._memory.values():
            memory.close()
        self._memory.clear()
        self._allocator = None
        with suppress(RuntimeError):
            camera.release()

    def _start(self) -> None:
        stream = self._stream.configured.stream
        try:
            self._allocator.allocate(stream)
            for number, buffer in enumerate(self._allocator.buffers(stream)):
                request = self._camera.create_request(number)
                request.add_buffer(stream, buffer)
                self._requests.append(request)
            self._camera.start(dict(self._stream.controls))
            for request in self._requests:
                self._camera.queue_request(request)
        except RuntimeError as error:
            self.close()
            raise CameraError(f"{self._name}: does not start: {error}", Fault.BUSY) from error

    def _next(self, deadline: float, timeout: float) -> Any:  # noqa: ANN401 - a request of libcamera
        """Wait for a finished request."""
        while not self._ready:
            if self._camera is None:
                raise CameraError(f"{self._name}: closed", Fault.GONE)
            left = max(deadline - time.monotonic(), 0.0)
            if not self._poll.poll(left * 1000):
                raise self._silent(timeout)
            cancelled = self._package.Request.Status.Cancelled
            for request in self._manager.get_ready_requests():
                if request.status != cancelled:
                    self._ready.append(request)
        return self._ready.popleft()

    def _silent(self, timeout: float) -> CameraError:
        delivered = f"{self._count} frames delivered before"
        silent = time.monotonic() - self._heard
        if silent >= self._silence:
            return CameraError(
                f"{self._name}: silent for {silent:.1f} s; {delivered}; is its ribbon cable in?",
                Fault.TIMEOUT,
            )
        return CameraTimeout(f"{self._name}: no frame within {timeout:g} s; {delivered}")

    def _taken(self, request: Any) -> Undecoded | None:  # noqa: ANN401 - a request of libcamera
        """Return the frame of a request; None when it is damaged."""
        arrived = time.monotonic()
        buffer = request.buffers[self._stream.configured.stream]
        metadata = buffer.metadata
        number = self._number = max(metadata.sequence, self._number + 1)
        if metadata.status != self._package.FrameMetadata.Status.Success:
            return None
        stamp = request.metadata.get(self._package.controls.SensorTimestamp, metadata.timestamp)
        used = [plane.bytes_used for plane in metadata.planes]
        data = self._copied(buffer, used)
        coded = Coded(data, self._stream.coding, f"{self._name}: frame {number}")
        return Undecoded(coded, number, self._clock.when(stamp / 1e9, arrived), self._name)

    def _copied(self, buffer: Any, used: list[int]) -> NDArray[np.uint8]:  # noqa: ANN401 - as above
        """Return what a buffer holds, in the shape of the coding."""
        coding, size = self._stream.coding, self._stream.configured.size
        if coding is Coding.JPEG:
            return self._plane(buffer.planes[0])[: used[0]].copy()
        depth, stride = DEPTH.get(coding, 1), self._stream.configured.stride
        row, rows = size.width * depth, size.height
        parts = [_lines(self._plane(buffer.planes[0]), rows, row, stride)]
        if coding is Coding.NV12:
            # Both planes may be in one.
            chroma = (
                self._plane(buffer.planes[1])
                if len(buffer.planes) > 1
                else self._plane(buffer.planes[0])[rows * stride :]
            )
            parts.append(_lines(chroma, rows // 2, row, stride))
        data = np.concatenate(parts)
        return data if depth == 1 else data.reshape(rows, size.width, depth)

    def _plane(self, plane: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - as above
        """Return the bytes of one plane, as the device wrote them."""
        end = plane.offset + plane.length
        memory = self._memory.get(plane.fd)
        if memory is None or len(memory) < end:
            memory = mmap.mmap(plane.fd, end, mmap.MAP_SHARED, mmap.PROT_READ)
            self._memory[plane.fd] = memory
        with suppress(OSError):  # memory that is no device's needs none
            fcntl.ioctl(plane.fd, DMA_BUF_SYNC, struct.pack("Q", SYNC_READ))
            fcntl.ioctl(plane.fd, DMA_BUF_SYNC, struct.pack("Q", SYNC_READ | SYNC_END))
        return np.frombuffer(memory, np.uint8, plane.length, plane.offset)


def _lines(data: NDArray[np.uint8], rows: int, row: int, stride: int) -> NDArray[np.uint8]:
    """Return rows of bytes without what fills each of them up."""
    return np.lib.stride_tricks.as_strided(data, (rows, row), (stride, 1), writeable=False)
