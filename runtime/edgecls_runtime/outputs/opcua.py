"""A vision system for OPC UA clients, shaped after OPC 40100-1: here the station is the server.

Results are kept in a ring of the server, and announced by events: a client that was away for less
than the ring holds misses none. Nothing here ``KEEPS``: this side is up whenever the station is.
"""

import logging
import os
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as TooLong
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.errors import ConfigError, MissingExtra, OutputError
from edgecls.verdict import Verdict
from edgecls_runtime import packages
from edgecls_runtime.event_loop import EventLoop
from edgecls_runtime.modbus.plc import check
from edgecls_runtime.opcua.access import Access
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from asyncua import Server

    from edgecls_runtime.opcua.vision_system import VisionSystem

# It counts, and clients read what they missed.
PATIENT = True
# The standard's own nodes, thousands, are made first, which takes seconds on a small board.
START_S = 120.0
TELL_S = 5.0
MOST_RESULTS = 1000


class OpcuaOutput:
    """Shows verdicts to whoever asks or subscribes."""

    def __init__(
        self, loop: EventLoop, server: "Server", system: "VisionSystem", where: str
    ) -> None:
        """Take over a server that runs.

        Args:
            loop: In which it runs; closed by this.
            server: Stopped by this.
            system: The station in it.
            where: Begins every message.

        """
        self._loop, self._server, self._system, self._where = loop, server, system, where
        self._is_closed = False

    def send(self, verdict: Verdict) -> None:
        """Show one verdict, and tell who subscribed.

        Raises:
            OutputError: The server does not answer.

        """
        self._do(self._system.show(verdict))

    def expect(self, part: str, at: float) -> None:  # noqa: ARG002 - counted only
        """Count a part that waits for its verdict."""
        self._begin(self._system.expect(part))

    def beat(self) -> None:
        """Let the heartbeat go on."""
        self._begin(self._system.beat())

    def make_safe(self, reason: str) -> None:
        """Show the state ``Error`` until the next verdict.

        Raises:
            OutputError: The server does not answer.

        """
        self._do(self._system.make_safe(reason))

    def close(self) -> None:
        """Hang up; closing twice is allowed."""
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(TooLong):
            self._loop.do(self._server.stop(), TELL_S)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        if self._is_closed:
            work.close()
            raise OutputError(f"{self._where}: is closed; expected to be told before")
        try:
            self._loop.do(work, TELL_S)
        except TooLong as error:
            raise OutputError(
                f"{self._where}: no answer from our own server within {TELL_S:g} s; "
                f"is this machine overloaded?"
            ) from error

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the loop do something, and return at once."""
        if self._is_closed:
            work.close()
        else:
            self._loop.begin(work)


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    port: int = 4840,
    host: str = "127.0.0.1",
    vision_system: str = "edgecls",
    results: int = 100,
    user: str = "",
    password: str = "",
    certificate: Path | None = None,
    private_key: Path | None = None,
    trusted: tuple[Path, ...] = (),
) -> OpcuaOutput:
    """Let OPC UA clients read results.

    Args:
        port: To listen at.
        host: Address to listen at; another than this machine's own needs ``certificate``, and
            ``user`` or ``trusted``.
        vision_system: Name of the object that clients see.
        results: That are kept at most.
        user: Name that a client must give; empty lets everybody in.
        password: Of the user.
        certificate: PEM or DER file of ours: everything is encrypted.
        private_key: PEM or DER file that belongs to it.
        trusted: PEM or DER files of the clients that may come; empty lets any come.

    """
    check("outputs.port", port, lowest=1)
    if not 1 <= results <= MOST_RESULTS:
        raise ConfigError(f"outputs.results: {results}; expected 1 to {MOST_RESULTS}")
    access = Access(user, password, certificate, private_key, trusted)
    access.check(host)
    where = f"opcua output {host}:{port}"
    # Without this, its messages would go to stderr beside ours.
    logging.getLogger("asyncua").addHandler(logging.NullHandler())
    try:
        import asyncua  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("asyncua", "opcua") from error
    from edgecls_runtime.opcua.server import Place, serve  # noqa: PLC0415 - needs the extra

    loop = EventLoop("opcua")
    try:
        place = Place(host, port, vision_system, results)
        server, system = loop.do(serve(place, access, where), START_S)
    except OutputError:
        loop.close()
        raise
    except OSError as error:
        loop.close()
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        raise OutputError(
            f"{where}: {reason}; expected an address of this machine and a free port"
        ) from error
    return OpcuaOutput(loop, server, system, where)


def probed() -> Probed:
    """Say whether the package is here."""
    found = packages.installed("asyncua")
    if found is None:
        return Probed("opcua", ready=False, what=str(MissingExtra("asyncua", "opcua")))
    return Probed("opcua", ready=True, what="a server of our own", package=str(found))
