"""Verdicts as POST requests to a web server, in JSON; each is delivered once it answers 2xx.

Every verdict arrives at least once; the receiver knows one that comes again by its id, and with a
secret who sent it. What a receiver answers decides what becomes of a verdict:

    2xx                it has it
    400, 413, 422      it does not want this verdict, ever
    429, 503           later, and not before the time in Retry-After, if there is one
    anything else      later: what is wrong is the address, our rights or the server
"""

import base64
import email.utils
import json
import re
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from edgecls import __version__
from edgecls.errors import ConfigError, OutputError, OutputRefused
from edgecls.verdict import Verdict
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.messages import posting, webhook_signature
from edgecls_runtime.messages.posting import Answer, Poster
from edgecls_runtime.probe import Probed

KEEPS = True
REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# A server that wants to be left alone for longer is asked all the same.
LONGEST_QUIET_S = 3600.0
PORTS = {"http": 80, "https": 443}
OWN_HEADERS = {
    *("host", "connection", "content-length", "content-type", "transfer-encoding"),
    *("idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"),
}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PRINTED = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom to post to.

    Attributes:
        host: Name or address.
        port: Of the server.
        path: With the query; it may be a secret.
        headers: Of each message, such as who we are; not shown.
        tls: Whose certificates are believed; None is without TLS.
        key: To sign with; empty signs nothing.

    """

    host: str
    port: int
    path: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    tls: ssl.SSLContext | None
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"webhook output {self.host}:{self.port}"


class WebhookOutput:
    """Posts verdicts, one after the other."""

    def __init__(self, receiver: Receiver, timeout: float) -> None:
        """Prepare; the first verdict connects.

        Args:
            receiver: Whom to post to.
            timeout: Seconds for one verdict.

        """
        self._receiver, self._timeout = receiver, timeout
        self._poster = Poster(receiver.host, receiver.port, receiver.tls, timeout)
        self._quiet_until = 0.0

    def send(self, verdict: Verdict) -> None:
        """Post a verdict, and wait until it was taken.

        Raises:
            OutputRefused: The receiver does not want this verdict.
            OutputError: It is away, slow, or wants none of them now.

        """
        if (left := self._quiet_until - time.monotonic()) > 0:
            raise self._fault(f"wants nothing for another {left:.0f} s; it is asked again then")
        body = json.dumps(verdict.table()).encode()
        name = _name(verdict, body)
        signed = webhook_signature.headers(name, body, self._receiver.key)
        try:
            answer = self._poster.post(
                self._receiver.path, body, {**self._receiver.headers, **signed}
            )
        except (OSError, HTTPException) as error:
            raise self._fault(posting.reason(error, self._timeout)) from error
        if not 200 <= answer.status < 300:
            raise self._refusal(answer, name)

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        self._poster.close()

    def _refusal(self, answer: Answer, name: str) -> OutputError:
        """Return what an answer means that is not 2xx."""
        found = f"answered {_named(answer.status)}"
        if answer.status in REFUSALS:
            return OutputRefused(
                f"{self._receiver}: {found} to verdict {name}; expected 2xx; it is not told again"
            )
        if answer.status in LATER and (quiet := _quiet(answer.retry_after)):
            self._quiet_until = time.monotonic() + quiet
            return self._fault(f"{found}; it is asked again in {quiet:.0f} s")
        if 300 <= answer.status < 400:
            return self._fault(f"{found}; expected a url that redirects nowhere")
        return self._fault(f"{found}; expected 2xx; are url, token and headers right?")

    def _fault(self, text: str) -> OutputError:
        return OutputError(f"{self._receiver}: {text}")


def _name(verdict: Verdict, body: bytes) -> str:
    """Return what a verdict is known by; its content where it has no id that a header can hold."""
    is_name = re.fullmatch(r"[\x21-\x7e]{1,200}", verdict.id)
    return verdict.id if is_name else sha256(body).hexdigest()[:32]


def _named(status: int) -> str:
    """Return a status with the words for it: ours, for a server may send anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _quiet(retry_after: str) -> float:
    """Return the seconds that the header Retry-After asks for; 0 where it says nothing."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_QUIET_S)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_QUIET_S)


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    url: str,
    token: str = "",
    secret: str = "",
    secret_file: Path | None = None,
    headers: dict[str, str] | None = None,
    ca: Path | None = None,
    timeout_ms: float = 2000.0,
) -> WebhookOutput:
    """Prepare to post verdicts.

    Args:
        url: ``https://HOST:PORT/PATH``, or ``http://``; what stands in it is not shown but host
            and port.
        token: Sent as ``Authorization: Bearer TOKEN``; empty sends none.
        secret: To sign with, 24 bytes or more, as they are or in base64 behind ``whsec_``; empty
            signs nothing.
        secret_file: Holds the secret instead.
        headers: More of them, by name.
        ca: PEM file of who signed the server's certificate. None is who this machine trusts.
        timeout_ms: From the first byte that is sent to the last that is received.

    """
    if not 10 <= timeout_ms <= 60_000:  # NaN compares false
        raise ConfigError(f"outputs.timeout_ms: {timeout_ms:g}; expected 10 to 60000")
    parts = _parts(url)
    given = dict(headers or {})
    _check(given, token, parts)
    if token:
        given["Authorization"] = f"Bearer {token}"
    elif parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        given["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    receiver = Receiver(
        str(parts.hostname),
        parts.port or PORTS[parts.scheme],
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        {"User-Agent": f"edgecls/{__version__}", "Content-Type": "application/json", **given},
        _tls(ca) if parts.scheme == "https" else None,
        webhook_signature.key(secret, secret_file),
    )
    return WebhookOutput(receiver, timeout_ms / 1000)


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("webhook", ready=True, what="POST of JSON; part of Python; nobody asked")


def _parts(url: str) -> SplitResult:
    """Take an address to pieces."""
    shown = without_credentials(url)
    expected = "expected https://HOST:PORT/PATH, with what is not ASCII written %XX"
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        is_address = bool(host) and parts.port != 0 and parts.scheme in PORTS
    except ValueError:
        is_address = False
    if not is_address or re.search(r"[^\x21-\x7e]", f"{parts.path}{parts.query}"):
        raise ConfigError(f"outputs.url: {shown}: not an address; {expected}")
    return parts


def _check(headers: dict[str, str], token: str, parts: SplitResult) -> None:
    """Refuse what cannot be sent; a value may be a password and is not shown."""
    for name, value in headers.items():
        if not NAME.fullmatch(name) or name.lower() in OWN_HEADERS:
            raise ConfigError(f"outputs.headers: {name!r}; expected a name that is not set by us")
        if not isinstance(value, str) or not PRINTED.fullmatch(value):
            raise ConfigError(f"outputs.headers.{name}: expected text of printable ASCII")
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise ConfigError("outputs.token: expected letters, digits and signs of ASCII, no blanks")
    named = [name for name in headers if name.lower() == "authorization"]
    ways = bool(token) + bool(parts.username) + len(named)
    if ways > 1:
        raise ConfigError(
            "outputs.token: expected one of token, a password in url, and a header Authorization"
        )


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:
        reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"outputs.ca: {ca}: {reason}; expected a PEM file of certificates"
        ) from error
