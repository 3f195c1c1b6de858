"""A video file, every frame of it, as fast as it is judged."""

from pathlib import Path

from edgecls.errors import CameraError
from edgecls_runtime.opencv_camera import OpenCVCamera, ffmpeg, opened

EXCLUSIVE = "path"


def open(*, path: Path) -> OpenCVCamera:
    """Open a video file.

    Args:
        path: The file, in any format that OpenCV's FFmpeg decodes.

    Raises:
        CameraError: No such file, not a video, or no frame in it.

    """
    name, expected = f"video {path}", "expected a video file such as MP4 or AVI"
    if not path.is_file():
        raise CameraError(f"{name}: no such file; {expected}")
    if not _has_frame(path):
        raise CameraError(f"{name}: cannot be opened; {expected}")
    return opened(ffmpeg(str(path)), name, expected, live=False)


def _has_frame(path: Path) -> bool:
    """Return whether a first frame can be decoded; FFmpeg opens images and stumps without one."""
    capture = ffmpeg(str(path))
    try:
        return capture.read()[0]
    finally:
        capture.release()
