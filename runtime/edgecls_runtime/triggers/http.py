"""Parts announced by HTTP: POST /trigger, answered with 202 when the part is in the queue.

    curl -d 'bolt 7' http://127.0.0.1:8710/trigger

Whoever reaches the port can announce parts, so it is bound to this machine, or asks for a token.
Its clients are slow, broken or hostile: each has little time and may say little.
"""

import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgecls.errors import ConfigError, TriggerError
from edgecls_runtime.announcements import MOST_WAITING, Announcements
from edgecls_runtime.part_ids import fault, part_id
from edgecls_runtime.probe import Probed

LARGEST_BODY = 4096
# From the first byte to the last; a sensor's controller needs milliseconds.
LONGEST_S = 5.0
MOST_CLIENTS = 32
# A client that still sends would not read the answer; so much of what it sends is thrown away.
MOST_DISCARDED = 1_048_576
GRACE_S = 2.0


class HttpTrigger(Announcements):
    """A small server, in a thread of its own."""

    def __init__(self, server: "Server", most: int) -> None:
        """Begin to serve.

        Args:
            server: Bound; closed by this.
            most: Parts at most that wait.

        """
        super().__init__(most)
        self._server = server
        server.trigger = self
        self._thread = threading.Thread(target=self._serve, name="http trigger", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving; closing twice is allowed."""
        super().close()
        self._server.shutdown()
        self._thread.join(GRACE_S)
        self._server.server_close()

    def _serve(self) -> None:
        try:
            self._server.serve_forever(poll_interval=0.1)
        except Exception as error:  # noqa: BLE001 - a thread that dies announces nothing any more
            self.lose(f"{self._server.where}: {error}")


class Server(ThreadingHTTPServer):
    """Serves few clients at a time, each for a short while."""

    daemon_threads = True
    request_queue_size = 64
    trigger: HttpTrigger

    def __init__(self, address: tuple[str, int], token: str) -> None:
        """Bind.

        Args:
            address: Host and port; port 0 takes a free one.
            token: What a client must show; empty asks for none.

        """
        self.token, self.where = token, f"http trigger {address[0]}:{address[1]}"
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._changing = threading.Lock()
        self._clients: dict[socket.socket, float] = {}
        super().__init__(address, Handler)

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


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version, sys_version = "edgecls", ""
    timeout = LONGEST_S

    def log_message(self, *_: object) -> None:
        """Say nothing: stderr is for people."""

    def do_GET(self) -> None:
        """Answer whether it is alive."""
        if self.path != "/healthz":
            self._refuse(HTTPStatus.NOT_FOUND, "expected POST /trigger or GET /healthz")
            return
        heard, waiting = self.server.trigger.heard, self.server.trigger.waiting
        table = {"announced": heard.announced, "overrun": heard.overrun, "waiting": waiting}
        self._answer(HTTPStatus.OK, table)

    def do_POST(self) -> None:
        """Announce a part."""
        at = time.monotonic()
        if self.path != "/trigger":
            self._refuse(HTTPStatus.NOT_FOUND, "expected POST /trigger or GET /healthz")
        elif not self._is_allowed():
            self._refuse(HTTPStatus.UNAUTHORIZED, "expected Authorization: Bearer and the token")
        elif not self.server.token and self.headers.get("Origin"):
            # Any page in a browser of this machine can post to it, and always says so.
            self._refuse(HTTPStatus.FORBIDDEN, "a web page may not announce parts without a token")
        elif (body := self._body()) is not None:
            self._announce(body, at)

    def _is_allowed(self) -> bool:
        token = self.server.token.encode()
        kind, _, shown = self.headers.get("Authorization", "").partition(" ")
        shown_bytes = shown.strip().encode("utf-8", "replace")
        return not token or (kind.lower() == "bearer" and hmac.compare_digest(shown_bytes, token))

    def _body(self) -> bytes | None:
        """Return the body; None when it was refused."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        elif not (length.isascii() and length.isdecimal()):
            self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length: expected a number")
        elif len(length) > 9 or int(length) > LARGEST_BODY:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {LARGEST_BODY} bytes"
            )
        else:
            body = self.rfile.read(int(length))
            return body if len(body) == int(length) else None  # it went away
        return None

    def _announce(self, body: bytes, at: float) -> None:
        try:
            text = _part(body, self.headers.get_content_type())
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        if self.server.trigger.put(part_id(text), at):
            waiting = self.server.trigger.waiting
            self._answer(HTTPStatus.ACCEPTED, {"part": text.strip() or None, "waiting": waiting})
        else:
            reason = "too many parts wait; this one will not be looked at"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._answer(status, {"error": reason})
        left = MOST_DISCARDED
        with suppress(OSError, ValueError):
            left = min(left, int(self.headers.get("Content-Length", "0")))
            self.connection.settimeout(0.2)
            while left > 0 and (data := self.rfile.read1(min(left, 65_536))):
                left -= len(data)

    def _answer(self, status: HTTPStatus, table: Mapping[str, object]) -> None:
        body = json.dumps(table).encode() + b"\n"
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _part(body: bytes, kind: str) -> str:
    """Return the id that a body holds; empty where it holds none.

    Raises:
        ValueError: It is not what was promised; the message says what was expected.

    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ValueError("body: not UTF-8") from None
    if kind == "application/json" or text.lstrip().startswith("{"):
        try:
            table = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            raise ValueError('body: not JSON; expected such as {"part": "bolt 7"}') from None
        found = table.get("part", "") if isinstance(table, dict) else None
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise ValueError('body: expected an object such as {"part": "bolt 7"}')
        text = str(found)
    if wrong := fault(text.strip()):
        raise ValueError(f"part: {wrong}")
    return text


def open(
    *, port: int = 8710, host: str = "127.0.0.1", token: str = "", queue: int = MOST_WAITING
) -> HttpTrigger:
    """Listen for POST /trigger.

    Args:
        port: 0 takes a free one.
        host: Address to listen at; another than this machine's own needs a token.
        token: What a client must show as ``Authorization: Bearer TOKEN``; empty asks for none.
        queue: Parts at most that wait; the next is answered with 503, and counted.

    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"trigger.port: {port}; expected 0 to 65535")
    if not 1 <= queue <= MOST_WAITING:
        raise ConfigError(f"trigger.queue: {queue}; expected 1 to {MOST_WAITING}")
    if not token.isascii() or any(c.isspace() for c in token):
        raise ConfigError("trigger.token: expected letters, digits and signs of ASCII, no blanks")
    if not token and not _is_own(host):
        raise ConfigError(
            f"trigger.token: required with host {host!r}; without one, everybody there could "
            f"announce parts; expected a token, or host = '127.0.0.1'"
        )
    try:
        return HttpTrigger(Server((host, port), token), queue)
    except OSError as error:
        raise TriggerError(
            f"http trigger {host}:{port}: {error.strerror}; "
            f"expected an address of this machine and a free port"
        ) from error


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("http", ready=True, what="POST /trigger; part of Python")


def _is_own(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
