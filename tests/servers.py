"""Cameras on the network, for tests: they run on this machine and can be frozen and killed."""

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError
from edgecls_runtime.gstreamer_camera import elements

Image = NDArray[np.uint8]
RTSP_SERVER = Path(__file__).parent / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_MISSING = (
    "no RTSP server here; run: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
)
GSTREAMER_MISSING = (
    "no GStreamer for this Python; run: apt-get install python3-gi gir1.2-gst-plugins-base-1.0 "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
RATE_HZ = 25.0


def card(red: int, green: int, blue: int, size: tuple[int, int] = (120, 160)) -> Image:
    """Return an image of one colour: uint8 RGB of ``size`` (height, width)."""
    return np.full((*size, 3), (red, green, blue), np.uint8)


RED = card(255, 0, 0)
BLUE = card(0, 0, 255)


class MjpegServer:
    """An HTTP camera that sends MJPEG, as IP cameras and streamers do.

    ``/text`` answers with a page that is no stream; ``/locked`` asks for a password.
    """

    def __init__(self, image: Image, port: int = 0, rate_hz: float = RATE_HZ) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        self.changed = threading.Condition()
        self.period = 1 / rate_hz
        self.frozen = self.stopped = False
        self.show(image)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = False  # so that closing waits for the last connection
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def show(self, image: Image) -> None:
        """Put another part in front of the camera."""
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100]
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()
        with self.changed:
            self.jpeg = jpeg

    def freeze(self) -> None:
        """Send nothing more, over connections that stay open."""
        with self.changed:
            self.frozen = True

    def thaw(self) -> None:
        """Go on sending."""
        with self.changed:
            self.frozen = False
            self.changed.notify_all()

    def stop(self) -> None:
        """Close every connection and the port; stopping twice is allowed."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()


def _handler(camera: MjpegServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            if self.path == "/text":
                self._answer(200, "text/plain", b"no camera here\n")
            elif self.path == "/locked":
                self._answer(401, "text/plain", b"password?\n")
            else:
                with suppress(OSError):  # the client is gone, as clients go
                    self._stream()

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            while jpeg := self._next():
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def _next(self) -> bytes:
            with camera.changed:
                camera.changed.wait_for(lambda: camera.stopped, camera.period)
                camera.changed.wait_for(lambda: camera.stopped or not camera.frozen)
                return b"" if camera.stopped else camera.jpeg

    return Handler


def can_serve_rtsp() -> bool:
    """Return whether the system's Python has GStreamer's RTSP server and its plug-ins."""
    if shutil.which(SYSTEM_PYTHON) is None:
        return False
    command = [SYSTEM_PYTHON, str(RTSP_SERVER), "--check"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def can_gstreamer() -> bool:
    """Return whether this Python has GStreamer and the plug-ins that its tests take."""
    wanted = {name: name for name in ("videotestsrc", "avidemux", "pngdec", "souphttpsrc")}
    try:
        return len(elements("test", wanted)[1]) == len(wanted)
    except CameraError:
        return False


@dataclass(frozen=True)
class RtspServer:
    """An RTSP camera in a process of its own."""

    url: str
    process: subprocess.Popen[str]

    def freeze(self) -> None:
        """Stop the process where it stands; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)


@contextmanager
def rtsp_server(pattern: str = "red") -> Iterator[RtspServer]:
    """Run an RTSP camera that shows one of GStreamer's test patterns."""
    command = [SYSTEM_PYTHON, str(RTSP_SERVER), pattern]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            yield RtspServer(f"rtsp://127.0.0.1:{port}/camera", server)
        finally:
            server.kill()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with MjpegServer(RED) as server:
        return server.port
