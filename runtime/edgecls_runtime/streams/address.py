"""Where a camera on the network is, and the connection to it: in time, or the reason why not."""

import socket
import time
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from edgecls.errors import CameraError, ConfigError, Fault
from edgecls_runtime.credentials import without_credentials

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
# The system repeats a lost connection request after 1, 3 and 7 s. Asked anew each second, a camera
# whose cable is in again is found within one.
ATTEMPT_S = 1.0
RESERVED = "/ is written %2F there, @ %40, : %3A"


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a camera's URL, its user and password decoded.

    Attributes:
        path: With the query, beginning with a slash.

    """

    scheme: str
    host: str
    port: int
    path: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, *schemes: str) -> "Address":
        """Take a URL to pieces.

        Raises:
            ConfigError: It is none of ``schemes``, or not a URL; the message hides its password.

        """
        shown = without_credentials(url)
        expected = f"expected {schemes[0]}://USER:PASSWORD@HOST:PORT/PATH"
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise ConfigError(
                f"camera.url: {shown}: not an address; {expected}; {RESERVED}"
            ) from None
        if parts.scheme not in schemes or not parts.hostname:
            raise ConfigError(f"camera.url: {shown}: not an address; {expected}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(
            parts.scheme,
            parts.hostname,
            port or PORTS[parts.scheme],
            path,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def url(self, host: str = "") -> str:
        """Return the whole URL, password and all: for a driver, never for a message.

        Args:
            host: In place of the own one: a number that needs no name server.

        """
        host = host or self.host
        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        bracketed = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{user}{bracketed}:{self.port}{self.path}"


def connected(address: Address, name: str, deadline: float) -> socket.socket:
    """Connect.

    Args:
        address: Whom to.
        name: Begins every message.
        deadline: Monotonic seconds. Resolving a name does not know one: call this in an ``Errand``.

    Raises:
        TimeoutError: No answer in time.
        CameraError: MISSING or REFUSED.

    """
    where = (address.host, address.port)
    while (left := deadline - time.monotonic()) > 0:
        try:
            return socket.create_connection(where, timeout=min(left, ATTEMPT_S))
        except TimeoutError:
            continue
        except ConnectionRefusedError:
            raise CameraError(
                f"{name}: nobody listens at port {address.port}; "
                f"is the camera on, and the address right?",
                Fault.REFUSED,
            ) from None
        except (OSError, UnicodeError) as error:
            found = getattr(error, "strerror", None) or str(error)
            raise CameraError(
                f"{name}: cannot be reached: {found}; is the address right, and the cable in?",
                Fault.MISSING,
            ) from None
    raise TimeoutError


def unauthorised(name: str, address: Address) -> CameraError:
    """Return the error about a user or a password."""
    found = "user or password is wrong" if address.user else "it wants a user and a password"
    return CameraError(
        f"{name}: {found}; expected {address.scheme}://USER:PASSWORD@HOST/...; {RESERVED}",
        Fault.AUTH,
    )


def answered(name: str, status: str) -> CameraError:
    """Return the error about a camera that answers with another status than that all is well.

    Args:
        name: Begins the message.
        status: Such as ``404 Not Found``.

    """
    if status.startswith(("404", "410")):
        return CameraError(f"{name}: {status}; is the path of the address right?", Fault.MISSING)
    if status.startswith(("453", "503")):
        return CameraError(f"{name}: {status}; has it too many viewers?", Fault.BUSY)
    return CameraError(f"{name}: {status}; expected a stream; see the camera's log", Fault.REFUSED)
