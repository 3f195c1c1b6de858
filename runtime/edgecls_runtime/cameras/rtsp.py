"""An IP camera over RTSP, by PyAV's FFmpeg, at low latency; needs the ``network`` extra."""

import importlib
from functools import partial

from edgecls.errors import MissingExtra
from edgecls_runtime import packages
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.probe import Probed
from edgecls_runtime.streams.address import Address
from edgecls_runtime.streams.stream_camera import StreamCamera, opened


def open(*, url: str, timeout_ms: int = 5000, silence_ms: int = 2000) -> StreamCamera:
    """Open an RTSP stream: H.264, H.265, MJPEG or whatever FFmpeg decodes, over TCP.

    Args:
        url: ``rtsp://user:password@host/path``; the password is never shown. ``rtsps`` is
            encrypted, but the camera's certificate is not checked.
        timeout_ms: Longest wait for the first frame. Cameras send one that can be shown alone every
            few seconds.
        silence_ms: Longest wait for the next frame; then the stream is lost and opened again.

    Raises:
        MissingExtra: PyAV is not installed.
        CameraError: No answer, refused, wrong password, or no stream in the answer.

    """
    address = Address.of(url, "rtsp", "rtsps")
    timeout, silence = seconds(timeout_ms), seconds(silence_ms, "silence_ms")
    try:
        ffmpeg = importlib.import_module("edgecls_runtime.streams.ffmpeg_stream")
    except ImportError:
        raise MissingExtra("av", "network") from None
    name = f"rtsp camera {without_credentials(url)}"
    return opened(partial(ffmpeg.connect, address, name, silence), name, timeout, silence)


def probed() -> Probed:
    """Return whether PyAV is here."""
    found = packages.installed("av")
    try:
        importlib.import_module("edgecls_runtime.streams.ffmpeg_stream")
    except ImportError:
        return Probed("rtsp", ready=False, what=str(MissingExtra("av", "network")))
    return Probed("rtsp", ready=True, what="opens any address", package=str(found or ""))
