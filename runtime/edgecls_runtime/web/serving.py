"""The page's own thread: a loop, a port, and what answers there."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from edgecls.errors import ConfigError
from edgecls_runtime.web.door import (
    HEAD_BYTES,
    IDLE_S,
    ImpatientProtocol,
    PatientLoop,
    listen,
)
from edgecls_runtime.web.guard import Access, Guard
from edgecls_runtime.web.history import History
from edgecls_runtime.web.inside import Asked, Inside, Worker
from edgecls_runtime.web.labels import Labels
from edgecls_runtime.web.live import Live
from edgecls_runtime.web.login_api import LoginApi
from edgecls_runtime.web.logins import Link, read_secrets
from edgecls_runtime.web.opening import Seen
from edgecls_runtime.web.pictures import Given
from edgecls_runtime.web.routes import Way, router, ways
from edgecls_runtime.web.session_file import SessionFile
from edgecls_runtime.web.settings import WebSettings
from edgecls_runtime.web.trend import Trend

GRACE_S = 5.0


class Web:
    """An open page.

    Attributes:
        port: Where it listens.
        url: What to open in a browser.
        ways: Every address.

    """

    def __init__(self, settings: WebSettings, seen: Seen, say: Callable[[str], object]) -> None:
        """Take the port and begin to serve; ``opening.open_web`` says what is raised."""
        secrets = read_secrets(settings)
        tls = _tls(settings)
        self._kept = SessionFile(_beside(seen.journal), secrets)
        self._workers = {name: Worker(name) for name in ("disk", "pictures", "status")}
        door = listen(settings.host, settings.port)
        try:
            self.port = int(door.getsockname()[1])
            self.url = settings.url(self.port)
            secure = settings.is_seen_with_tls()
            self.access = Access(
                secrets,
                settings.names(self.port),
                # Browsers share cookies among the ports of a host: each station has its own.
                f"{'__Host-' if secure else ''}edgecls-{self.port}",
                secure,
                settings.open_on_loopback,
                self._kept.sessions,
            )
            self.link = Link()
            self.inside = self._inside(seen, say)
            self.ways = ways(self.inside)
            self._server = uvicorn.Server(_config(self._application(self.ways), tls))
        except BaseException:
            door.close()
            raise
        self._door = door
        self._thread = threading.Thread(target=self._serve, name="web page", daemon=True)
        self._say = say
        self._thread.start()
        say(self._greeting(settings))

    @property
    def refused(self) -> int:
        """How many connections were refused because too many were open."""
        return self._door.refused

    @property
    def is_serving(self) -> bool:
        """Whether its thread lives."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop serving; closing twice is allowed."""
        self._server.should_exit = True
        self._thread.join(GRACE_S)
        self._door.close()
        self._kept.write(self._kept.text())
        for worker in self._workers.values():
            worker.close()

    def _inside(self, seen: Seen, say: Callable[[str], object]) -> Inside:
        history = None if seen.journal is None else History(seen.journal)
        disk, pictures = self._workers["disk"], self._workers["pictures"]
        return Inside(
            access=self.access,
            kept=self._kept,
            link=self.link,
            hub=seen.hub,
            live=Live(seen.hub, pictures.pool),
            status=Asked(seen.status, self._workers["status"]),
            history=history,
            trend=None if history is None else Trend(history),
            given=Given(seen.pictures),
            labels=None if seen.evidence is None else Labels(seen.evidence),
            control=seen.control,
            stopping=lambda: self._server.should_exit,
            say=say,
            disk=disk,
            pictures=pictures,
        )

    def _application(self, found: list[Way]) -> ASGIApp:
        login_page = LoginApi(self.inside).files["login.html"]
        return Guard(router(found), self.access, login_page, self._said)

    def _said(self, text: str) -> None:
        self._say(f"web page: {text}")

    def _greeting(self, settings: WebSettings) -> str:
        if settings.has_login or settings.open_on_loopback:
            return f"web page: {self.url}"
        return f"web page: {self.url}/login#link={self.link.secret} (opens once)"

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=PatientLoop) as runner:
                runner.run(self._server.serve(sockets=[self._door]))
        except Exception as error:  # noqa: BLE001 - the station goes on without its page
            self._said(f"ended: {type(error).__name__}: {error}; the station goes on without it")


def _beside(journal: Path | None) -> Path | None:
    return None if journal is None else journal.with_name(f"{journal.name}-sessions")


def _config(application: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Config:
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        # Whoever sends nonsense must not fill a log.
        logging.getLogger(name).disabled = True
    config = uvicorn.Config(
        application,
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    config.load()
    config.ssl = tls
    return config


def _tls(settings: WebSettings) -> ssl.SSLContext | None:
    """Return what encrypts.

    Raises:
        ConfigError: Certificate and key are not what they should be.

    """
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"web.certificate: {settings.certificate} with {settings.key}: {reason}; "
            f"expected two PEM files that belong together"
        ) from error
    return context
