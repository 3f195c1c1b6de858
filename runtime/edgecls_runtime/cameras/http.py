"""An IP camera or a streamer that sends MJPEG over HTTP, through OpenCV's FFmpeg."""

from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.opencv_camera import OpenCVCamera, ffmpeg, opened


def open(*, url: str, timeout_ms: int = 5000) -> OpenCVCamera:
    """Open an HTTP stream.

    Args:
        url: ``http://user:password@host/stream.mjpg``; the password is never shown.
        timeout_ms: Longest wait for the connection, and for a frame before the stream counts as
            lost and is opened again.

    Raises:
        CameraError: No answer, refused, or no stream in the answer.

    """
    capture = ffmpeg(url, timeout_ms=timeout_ms)
    advice = "is the camera on, and the address right?"
    name = f"http camera {without_credentials(url)}"
    return opened(capture, name, advice, live=True, timeout=timeout_ms / 1000)
