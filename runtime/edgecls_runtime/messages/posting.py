"""POST over a connection that stays open, with one deadline for all that it takes.

The timeout of a socket begins anew with every byte: whoever sends one now and then would hold us
for ever.
"""

import io
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse

# Of an answer, whose status is all that is of interest.
LARGEST_ANSWER = 65_536
# A connection that was kept and that the other side has closed since, as it may at any time.
CLOSED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: 200 and so on.
        retry_after: The header of that name; empty where there is none.

    """

    status: int
    retry_after: str


class Poster:
    """Posts to one server, over one connection after the other."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float) -> None:
        """Prepare; the first ``post`` connects.

        Args:
            host: Name or address.
            port: Of the server.
            tls: Whose certificates are believed; None is without TLS.
            timeout: Seconds for a whole ``post``.

        """
        self._host, self._port, self._tls, self._timeout = host, port, tls, timeout
        self._connection: HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Send one message and return what is answered.

        Raises:
            OSError: The server cannot be reached, or does not answer in time.
            HTTPException: What it answers is not HTTP.

        """
        deadline = time.monotonic() + self._timeout
        was_kept = self._connection is not None
        try:
            return self._posted(path, body, headers, deadline)
        except CLOSED:
            self.close()
            if not was_kept:
                raise
        except BaseException:
            self.close()
            raise
        try:
            return self._posted(path, body, headers, deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _posted(self, path: str, body: bytes, headers: dict[str, str], deadline: float) -> Answer:
        connection = self._connection or self._connected(deadline)
        self._connection = connection
        assert isinstance(connection.sock, _Timed)  # noqa: S101 - for the type checker
        connection.sock.deadline = deadline
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers.get("Retry-After", ""))
        self._read_to_its_end(response)
        return answer

    def _read_to_its_end(self, response: HTTPResponse) -> None:
        """Read an answer, or no other one could be read after it; what it holds does not matter."""
        with suppress(OSError, HTTPException):
            response.read(LARGEST_ANSWER)
        if response.will_close or not response.isclosed():
            response.close()
            self.close()

    def _connected(self, deadline: float) -> HTTPConnection:
        connection = HTTPConnection(self._host, self._port)
        connection.auto_open = 0  # that would know no deadline
        connected = socket.create_connection((self._host, self._port), _left(deadline))
        try:
            # A message is written whole, and answered before the next one.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connected.settimeout(_left(deadline))
                connected = self._tls.wrap_socket(connected, server_hostname=self._host)
        except BaseException:
            connected.close()
            raise
        connection.sock = _Timed(connected, deadline)
        return connection


class _Timed:
    """A connected socket, as far as ``HTTPConnection`` needs one, with a deadline for each step."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket, self.deadline = connected, deadline

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.deadline))
        self._socket.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def receive_into(self, buffer: memoryview) -> int:
        self._socket.settimeout(_left(self.deadline))
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._socket.close()


class _Reader(io.RawIOBase):
    """What arrives at it."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # as it is called
        return self._timed.receive_into(buffer)


def _left(deadline: float) -> float:
    """Return the seconds until a moment.

    Raises:
        TimeoutError: It is over.

    """
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def reason(error: OSError | HTTPException, timeout: float) -> str:
    """Return why a server cannot be posted to, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}; expected one that ca signed"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s; is it overloaded, or timeout_ms too short?"
    if isinstance(error, ConnectionError | socket.gaierror) or not isinstance(
        error, HTTPException | ssl.SSLError
    ):
        text = getattr(error, "strerror", None) or "it closed the connection without an answer"
        return f"{text}; is it running, and is the url right?"
    speaks = "TLS" if isinstance(error, ssl.SSLError) else "HTTP"
    return f"what answers does not speak {speaks}; is the url right?"
