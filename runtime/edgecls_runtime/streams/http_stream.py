"""A camera's answer over HTTP: a stream of JPEGs, or the reason why there is none."""

import http.client
import socket
import ssl
import time
from contextlib import suppress
from email.message import Message
from urllib.parse import urljoin

import numpy as np

from edgecls.errors import CameraError, ConfigError, Fault
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.streams.address import Address, answered, connected, unauthorised
from edgecls_runtime.streams.digest import authorization
from edgecls_runtime.streams.multipart import Multipart, Part
from edgecls_runtime.streams.stream_camera import Arrived, ended, undecodable

MOST_REDIRECTS = 3
PIECE = 65_536
GRACE_S = 1.0
JPEG = b"\xff\xd8"


def connect(
    address: Address, name: str, silence: float, tls: ssl.SSLContext, deadline: float
) -> "HttpStream":
    """Ask for a stream.

    Args:
        address: Of the camera.
        name: Begins every message.
        silence: Seconds without a frame after which the stream counts as lost.
        tls: Whose certificates are believed.
        deadline: Monotonic seconds.

    Raises:
        TimeoutError: It does not answer.
        CameraError: It does not send a stream; the fault says why.

    """
    proof: str | None = None
    for _ in range(MOST_REDIRECTS + 2):
        connection, response = _asked(address, name, proof, tls, deadline)
        if response.status == http.client.OK:
            return _stream(connection, response, name, silence)
        response.close()
        connection.close()
        if response.status == http.client.UNAUTHORIZED:
            wanted = response.headers.get_all("WWW-Authenticate", [])
            if proof is not None or not address.user:  # once: cameras lock accounts
                raise unauthorised(name, address)
            proof = authorization(wanted, address.path, address.user, address.password)
            if proof is None:
                raise answered(name, "401, by a scheme other than Basic and Digest")
        elif 300 <= response.status < 400 and (target := response.headers.get("Location")):
            address, proof = _redirected(address, target, name), None
        else:
            raise answered(name, f"{response.status} {response.reason}")
    raise answered(name, "it redirects again and again")


def _asked(
    address: Address, name: str, proof: str | None, tls: ssl.SSLContext, deadline: float
) -> tuple[socket.socket, http.client.HTTPResponse]:
    """Send the question; return the connection and the answer's head."""
    connection = connected(address, name, deadline)
    try:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        if address.scheme == "https":
            connection = tls.wrap_socket(connection, server_hostname=address.host)
        asking = http.client.HTTPConnection(address.host, address.port)
        asking.sock = connection
        headers = {"User-Agent": "edgecls", "Accept": "*/*"}
        if proof is not None:
            headers["Authorization"] = proof
        asking.request("GET", address.path, headers=headers)
        return connection, asking.getresponse()
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise CameraError(
            f"{name}: its certificate is not trusted: {error.verify_message}; "
            f"give the one that signed it as ca_file, or set verify = false",
            Fault.REFUSED,
        ) from None
    except BaseException as error:
        connection.close()
        if isinstance(error, ConnectionError):  # also when it says nothing and hangs up
            raise ended(name, "the camera ended the connection") from None
        if isinstance(error, ssl.SSLError | http.client.HTTPException):
            speaks = address.scheme.upper()
            raise undecodable(name, f"what answers does not speak {speaks}") from None
        raise


def _redirected(address: Address, target: str, name: str) -> Address:
    """Return where an answer points to; a password is only for the host it was given for."""
    bare = Address(address.scheme, address.host, address.port, address.path)
    try:
        found = Address.of(urljoin(bare.url(), target), "http", "https")
    except ConfigError:
        raise answered(name, "it redirects to what is no HTTP address") from None
    same = found.host == address.host
    user, password = (address.user, address.password) if same else ("", "")
    return Address(found.scheme, found.host, found.port, found.path, user, password)


def _stream(
    connection: socket.socket, response: http.client.HTTPResponse, name: str, silence: float
) -> "HttpStream":
    kind = response.headers.get_content_type()
    if kind != "multipart/x-mixed-replace":
        response.close()
        connection.close()
        raise undecodable(name, f"it sends {kind}; expected MJPEG (multipart/x-mixed-replace)")
    # A thread that nobody waits for any more shall end.
    connection.settimeout(silence + GRACE_S)
    boundary = Message.get_boundary(response.headers) or ""
    return HttpStream(connection, response, Multipart(boundary), name)


class HttpStream:
    """An answer that goes on and on; as ``Source``."""

    def __init__(
        self,
        connection: socket.socket,
        response: http.client.HTTPResponse,
        parts: Multipart,
        name: str,
    ) -> None:
        """Take over an answer, its head read."""
        self.instead = ""
        self._connection, self._response, self._parts = connection, response, parts
        self._name = name

    def next(self, where: str) -> Arrived:
        """Wait for a part that is a JPEG."""
        began = time.monotonic()
        while not (part := self._part()).body.startswith(JPEG):
            self.instead = f"no JPEG, but {part.headers.get('content-type', 'something else')}"
        self.instead = ""
        at = time.monotonic()
        data = np.frombuffer(part.body, np.uint8)
        return Arrived(Coded(data, Coding.JPEG, where), at, at - began, part.stamp)

    def stop(self) -> None:
        """End the wait of another thread."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()

    def _part(self) -> Part:
        try:
            part = self._parts.feed(b"")
            while part is None:
                data = self._response.read1(PIECE)
                if not data:
                    raise ended(self._name, "the camera ended the stream")
                part = self._parts.feed(data)
        except ValueError as error:
            raise undecodable(self._name, f"it sends {error}") from None
        except CameraError:
            raise
        except (OSError, http.client.HTTPException) as error:
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ended(self._name, text) from None
        return part
