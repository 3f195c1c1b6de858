"""What every camera that OpenCV reads has in common."""

import math
import os
import threading
import time

import cv2
import numpy as np

from edgecls.errors import CameraError, ConfigError, EndOfStream, Fault, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.backlog import Backlog
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import Undecoded

LONGEST_MS = 600_000
OPTIONS_KEY = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
MJPEG = cv2.VideoWriter.fourcc(*"MJPG")
_opening = threading.Lock()


class OpenCVCamera:
    """Frames from a ``cv2.VideoCapture`` that was opened by one of the files in ``cameras/``.

    OpenCV takes no deadline at ``read``: the timeout is set when it is opened, and a live camera is
    read by a thread of its own (``capture``). After a failed read an OpenCV handle never recovers,
    though ``isOpened()`` stays true, so failure here means: open it again.
    """

    def __init__(
        self, capture: cv2.VideoCapture, name: str, *, live: bool, timeout: float = math.inf
    ) -> None:
        """Take over an opened capture.

        Args:
            capture: Opened.
            name: Begins every message.
            live: As ``Camera.live``.
            timeout: Seconds after which FFmpeg gives a read up.

        """
        self.live = live
        self._timeout = timeout
        self._capture = capture
        self._name = name
        self._count = 0
        self._backlog = Backlog()
        # The JPEGs themselves, where it is a stream of them: they can be decoded by several threads
        # at once, and those that nobody looks at need not be.
        self._jpegs = int(capture.get(cv2.CAP_PROP_FOURCC)) == MJPEG and capture.set(
            cv2.CAP_PROP_FORMAT, -1
        )
        # What a file's header promises; 0 where it says nothing. Frames that cannot be decoded are
        # passed over without a word, and a part without a verdict must not go unnoticed.
        self._promised = 0 if live else int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def read(self, timeout: float) -> Frame:
        """Return the next frame, converted to RGB; of a live camera none that was held back.

        Raises:
            EndOfStream: The file is at its end.
            ImageError: The frame is damaged; or, once, a file had fewer frames than it promised.
            CameraError: The camera is gone.

        """
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:  # noqa: ARG002 - OpenCV's was set when opening
        """Return the next frame: of a stream of JPEGs as it was sent, of another one as BGR.

        Raises:
            EndOfStream, ImageError, CameraError: As ``read``, but for a damaged frame.

        """
        image, waited = self._next()
        while self.live and self._backlog.holds(waited):
            image, waited = self._next()
        number, self._count = self._count, self._count + 1
        where = f"{self._name}: frame {number}"
        coding = Coding.JPEG if self._jpegs else Coding.BGR
        coded = Coded(np.asarray(image, np.uint8), coding, where)
        return Undecoded(coded, number, time.monotonic(), self._name)

    def close(self) -> None:
        """Release the capture."""
        self._promised = 0
        self._capture.release()

    def _next(self) -> tuple[cv2.typing.MatLike, float]:
        """Return the next image as OpenCV gives it, and the seconds it took to come."""
        started = time.monotonic()
        try:
            arrived, image = self._capture.read()
        except cv2.error as error:
            raise CameraError(f"{self._name}: {error}") from error
        waited = time.monotonic() - started
        # When FFmpeg gives a read up it hands out what its decoder still held: an image from before
        # the silence (seen: a frame of a frozen RTSP camera, 5 s old, that looked like a new one).
        if not arrived or waited >= self._timeout:
            raise self._silence(waited)
        return image, waited

    def _silence(self, waited: float) -> CameraError | ImageError:
        delivered = f"{self._count} frames delivered before"
        if not self.live:
            promised, self._promised = self._promised, 0
            if self._count < promised:
                missing = f"{promised - self._count} of {promised} frames"
                return ImageError(f"{self._name}: {missing} could not be read; is it damaged?")
            return EndOfStream(f"{self._name}: at its end; {delivered}")
        return CameraError(
            f"{self._name}: lost after {waited:.1f} s of silence; {delivered}; "
            f"is the source still running?",
            Fault.GONE,
        )


def opened(
    capture: cv2.VideoCapture, name: str, advice: str, *, live: bool, timeout: float = math.inf
) -> OpenCVCamera:
    """Wrap a capture, or release it and say that it did not open.

    Raises:
        CameraError: The capture is not open.

    """
    if not capture.isOpened():
        capture.release()
        raise CameraError(f"{name}: cannot be opened; {advice}")
    return OpenCVCamera(capture, name, live=live, timeout=timeout)


def ffmpeg(source: str, *, timeout_ms: int | None = None, options: str = "") -> cv2.VideoCapture:
    """Try to open a file or a stream with OpenCV's FFmpeg.

    Args:
        source: Path or address.
        timeout_ms: Longest wait for the connection, and for each frame; None for a file.
        options: FFmpeg's, as ``key;value|key;value``.

    """
    limits = []
    if timeout_ms is not None:
        if not 0 < timeout_ms <= LONGEST_MS:
            raise ConfigError(f"camera.timeout_ms: {timeout_ms}; expected 1 to {LONGEST_MS}")
        keys = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        limits = [number for key in keys for number in (key, timeout_ms)]
    # OpenCV reads FFmpeg's options from the environment and nowhere else. What is left there is
    # for every camera of the process: RTSP's ``nobuffer`` took the first frame of a video file.
    with _opening:
        before = os.environ.get(OPTIONS_KEY)
        try:
            if options:
                os.environ[OPTIONS_KEY] = options
            return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        finally:
            if options:
                _restore(before)


def _restore(options: str | None) -> None:
    if options is None:
        del os.environ[OPTIONS_KEY]
    else:
        os.environ[OPTIONS_KEY] = options
