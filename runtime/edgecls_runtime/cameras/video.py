"""A video file, every frame of it, as fast as it is judged."""

from pathlib import Path

import cv2

from edgecls.errors import CameraError
from edgecls_runtime.opencv_camera import OpenCVCamera, opened


def open(*, path: Path) -> OpenCVCamera:
    """Open a video file.

    Args:
        path: The file, in any format that OpenCV's FFmpeg decodes.

    Raises:
        CameraError: No such file, or not a video.

    """
    name = f"video {path}"
    if not path.is_file():
        raise CameraError(f"{name}: no such file")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return opened(capture, name, "expected a video file such as MP4 or AVI", live=False)
