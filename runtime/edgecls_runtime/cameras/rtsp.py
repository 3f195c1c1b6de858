"""An IP camera over RTSP, through OpenCV's FFmpeg, at low latency."""

from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.opencv_camera import OpenCVCamera, ffmpeg, opened

# Without these FFmpeg holds the first frames back: measured 2 s of stale frames after opening.
OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"


def open(*, url: str, timeout_ms: int = 5000) -> OpenCVCamera:
    """Open an RTSP stream.

    Args:
        url: ``rtsp://user:password@host/path``; the password is never shown.
        timeout_ms: Longest wait for the connection, and for a frame before the stream counts as
            lost and is opened again.

    Raises:
        CameraError: No answer, refused, or no stream in the answer.

    """
    capture = ffmpeg(url, timeout_ms=timeout_ms, options=OPTIONS)
    advice = "is the camera on, the address right, and the password?"
    name = f"rtsp camera {without_credentials(url)}"
    return opened(capture, name, advice, live=True, timeout=timeout_ms / 1000)
