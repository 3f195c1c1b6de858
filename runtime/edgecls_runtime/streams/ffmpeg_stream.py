"""An RTSP stream as PyAV's FFmpeg receives it; the only import of ``av``.

FFmpeg is asked to look at as little of the stream as it can before it opens, and to keep no frame
in reserve. Of a stream of JPEGs the JPEGs themselves are given; all else is decoded here, for a
frame needs those before it, and converted to RGB by who needs it.
"""

import time
from collections.abc import Iterator
from functools import partial

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edgecls.errors import CameraError, Fault, ImageError
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.streams.address import Address, answered, connected, unauthorised
from edgecls_runtime.streams.stream_camera import Arrived, ended, undecodable

OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",  # with sound, FFmpeg moves pts when the first report comes
    "analyzeduration": "0",
    "probesize": "32",
    "flags": "low_delay",
}
GREETING = "OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: edgecls\r\n\r\n"
# FFmpeg's own time-out ends a thread that nobody waits for any more; ours is the one that counts.
GRACE_S = 1.0
# FFmpeg's parser holds a frame until the next one begins: so long it is older than it looks.
LONGEST_STEP_S = 1.0
NO_KEY_FRAME = (
    "none of its packets makes a frame; is its key frame interval longer than timeout_ms?"
)


def connect(address: Address, name: str, silence: float, deadline: float) -> "FFmpegStream":
    """Open a stream.

    Args:
        address: Of the camera.
        name: Begins every message.
        silence: Seconds without a frame after which the stream counts as lost.
        deadline: Monotonic seconds.

    Raises:
        TimeoutError: It does not answer.
        CameraError: It does not send a stream; the fault says why.

    """
    host = _greet(address, name, deadline)
    left = max(deadline - time.monotonic(), 0.001)
    try:
        container = av.open(address.url(host), options=OPTIONS, timeout=(left, silence + GRACE_S))
    except (av.FFmpegError, OSError, ValueError) as error:
        # Not "from error": FFmpeg's text has the password in it.
        raise _refusal(error, address, name, deadline) from None
    if not container.streams.video:
        container.close()
        raise undecodable(name, "its stream has no pictures in it")
    return FFmpegStream(container, name)


def _greet(address: Address, name: str, deadline: float) -> str:
    """Ask whether an RTSP server is there; return its host's number, which needs no name server.

    FFmpeg resolves names without a deadline, and of a server that is silent it says the same as of
    one that speaks another language.
    """
    with connected(address, name, deadline) as connection:
        if address.scheme == "rtsps":
            return ""  # its certificate is for the name
        bare = f"rtsp://{address.host}:{address.port}{address.path}"
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            connection.sendall(GREETING.format(bare).encode())
            answer = connection.recv(4096)
        except ConnectionError:
            answer = b""
        if not answer.startswith(b"RTSP/"):
            raise undecodable(name, "what answers does not speak RTSP")
        return str(connection.getpeername()[0])


def _refusal(error: Exception, address: Address, name: str, deadline: float) -> Exception:
    """Return our words for why FFmpeg did not open a stream."""
    text = str(getattr(error, "strerror", None) or type(error).__name__)
    if isinstance(error, av.HTTPUnauthorizedError):
        return unauthorised(name, address)
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPServerError):
        return answered(name, text.removeprefix("Server returned "))
    if time.monotonic() >= deadline or isinstance(error, av.ExitError | TimeoutError):
        return TimeoutError()
    if isinstance(error, ValueError):
        return undecodable(name, f"FFmpeg cannot open its stream: {text}")
    return CameraError(f"{name}: {text}; is the camera still on?", Fault.GONE)


class FFmpegStream:
    """An opened stream; as ``Source``."""

    def __init__(self, container: InputContainer, name: str) -> None:
        """Take over an opened container with a video stream."""
        self.instead = ""
        self._container, self._name = container, name
        self._stopped = False
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads for whole frames keep back a frame each
        stream.codec_context.thread_count = 1
        self._jpegs = stream.codec_context.name == "mjpeg"
        self._packets: Iterator[Packet[VideoStream]] = container.demux(stream)
        self._pts: float | None = None

    def next(self, where: str) -> Arrived:
        """Wait for a packet that makes a frame."""
        began = time.monotonic()
        while not self._stopped:
            packet = self._packet()
            at = time.monotonic()
            # The next frames need this one, also the first, of which the time is not known yet.
            frame = None if self._jpegs else _frame(packet)
            if packet.pts is None or packet.time_base is None:
                continue
            pts = float(packet.pts * packet.time_base)
            waited, held = at - began, self._step(pts)
            if self._jpegs:
                self.instead = ""
                data = np.frombuffer(bytes(packet), np.uint8)
                return Arrived(Coded(data, Coding.JPEG, where), at, waited, pts)
            if frame is not None:
                self.instead = ""
                return Arrived(partial(_rgb, frame, where), at - held, waited, pts)
            self.instead = NO_KEY_FRAME
        raise ended(self._name, "closed")

    def stop(self) -> None:
        """End the wait with the next packet: FFmpeg itself takes no orders from another thread."""
        self._stopped = True

    def close(self) -> None:
        """Close the connection."""
        self._container.close()

    def _step(self, pts: float) -> float:
        """Return the seconds from the frame before to this one."""
        before, self._pts = self._pts, pts
        return 0.0 if before is None else min(max(pts - before, 0.0), LONGEST_STEP_S)

    def _packet(self) -> "Packet[VideoStream]":
        try:
            packet = next(self._packets, None)
        except av.ExitError:
            raise ended(self._name, "no data") from None
        except (av.FFmpegError, OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or type(error).__name__
            raise ended(self._name, str(text)) from None
        if packet is None or not packet.size:  # behind the end come empty ones, to drain decoders
            raise ended(self._name, "the camera ended the stream")
        return packet


def _frame(packet: "Packet[VideoStream]") -> VideoFrame | None:
    """Return the newest frame that a packet makes, if any."""
    try:
        frames = packet.decode()
    except av.FFmpegError:
        return None  # lost on its way, or from before the first that can be shown alone
    return frames[-1] if frames and isinstance(frames[-1], VideoFrame) else None


def _rgb(frame: VideoFrame, where: str) -> NDArray[np.uint8]:
    """Return uint8 (height, width, 3)."""
    if frame.is_corrupt:
        raise ImageError(f"{where}: damaged: a part of it was lost on its way")
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8)
