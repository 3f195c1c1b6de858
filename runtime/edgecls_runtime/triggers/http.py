"""Parts announced by HTTP: POST /trigger, answered with 202 when the part is in the queue.

    curl -d 'bolt 7' http://127.0.0.1:8710/trigger

Whoever reaches the port can announce parts, so it is bound to this machine, or asks for a token.
Its clients are slow, broken or hostile: each has little time and may say little.
"""

import json
import time
from http import HTTPStatus

from edgecls.errors import ConfigError, TriggerError
from edgecls_runtime.announcing.announcements import MOST_WAITING, Announcements
from edgecls_runtime.announcing.part_ids import fault, part_id
from edgecls_runtime.messages import small_server
from edgecls_runtime.messages.small_server import Answering, SmallServer
from edgecls_runtime.probe import Probed

LARGEST_BODY = 4096


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
        server.start(self.lose)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def close(self) -> None:
        """Stop serving; closing twice is allowed."""
        super().close()
        self._server.stop()


class Server(SmallServer):
    """Knows whom it announces parts to."""

    trigger: HttpTrigger


class Handler(Answering):
    """Answers one request."""

    server: Server

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        """Answer whether it is alive."""
        if self.path != "/healthz":
            self.refuse(HTTPStatus.NOT_FOUND, "expected POST /trigger or GET /healthz")
            return
        heard, waiting = self.server.trigger.heard, self.server.trigger.waiting
        table = {"announced": heard.announced, "overrun": heard.overrun, "waiting": waiting}
        self.answer_table(HTTPStatus.OK, table)

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        """Announce a part."""
        at = time.monotonic()
        if self.path != "/trigger":
            self.refuse(HTTPStatus.NOT_FOUND, "expected POST /trigger or GET /healthz")
        elif not self.is_allowed():
            self.refuse(HTTPStatus.UNAUTHORIZED, "expected Authorization: Bearer and the token")
        elif not self.server.token and self.headers.get("Origin"):
            # Any page in a browser of this machine can post to it, and always says so.
            self.refuse(HTTPStatus.FORBIDDEN, "a web page may not announce parts without a token")
        elif (body := self._body()) is not None:
            self._announce(body, at)

    def _body(self) -> bytes | None:
        """Return the body; None when it was refused."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self.refuse(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        elif not (length.isascii() and length.isdecimal()):
            self.refuse(HTTPStatus.BAD_REQUEST, "Content-Length: expected a number")
        elif len(length) > 9 or int(length) > LARGEST_BODY:
            self.refuse(
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
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        if signal := self.server.trigger.put(part_id(text), at):
            waiting = self.server.trigger.waiting
            self.answer_table(HTTPStatus.ACCEPTED, {"part": signal.part, "waiting": waiting})
        else:
            reason = "too many parts wait; this one will not be looked at"
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, reason)


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
    small_server.check("trigger", host, port, token, "announce parts")
    if not 1 <= queue <= MOST_WAITING:
        raise ConfigError(f"trigger.queue: {queue}; expected 1 to {MOST_WAITING}")
    try:
        return HttpTrigger(Server("http trigger", (host, port), token, Handler), queue)
    except OSError as error:
        raise TriggerError(
            f"http trigger {host}:{port}: {error.strerror}; "
            f"expected an address of this machine and a free port"
        ) from error


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("http", ready=True, what="POST /trigger; part of Python")
