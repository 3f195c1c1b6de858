"""Where an MQTT broker is, and how to reach it: the same for whoever listens and whoever tells."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from edgecls.errors import ConfigError, DeviceError, MissingExtra, OutputError, TriggerError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

CONNECT_S = 2.0
# Between two attempts to reach it again.
RETRY_S = (1, 4)
PLAIN_PORT, TLS_PORT = 1883, 8883
# A broker that says nothing for so long, or twice it, is gone; it is asked again within seconds.
KEEPALIVE_S = 5
LONGEST_TOPIC = 65_535


@dataclass(frozen=True, slots=True)
class Role:
    """What a broker is reached for: how messages about it begin, and what they are raised as.

    Attributes:
        name: Begins what is raised.
        table: Of the station file; begins what is wrong there.
        error: To raise.

    """

    name: str
    table: str
    error: type[DeviceError]


LISTENS = Role("mqtt trigger", "trigger", TriggerError)
TELLS = Role("mqtt output", "outputs", OutputError)


class Version(StrEnum):
    """Of the protocol."""

    V3 = "3.1.1"  # every broker
    V5 = "5"  # one that refuses a message says so


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and who we are to it.

    Attributes:
        role: What it is reached for.
        host: Name or address.
        port: 0 is 1883, and 8883 with TLS.
        user: Empty is none.
        password: Of the user; not shown.
        tls: Whether to encrypt, and to check its certificate.
        ca: PEM file of who signed that; implies ``tls``. None is who this machine trusts.
        client_id: Empty is a random one.
        keeps: Whether it is asked to keep messages while we are away (3.1.1 only).
        version: Of the protocol.

    """

    role: Role
    host: str
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: Path | None = None
    client_id: str = ""
    keeps: bool = False
    version: Version = Version.V3

    def __post_init__(self) -> None:
        """Refuse what no broker has."""
        table = self.role.table
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"{table}.port: {self.port}; expected 0 to 65535")
        if self.password and not self.user:
            raise ConfigError(f"{table}.user: required with a password")
        try:
            is_host = bool(self.host.encode("idna"))
        except UnicodeError:
            is_host = False
        if not is_host:
            raise ConfigError(f"{table}.host: {self.host!r}; expected a name or an address")

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is used."""
        return self.tls or self.ca is not None

    @property
    def reached_at(self) -> int:
        """The port."""
        return self.port or (TLS_PORT if self.is_encrypted else PLAIN_PORT)

    def __str__(self) -> str:
        return f"{self.role.name} {self.host}:{self.reached_at}"

    def fault(self, text: str) -> DeviceError:
        """Return the error that says what is wrong with it."""
        return self.role.error(f"{self}: {text}")

    def client(self) -> "Client":
        """Return a client that is ready to connect.

        Raises:
            MissingExtra: There is no package for it.
            DeviceError: Of the role: ``ca`` is no file of certificates.

        """
        try:
            from paho.mqtt.client import Client  # noqa: PLC0415 - an extra
            from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra("paho-mqtt", "mqtt") from error
        is_new = self.version is Version.V5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=None if is_new else not self.keeps,
            protocol=MQTTProtocolVersion.MQTTv5 if is_new else MQTTProtocolVersion.MQTTv311,
        )
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(*RETRY_S)
        if self.user:
            client.username_pw_set(self.user, self.password)
        if self.is_encrypted:
            try:
                client.tls_set(None if self.ca is None else str(self.ca))
            except OSError as error:
                reason = "no certificate in it" if isinstance(error, ssl.SSLError) else None
                raise self.fault(
                    f"ca {self.ca}: {reason or error.strerror}; expected a PEM file of certificates"
                ) from error
        return client


def reason(error: Exception) -> str:
    """Return why a broker cannot be reached, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}; expected one that ca signed"
    if isinstance(error, ssl.SSLError):
        return "does not speak TLS as we do; expected its TLS port, or no tls"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_S:g} s; is the broker on, and host and port right?"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{text}; is the broker running, and are host, port and tls right?"
