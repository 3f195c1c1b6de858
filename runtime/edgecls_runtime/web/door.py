"""Where clients come in: few at a time, each for as long as it does something.

What is limited is counted from the moment a connection is accepted, before any TLS: file
descriptors are the station's too.
"""

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgecls.errors import ConfigError
from edgecls_runtime.web.settings import bracketed

# A browser holds six at most; a proxy comes from one address for everybody.
MOST_CLIENTS, MOST_OF_ONE = 64, 32
# From the first byte of a request to its last, for TLS to begin, and until what is sent is taken.
ASKING_S, HANDSHAKE_S, TAKING_S = 10.0, 5.0, 15.0
IDLE_S = 15
HEAD_BYTES = 16_384


class Door(socket.socket):
    """A listening socket that lets only so many in."""

    def __init__(self, family: int) -> None:
        """Make one."""
        super().__init__(family, socket.SOCK_STREAM)
        self._inside: list[tuple[str, socket.socket]] = []
        self.refused = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Take a client, unless many are here, or many of its kind."""
        client, address = super().accept()
        self._inside = [(who, one) for who, one in self._inside if one.fileno() >= 0]
        who = str(address[0])
        if (
            len(self._inside) >= MOST_CLIENTS
            or sum(who == one for one, _ in self._inside) >= MOST_OF_ONE
        ):
            self.refused += 1
            client.close()
            raise ConnectionAbortedError  # the loop takes it for a client that went away
        # What is sent and never acknowledged ends the connection, also when we have closed it.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TAKING_S * 1000))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._inside.append((who, client))
        return client, address


def listen(host: str, port: int) -> Door:
    """Return a door at an address.

    Raises:
        ConfigError: It is taken, or not ours.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        door = Door(family)
    except OSError as error:
        raise _refused(host, port, error) from error
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(MOST_CLIENTS)
        door.setblocking(False)
    except OSError as error:
        door.close()
        raise _refused(host, port, error) from error
    return door


class PatientLoop(asyncio.SelectorEventLoop):
    """A loop whose servers do not wait long for TLS to begin or to end."""

    async def create_server(self, *arguments: Any, **keys: Any) -> asyncio.Server:  # noqa: ANN401 - passed on
        """Listen."""
        if keys.get("ssl"):
            keys |= {"ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": HANDSHAKE_S}
        return await super().create_server(*arguments, **keys)


class Deadline:
    """Cuts a connection off, unless it is ended in time."""

    def __init__(self, seconds: float) -> None:
        """Take how long it lasts; it does not run yet."""
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Run, if it does not run already."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._seconds, transport.abort)

    def end(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ImpatientProtocol(H11Protocol):
    """HTTP for clients that ask within ten seconds and take what they asked for."""

    def __init__(self, *arguments: Any, **keys: Any) -> None:  # noqa: ANN401 - passed on
        """Take what uvicorn gives its protocols."""
        super().__init__(*arguments, **keys)
        self._asking, self._taking = Deadline(ASKING_S), Deadline(TAKING_S)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._asking.begin(transport)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        self._asking.begin(self.transport)
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._asking.end()

    def pause_writing(self) -> None:
        """Wait for a client that does not take what it asked for."""
        super().pause_writing()
        self._taking.begin(self.transport)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._taking.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._asking.end()
        self._taking.end()
        super().connection_lost(exc)


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"web {bracketed(host)}:{port}: {error.strerror}; expected a free port of this machine; "
        f"set another one as web.port"
    )
