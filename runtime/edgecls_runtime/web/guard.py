"""What stands between the network and the page: who is asked, and what is refused before.

In this order: a host name that is not ours, a body that is too large, somebody who is not signed
in, a change that another site's page asks for. Only ``/login`` and what is below it is open to all.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgecls.errors import ConfigError, EdgeclsError
from edgecls_runtime.web.logins import Secrets, Sessions, Tries

LARGEST_BODY = 16_384
SAFE_METHODS = ("GET", "HEAD")
LOGIN = "/login"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in.

    Attributes:
        secrets: What signs in.
        sessions: Who is signed in.
        tries: Who was wrong of late.
        names: Values of ``Host`` that are ours; None takes any.
        cookie: Name of the session's cookie.
        secure: Whether browsers come with TLS.
        is_open: Whether no login is asked for.

    """

    secrets: Secrets
    names: frozenset[str] | None
    cookie: str
    secure: bool = False
    is_open: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    tries: Tries = field(default_factory=Tries)

    def session_cookie(self, headers: Headers) -> str:
        """Return the cookie that a request shows; empty without one."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def by_cookie(self, headers: Headers) -> str:
        """Return who a request's cookie says it is; empty when nobody."""
        cookie = self.session_cookie(headers)
        return self.sessions.who(cookie) if cookie else ""


class Refusal(Exception):  # noqa: N818 - reads as what it is
    """A request that is not answered.

    Attributes:
        status: HTTP's.
        wait: Seconds to wait before the next try; 0 does not say.

    """

    def __init__(self, status: HTTPStatus, reason: str, wait: float = 0.0) -> None:
        """Say why, in one line."""
        super().__init__(reason)
        self.status, self.wait = status, wait

    def answer(self) -> Response:
        """Return what is sent."""
        headers = {"Connection": "close"} if self.status in CLOSING else {}
        if self.wait:
            headers["Retry-After"] = str(int(self.wait) + 1)
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": str(self)}, self.status, headers)


# Whoever still sends a body would not read the answer.
CLOSING = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.MISDIRECTED_REQUEST)


@dataclass(frozen=True, slots=True)
class Guard:
    """An application that lets through what may come in.

    Attributes:
        inside: The application behind it.
        access: Who may come in.
        login_page: What a browser is shown that is not signed in.
        say: Told of a fault of ours, in one line.

    """

    inside: ASGIApp
    access: Access
    login_page: bytes
    say: Callable[[str], object]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        guarded = _Answering(send)
        try:
            self._check_host(headers)
            _check_length(headers)
            who = "" if _is_open_to_all(scope["path"]) else self._who(scope, headers)
            self._check_origin(scope, headers)
            scope.setdefault("state", {})["who"] = who
            await self.inside(scope, _limited(receive), guarded)
        except Exception as error:  # noqa: BLE001 - a page that breaks must not end its thread
            refusal = self._refusal(error, scope["path"])
            if not guarded.has_begun:
                answer = self._login(scope, headers, refusal) or refusal.answer()
                await answer(scope, receive, guarded)

    def _refusal(self, error: Exception, path: str) -> Refusal:
        """Return what is answered when something went wrong."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, ConfigError):
            return Refusal(HTTPStatus.BAD_REQUEST, str(error))
        if isinstance(error, EdgeclsError):
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        self.say(f"{path}: {type(error).__name__}: {error}")
        return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the page; its log says more")

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "").lower()
        if self.access.names is not None and host not in self.access.names:
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"host {host!r}: not a name of this station; set web.address where it has another",
            )

    def _who(self, scope: Scope, headers: Headers) -> str:
        if self.access.is_open:
            return "this machine"
        if who := self.access.by_cookie(headers):
            return who
        if shown := headers.get("authorization"):
            client = client_of(scope)
            if wait := self.access.tries.wait(client):
                raise too_often(wait)
            if who := self.access.secrets.by_header(shown):
                return who
            self.access.tries.failed(client)
        raise Refusal(HTTPStatus.UNAUTHORIZED, "not signed in; expected a session or a token")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse what a page of another site asks a browser to do here."""
        site = headers.get("sec-fetch-site", "")
        if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
            raise Refusal(HTTPStatus.FORBIDDEN, "another site's page may not ask for this")
        if scope["method"] in SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin is None and "authorization" in headers and not self.access.is_open:
            return  # a program: browsers add no such header by themselves
        if not origin or origin.partition("://")[2].lower() != headers.get("host", "").lower():
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"origin {origin or 'not given'}: not this page; expected its own, or a token",
            )

    def _login(self, scope: Scope, headers: Headers, refusal: Refusal) -> Response | None:
        """Return the login for a person who opens the page; None for everybody else."""
        wanted = scope["path"] == "/" and "text/html" in headers.get("accept", "")
        if refusal.status is HTTPStatus.UNAUTHORIZED and wanted:
            return HTMLResponse(self.login_page, refusal.status)
        return None


@dataclass(slots=True)
class _Answering:
    """Sends an answer with the headers that every one has."""

    send: Send
    has_begun: bool = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self.send(message)


def client_of(scope: Scope) -> str:
    """Return the address that a request came from."""
    return str(scope["client"][0]) if scope.get("client") else ""


def too_often(wait: float) -> Refusal:
    """Return what somebody is told who tries too often."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS, f"too many wrong tries; wait {int(wait) + 1} s", wait
    )


def parsed(body: bytes, content_type: str) -> dict[str, object]:
    """Return the JSON object of a request.

    Raises:
        Refusal: It is something else.

    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content type {content_type!r}; expected application/json",
        )
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, "body: not a JSON object")
    return table


def _is_open_to_all(path: str) -> bool:
    return path == LOGIN or path.startswith(f"{LOGIN}/")


def _check_length(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or int(length[:20]) > LARGEST_BODY:
        raise _too_large()


def _limited(receive: Receive) -> Receive:
    """Return a receiver that refuses a body as soon as it is too large."""
    length = 0

    async def limited() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > LARGEST_BODY:
            raise _too_large()
        return message

    return limited


def _too_large() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: expected at most {LARGEST_BODY} bytes"
    )
