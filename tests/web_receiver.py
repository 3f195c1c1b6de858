"""A web server that takes verdicts, for tests: a real one, that can be slow, strange and gone."""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from trigger_sources import closed_port


class Taken(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Answers for one receiver."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.receiver.taken.append(Taken(self.path, headers, body))
        self.server.receiver.answer(self)

    def plain(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status >= 200 and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Answer with bytes that are no answer, and hang up."""
        self.close_connection = True
        self.wfile.write(data)

    def reset(self) -> None:
        """Let the connection end as when a machine loses its power: without good-bye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


Answer = Callable[[Handler], object]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the last connection
    receiver: "WebReceiver"

    def handle_error(self, *_: object) -> None: ...

    def verify_request(self, request: object, _: object) -> bool:
        assert isinstance(request, socket.socket)
        self.receiver.connections.append(request)
        return True


class WebReceiver:
    """Keeps what it takes.

    Attributes:
        taken: Every request.
        connections: Every connection, also those that are over.
        answer: Answers a request; 204 until another is set.

    """

    def __init__(self, certificates: Path | None = None) -> None:
        """Start it; with TLS where there are ``server.crt`` and ``server.key``."""
        self.port, self._certificates = closed_port(), certificates
        self.taken: list[Taken] = []
        self.connections: list[socket.socket] = []
        self.answer: Answer = lambda handler: handler.plain(204)
        self.start()

    @property
    def url(self) -> str:
        """Where it takes verdicts."""
        return f"http{'s' if self._certificates else ''}://127.0.0.1:{self.port}/verdicts"

    def start(self) -> None:
        """Start it, at the port that it had before."""
        self._server = _Server(("127.0.0.1", self.port), Handler)
        self._server.receiver = self
        if self._certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(
                self._certificates / "server.crt", self._certificates / "server.key"
            )
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def hang_up(self) -> None:
        """End the connections that are open."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """End every connection and free the port; stopping twice is allowed."""
        self._server.shutdown()
        self._thread.join()
        self.hang_up()
        self._server.server_close()
