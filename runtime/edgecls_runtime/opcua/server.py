"""An OPC UA server with one station in it; needs the extra ``opcua``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import Server, ua
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import User, UserRole

from edgecls.errors import OutputError
from edgecls_runtime.opcua import companion
from edgecls_runtime.opcua.access import Access
from edgecls_runtime.opcua.types import Types
from edgecls_runtime.opcua.vision_system import VisionSystem

if TYPE_CHECKING:
    from asyncua.server.internal_server import InternalServer

MOST_CLIENTS = 16
MOST_SUBSCRIPTIONS = 64
# Of a client that does not keep up: events that wait, and messages that it has not confirmed.
MOST_EVENTS, MOST_MESSAGES = 1000, 100
MOST_PENDING = 100
URI = "urn:edgecls:station"
POLICIES = (
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and what it is called.

    Attributes:
        host: Address to listen at.
        port: To listen at.
        name: Of the vision system.
        results: That are kept at most.

    """

    host: str
    port: int
    name: str
    results: int

    @property
    def url(self) -> str:
        """The endpoint."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"opc.tcp://{host}:{self.port}"


class _Users:
    """Asks ``Access`` about each session; nobody is an administrator."""

    def __init__(self, access: Access, trusted: frozenset[bytes]) -> None:
        self._access, self._trusted = access, trusted

    def get_user(
        self,
        iserver: "InternalServer",  # noqa: ARG002 - asyncua's interface
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        if self._trusted and certificate not in self._trusted:
            return None
        if not self._access.admits(username, password, certificate):
            return None
        return User(role=UserRole.User, name=username)


async def serve(place: Place, access: Access, where: str) -> tuple[Server, VisionSystem]:
    """Begin to serve.

    Args:
        place: Where.
        access: To whom.
        where: Begins every message.

    Raises:
        OutputError: A file is no certificate or key.
        OSError: Not an address of this machine, or the port is taken.

    """
    trusted = frozenset([await _certificate(path, "trusted", where) for path in access.trusted])
    server = Server(user_manager=_Users(access, trusted))
    await server.init()
    server.set_endpoint(place.url)
    server.set_server_name(place.name)
    await server.set_application_uri(URI)
    server.allow_remote_admin(allow=False)
    token = ua.UserNameIdentityToken if access.user else ua.AnonymousIdentityToken
    server.set_identity_tokens([token])
    await _secure(server, access, where)
    limits = server.iserver
    limits.max_connections, limits.max_subscriptions = MOST_CLIENTS, MOST_SUBSCRIPTIONS
    limits.max_monitored_item_queue_size = MOST_EVENTS
    limits.max_unacked_messages_per_subscription = MOST_MESSAGES
    limits.max_pending_messages_per_connection = MOST_PENDING
    types = Types(server, await server.register_namespace(companion.URI))
    await types.add()
    system = VisionSystem(server, types, place.results)
    await system.add(place.name)
    await server.start()
    return server, system


async def _secure(server: Server, access: Access, where: str) -> None:
    if access.certificate is None or access.private_key is None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return
    ours = await _certificate(access.certificate, "certificate", where)
    await server.load_certificate(ours, "der")
    try:
        content, kind = _content(access.private_key)
        await server.load_private_key(content, format=kind)
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(
            f"{where}: private_key {access.private_key}: {_reason(error)}; "
            f"expected a PEM or DER file of a key without a password"
        ) from error
    server.set_security_policy([*POLICIES])


async def _certificate(path: Path, key: str, where: str) -> bytes:
    """Return a certificate as DER."""
    try:
        found = await uacrypto.load_certificate(*_content(path))
        return bytes(uacrypto.der_from_x509(found))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{where}: {key} {path}: {_reason(error)}; expected a PEM or DER file of a certificate"
        ) from error


def _content(path: Path) -> tuple[bytes, str]:
    """Return a file and its format, whatever its name ends with."""
    content = path.read_bytes()
    return content, "pem" if b"-----BEGIN" in content else "der"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "cannot be read as one"
