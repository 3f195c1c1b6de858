"""Cameras on the network, for tests: they run on this machine and can be frozen and killed."""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

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
LOGIN = "joe:se/cr@et"
PAGES = {
    "/text": (200, {"Content-Type": "text/plain"}, b"no camera here\n"),
    "/moved": (302, {"Location": "/stream.mjpg"}, b""),
    "/nothing": (404, {"Content-Type": "text/plain"}, b""),
}
LOCKS = {
    "/locked": 'Basic realm="line 1"',
    "/basic": 'Basic realm="line 1"',
    "/digest": 'Digest realm="line 1", nonce="dcd98b71", qop="auth,auth-int", opaque="5c"',
}


def card(red: int, green: int, blue: int, size: tuple[int, int] = (120, 160)) -> Image:
    """Return an image of one colour: uint8 RGB of ``size`` (height, width)."""
    return np.full((*size, 3), (red, green, blue), np.uint8)


RED = card(255, 0, 0)
BLUE = card(0, 0, 255)


class MjpegServer:
    """An HTTP camera that sends MJPEG, as IP cameras and streamers do.

    ``/text`` answers with a page that is no stream; ``/locked`` asks for a password, ``/basic`` and
    ``/digest`` take ``joe`` with ``se/cr@et``; ``/moved`` is elsewhere, ``/nothing`` nowhere;
    ``/garbage`` sends no JPEGs; ``/bare`` is a stream without lengths, in chunks; ``/timed`` has
    the sender's time on each frame.
    """

    def __init__(self, image: Image, port: int = 0, rate_hz: float = RATE_HZ) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        self.changed = threading.Condition()
        self.period = 1 / rate_hz
        self.frozen = self.stopped = False
        self.refused = 0
        self.show(image)
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", port), type("Handler", (_Handler,), {"camera": self})
        )
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


class _Handler(BaseHTTPRequestHandler):
    """Answers for one camera."""

    camera: ClassVar[MjpegServer]

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        if page is not None:
            self._answer(*page)
        elif self.path in LOCKS and not allowed(self.path, self.headers["Authorization"]):
            self.camera.refused += 1
            self._answer(401, {"WWW-Authenticate": LOCKS[self.path]}, b"password?\n")
        else:
            with suppress(OSError):  # the client is gone, as clients go
                self._stream()

    def _answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        bare = self.path == "/bare"
        self.protocol_version = "HTTP/1.1" if bare else "HTTP/1.0"
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        if bare:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while jpeg := self._next():
            self.wfile.write(part(self.path, jpeg))

    def _next(self) -> bytes:
        with self.camera.changed:
            self.camera.changed.wait_for(lambda: self.camera.stopped, self.camera.period)
            self.camera.changed.wait_for(lambda: self.camera.stopped or not self.camera.frozen)
            return b"" if self.camera.stopped else self.camera.jpeg


def allowed(path: str, header: str | None) -> bool:
    """Return whether a header ``Authorization`` is right."""
    header = header or ""
    if path == "/basic":
        return str(header) == "Basic " + base64.b64encode(LOGIN.encode()).decode()
    said = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
    if path != "/digest" or "response" not in said:
        return False
    user, _, password = LOGIN.partition(":")
    secret, asked = md5(f"{user}:line 1:{password}"), md5("GET:/digest")
    proof = f"{secret}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:{asked}"
    return bool(said["response"] == md5(proof))


def md5(text: str) -> str:
    """Return the sum that HTTP Digest is made of."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def part(path: str, jpeg: bytes) -> bytes:
    """Return a frame as it is sent."""
    body = b"no JPEG" if path == "/garbage" else jpeg
    head = "--frame\r\nContent-Type: image/jpeg\r\n"
    head += "" if path == "/bare" else f"Content-Length: {len(body)}\r\n"
    head += f"X-Timestamp: {time.time()}\r\n" if path == "/timed" else ""
    data = head.encode() + b"\r\n" + body + b"\r\n"
    return f"{len(data):x}\r\n".encode() + data + b"\r\n" if path == "/bare" else data


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


@dataclass
class RtspServer:
    """An RTSP camera in a process of its own.

    Attributes:
        options: As of ``rtsp_server.py``.
        prefix: Of its command, such as one that enters a network namespace.

    """

    options: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    port: int = 0

    def start(self) -> None:
        """Switch it on, at the port that it had before."""
        command = [*self.prefix, SYSTEM_PYTHON, str(RTSP_SERVER), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self.options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @property
    def url(self) -> str:
        places = [b for a, b in pairwise(self.options) if a == "--address"]
        return f"rtsp://{(places or ['127.0.0.1'])[0]}:{self.port}/camera"

    def freeze(self) -> None:
        """Stop the process where it stands; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Switch it off at once; twice is allowed."""
        self.process.kill()
        with self.process:
            pass


@contextmanager
def rtsp_server(
    *options: str, pattern: str = "red", prefix: tuple[str, ...] = ()
) -> Iterator[RtspServer]:
    """Run an RTSP camera that shows one of GStreamer's test patterns."""
    server = RtspServer(("--pattern", pattern, *options), prefix)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class Cable:
    """A cable to a network of its own.

    Attributes:
        address: At its far end.
        prefix: Of a command that is to run there.

    """

    name: str
    address: str = "10.83.7.2"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def switch(self, state: str) -> None:
        """Pull it (``down``) or plug it in (``up``)."""
        ip("link", "set", f"{self.name}a", state)


def can_lay_cables() -> bool:
    """Return whether networks can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay a cable."""
    name = f"ec{os.getpid()}"
    ip("netns", "add", name)
    ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
    try:
        ip("addr", "add", "10.83.7.1/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "addr", "add", "10.83.7.2/24", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        yield Cable(name)
    finally:
        ip("link", "del", f"{name}a")  # at once; with its network it would be some time later
        ip("netns", "del", name)


def ip(*arguments: str) -> None:
    """Run iproute2."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with MjpegServer(RED) as server:
        return server.port
