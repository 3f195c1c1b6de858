"""A video file, every frame of it, as fast as it is judged."""

import time
from pathlib import Path

import cv2
import numpy as np

from edgecls.errors import CameraError, EndOfStream, Fault, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import Undecoded

EXCLUSIVE = "path"
ENDS_UNLESS = ""
MJPEG = cv2.VideoWriter.fourcc(*"MJPG")


class VideoCamera:
    """Frames of a file, by OpenCV's FFmpeg."""

    live = False

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        """Take over an opened file; ``name`` begins every message."""
        self._capture = capture
        self._name = name
        self._count = 0
        # The JPEGs themselves, where it is a stream of them: they can be decoded by several threads
        # at once, and those that nobody looks at need not be.
        self._jpegs = int(capture.get(cv2.CAP_PROP_FOURCC)) == MJPEG and capture.set(
            cv2.CAP_PROP_FORMAT, -1
        )
        # What the header promises; 0 where it says nothing. Frames that cannot be decoded are
        # passed over without a word, and a part without a verdict must not go unnoticed.
        self._promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def read(self, timeout: float) -> Frame:
        """Return the next frame.

        Raises:
            EndOfStream: The file is at its end.
            ImageError: The frame is damaged; or, once, there were fewer than the file promised.
            CameraError: The file cannot be read any more.

        """
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:  # noqa: ARG002 - a file does not keep one waiting
        """Return the next frame: of a stream of JPEGs as it was written, of another one as BGR.

        Raises:
            EndOfStream, ImageError, CameraError: As ``read``, but for a damaged frame.

        """
        try:
            arrived, image = self._capture.read()
        except cv2.error as error:
            raise CameraError(f"{self._name}: {error}", Fault.CODEC) from error
        if not arrived:
            raise self._end()
        number, self._count = self._count, self._count + 1
        coding = Coding.JPEG if self._jpegs else Coding.BGR
        coded = Coded(np.asarray(image, np.uint8), coding, f"{self._name}: frame {number}")
        return Undecoded(coded, number, time.monotonic(), self._name)

    def close(self) -> None:
        """Release the file."""
        self._promised = 0
        self._capture.release()

    def _end(self) -> EndOfStream | ImageError:
        promised, self._promised = self._promised, 0
        if self._count < promised:
            missing = f"{promised - self._count} of {promised} frames"
            return ImageError(f"{self._name}: {missing} could not be read; is it damaged?")
        return EndOfStream(f"{self._name}: at its end; {self._count} frames delivered before")


def open(*, path: Path) -> VideoCamera:
    """Open a video file.

    Args:
        path: The file, in any format that OpenCV's FFmpeg decodes.

    Raises:
        CameraError: No such file, not a video, or no frame in it.

    """
    name, expected = f"video {path}", "expected a video file such as MP4 or AVI"
    if not path.is_file():
        raise CameraError(f"{name}: no such file; {expected}", Fault.MISSING)
    if not _has_frame(path):
        raise CameraError(f"{name}: cannot be opened; {expected}", Fault.CODEC)
    return VideoCamera(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), name)


def _has_frame(path: Path) -> bool:
    """Return whether a first frame can be decoded; FFmpeg opens images and stumps without one."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return capture.isOpened() and capture.read()[0]
    finally:
        capture.release()
