"""A small HTTP server for machines: few clients at a time, each with little time and little to say.

Its clients are slow, broken or hostile. Whoever reaches the port is served, so it is bound to this
machine, or asks for a token.
"""

import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgecls.errors import ConfigError
from edgecls_runtime.loopback import is_own

# From the first byte to the last; a machine that asks needs milliseconds.
LONGEST_S = 5.0
MOST_CLIENTS = 32
# A client that still sends would not read the answer; so much of what it sends is thrown away.
MOST_DISCARDED = 1_048_576
GRACE_S = 2.0


class SmallServer(ThreadingHTTPServer):
    """Serves few clients at a time, each for a short while, in a thread of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, name: str, address: tuple[str, int], token: str, handler: type["Answering"]
    ) -> None:
        """Bind.

        Args:
            name: Begins what is said about it.
            address: Host and port; port 0 takes a free one.
            token: What a client must show; empty asks for none.
            handler: Answers.

        Raises:
            OSError: The port is taken, or the host is not this machine.

        """
        self.token, self.where = token, f"{name} {address[0]}:{address[1]}"
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._changing = threading.Lock()
        self._clients: dict[socket.socket, float] = {}
        self._thread: threading.Thread | None = None
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def start(self, lost: Callable[[str], object] = lambda _: None) -> None:
        """Begin to serve.

        Args:
            lost: Told why, if the server ends by itself.

        """

        def serve() -> None:
            try:
                self.serve_forever(poll_interval=0.1)
            except Exception as error:  # noqa: BLE001 - a thread that dies serves nobody any more
                lost(f"{self.where}: {error}")

        self._thread = threading.Thread(target=serve, name=self.where, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port; stopping twice is allowed."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join(GRACE_S)
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the base class does."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def verify_request(self, request: object, _: object) -> bool:
        """Take a client, unless many are here."""
        assert isinstance(request, socket.socket)  # noqa: S101 - for the type checker
        with self._changing:
            if len(self._clients) >= MOST_CLIENTS:
                return False
            self._clients[request] = time.monotonic()
        return True

    def shutdown_request(self, request: object) -> None:
        """Let go of a client."""
        assert isinstance(request, socket.socket)  # noqa: S101 - for the type checker
        with self._changing:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off who takes too long."""
        self._cut_off(time.monotonic() - LONGEST_S)

    def server_close(self) -> None:
        """Close the port, and cut off everybody."""
        super().server_close()
        self._cut_off(time.monotonic())

    def _cut_off(self, before: float) -> None:
        """End the connections that began before a time; the reads of their threads end then."""
        with self._changing:
            for client, since in self._clients.items():
                if since <= before:
                    with suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away, as clients do."""


class Answering(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version, sys_version = "edgecls", ""
    timeout = LONGEST_S

    def log_message(self, *_: object) -> None:
        """Say nothing: stderr is for people."""

    def is_allowed(self) -> bool:
        """Return whether the client showed the token."""
        assert isinstance(self.server, SmallServer)  # noqa: S101 - for the type checker
        token = self.server.token.encode()
        kind, _, shown = self.headers.get("Authorization", "").partition(" ")
        shown_bytes = shown.strip().encode("utf-8", "replace")
        return not token or (kind.lower() == "bearer" and hmac.compare_digest(shown_bytes, token))

    def answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        """Answer.

        Args:
            status: Of the answer.
            kind: Content type of the body.
            body: Whole.

        """
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_table(self, status: HTTPStatus, table: Mapping[str, object]) -> None:
        """Answer with JSON."""
        self.answer(status, "application/json", json.dumps(table).encode() + b"\n")

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        """Answer why not, and throw away what the client still sends."""
        self.answer_table(status, {"error": reason})
        left = MOST_DISCARDED
        with suppress(OSError, ValueError):
            left = min(left, int(self.headers.get("Content-Length", "0")))
            self.connection.settimeout(0.2)
            while left > 0 and (data := self.rfile.read1(min(left, 65_536))):
                left -= len(data)


def check(table: str, host: str, port: int, token: str, could: str) -> None:
    """Refuse an address that nothing can listen at, and one that is open to strangers.

    Args:
        table: Of the station file; begins the message.
        host: To listen at.
        port: To listen at.
        token: What a client must show.
        could: What everybody could do without one, such as ``announce parts``.

    Raises:
        ConfigError: One of them is wrong.

    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"{table}.port: {port}; expected 0 to 65535")
    if not token.isascii() or any(c.isspace() for c in token):
        raise ConfigError(f"{table}.token: expected letters, digits and signs of ASCII, no blanks")
    if not token and not is_own(host):
        raise ConfigError(
            f"{table}.token: required with host {host!r}; without one, everybody there could "
            f"{could}; expected a token, or host = '127.0.0.1'"
        )
