"""Verdicts as messages of an MQTT broker, each acknowledged by it before the next one is told.

Every verdict arrives at least once; who listens knows one that comes again by its ``id``. Whether
the station lives stands in a retained topic, which the broker itself sets to ``offline`` when the
connection is lost.
"""

import json
import secrets
import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgecls.errors import ConfigError, MissingExtra, OutputError, OutputRefused
from edgecls.progress import tell
from edgecls.verdict import Verdict
from edgecls_runtime import packages
from edgecls_runtime.messages import home_assistant
from edgecls_runtime.messages.home_assistant import Discovery
from edgecls_runtime.messages.mqtt_broker import KEEPALIVE_S, TELLS, Broker, Version, reason
from edgecls_runtime.messages.mqtt_topics import Topics
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

KEEPS = True
OPEN_S = 2.0
ACK_S = 2.0
CLOSE_S = 1.0
ONLINE, OFFLINE = "online", "offline"
# Of a message beside its topic and its payload: type, lengths, number, properties.
OVERHEAD = 16


class Message(NamedTuple):
    """Something to publish."""

    topic: str
    payload: bytes
    retain: bool = False


class MqttOutput:
    """Publishes verdicts; reaches its broker again by itself."""

    def __init__(self, broker: Broker, topics: Topics, discovery: Discovery | None) -> None:
        """Prepare; ``start`` connects."""
        self._broker, self._topics, self._discovery = broker, topics, discovery
        self._availability = topics.of_station(topics.availability)
        self._state = topics.of_station(topics.state) if topics.state else ""
        self._counts: Counter[str] = Counter()
        self._greeted_with: Message | None = None
        # What follows is changed by the client's thread too.
        self._changed = threading.Condition()
        self._connected = self._closed = self._answered = self._trying = False
        self._why = f"no answer within {OPEN_S:g} s; is it an MQTT broker?"
        self._largest: int | None = None
        self._acknowledged: dict[int, ReasonCode] = {}
        # One that was handed over and not acknowledged: the client sends it again by itself.
        self._pending: tuple[Message, int] | None = None
        client = self._client = broker.client()
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_pre_connect = self._on_pre_connect
        client.on_disconnect, client.on_publish = self._on_disconnect, self._on_publish
        client.will_set(self._availability, OFFLINE, 1, retain=True)

    def start(self) -> None:
        """Begin to connect, and say so if it does not come about: the station judges all the same.

        Whoever started it can read what is wrong; ``send`` says it again.
        """
        self._client.connect_async(self._broker.host, self._broker.reached_at, KEEPALIVE_S)
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._answered, OPEN_S)
            if not self._connected:
                tell(f"warning: {self._broker}: {self._why}")

    def send(self, verdict: Verdict) -> None:
        """Publish a verdict, and wait until the broker has it.

        Raises:
            OutputRefused: It is larger than what the broker takes.
            OutputError: The broker is away, silent, or does not let us write.

        """
        table = verdict.table()
        if self._state:
            counts = self._counts + Counter([verdict.counts_as])
            state = home_assistant.state(table, verdict.counts_as, counts)
            latest = Message(self._state, json.dumps(state).encode(), retain=True)
            self._deliver(latest)
            self._greeted_with = latest
        self._deliver(Message(self._topics.of(verdict), json.dumps(table).encode()))
        self._counts[verdict.counts_as] += 1

    def close(self) -> None:
        """Say that we are offline, and disconnect; closing twice is allowed."""
        with self._changed:
            if self._closed:
                return
            self._closed, connected = True, self._connected
        if connected:
            mid = self._client.publish(self._availability, OFFLINE, 1, retain=True).mid
            with self._changed:
                self._changed.wait_for(lambda: self._is_over(mid), CLOSE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _deliver(self, message: Message) -> None:
        """Publish one message and wait for its acknowledgement."""
        with self._changed:
            self._check(message)
            pending = self._pending
        if pending is None or pending[0] != message:
            # Not while the lock is held: the client calls us back with a lock of its own.
            mid = self._client.publish(message.topic, message.payload, 1, message.retain).mid
            pending = message, mid
        with self._changed:
            self._pending, mid = pending, pending[1]
            self._changed.wait_for(lambda: self._is_over(mid), ACK_S)
            code = self._acknowledged.get(mid)
            if code is None:
                silent = f"no acknowledgement within {ACK_S:g} s; is the broker overloaded?"
                raise self._fault(silent if self._connected else self._why)
            self._pending = None
            self._acknowledged.clear()
        if code.is_failure:
            raise self._fault(
                f"topic {message.topic}: refused: {code}; is this user allowed to write it?"
            )

    def _check(self, message: Message) -> None:
        """Refuse what cannot be published now, or never."""
        if not self._connected:
            raise self._fault(self._why)
        size = len(message.topic.encode()) + len(message.payload) + OVERHEAD
        if self._largest is not None and size > self._largest:
            raise OutputRefused(
                f"{self._broker}: a verdict of {size} bytes; it takes at most {self._largest}; "
                f"expected a higher limit there, or fewer places in a frame"
            )

    def _is_over(self, mid: int) -> bool:
        return mid in self._acknowledged or not self._connected

    def _fault(self, text: str) -> OutputError:
        return OutputError(f"{self._broker}: {text}")

    def _on_pre_connect(self, _: "Client", __: object) -> None:
        self._trying = True

    def _on_connect(
        self,
        client: "Client",
        _: object,
        __: "ConnectFlags",
        code: "ReasonCode",
        properties: "Properties | None",
    ) -> None:
        self._trying = False
        if code.is_failure:
            self._lose(f"refused: {code}; {_remedy(str(code))}")
            return
        # Not acknowledged, or a connection that comes and goes would gather them without end.
        for message in self._greetings():
            client.publish(message.topic, message.payload, 0, message.retain)
        with self._changed:
            self._largest = getattr(properties, "MaximumPacketSize", None)
            self._connected = self._answered = True
            self._changed.notify_all()

    def _greetings(self) -> list[Message]:
        """Return what is to stand at a broker that may have forgotten everything."""
        found = [Message(self._availability, ONLINE.encode(), retain=True)]
        if self._discovery is not None:
            found += [
                Message(topic, json.dumps(table).encode(), retain=True)
                for topic, table in self._discovery.messages()
            ]
        return [*found, self._greeted_with] if self._greeted_with else found

    def _on_connect_fail(self, _: "Client", __: object) -> None:
        # Called where the error is caught; it is not handed over.
        error = sys.exception()
        assert isinstance(error, Exception)  # noqa: S101 - for the type checker
        self._lose(reason(error))

    def _on_disconnect(
        self, _: "Client", __: object, ___: "DisconnectFlags", code: "ReasonCode", ____: object
    ) -> None:
        # Called more than once for some losses, and after a refusal: the first one says most.
        if self._connected:
            self._lose(f"connection lost: {code}; is the broker running?")
        elif self._trying:
            self._lose(f"connected, but no answer: {code}; is it a broker, and is tls right?")
        self._trying = False

    def _lose(self, why: str) -> None:
        with self._changed:
            self._connected, self._answered, self._why = False, True, why
            self._changed.notify_all()

    def _on_publish(
        self, _: "Client", __: object, mid: int, code: "ReasonCode", ___: object
    ) -> None:
        with self._changed:
            self._acknowledged[mid] = code
            self._changed.notify_all()


def _remedy(code: str) -> str:
    if "protocol version" in code:
        return f"expected version = '{Version.V3}'"
    return "are user and password right?"


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    host: str,
    topic: str = "edgecls/{station}/verdicts",
    availability: str = "edgecls/{station}/availability",
    state: str = "",
    discovery: str = "",
    station: str = "",
    port: int = 0,
    user: str = "",
    password: str = "",
    tls: bool = False,
    ca: Path | None = None,
    client_id: str = "",
    version: Version = Version.V5,
) -> MqttOutput:
    """Connect to a broker.

    Args:
        host: Name or address of the broker.
        topic: Where verdicts go; ``{station}``, ``{camera}`` and ``{counts_as}`` are filled in.
        availability: Retained topic that holds ``online`` or ``offline``.
        state: Retained topic that holds the latest verdict and the counters; empty is none, or
            ``edgecls/{station}/state`` with ``discovery``.
        discovery: Prefix below which Home Assistant looks for devices: ``homeassistant``; empty
            tells it nothing.
        station: What stands for ``{station}``; empty is the name of this machine.
        port: 0 is 1883, and 8883 with TLS.
        user: Empty is none.
        password: Of the user; never shown.
        tls: Encrypt, and check the broker's certificate.
        ca: PEM file of who signed it; implies ``tls``. None is who this machine trusts.
        client_id: As the broker shall know us; two of one id throw each other out. Empty is a
            random one.
        version: Of the protocol. Only from ``5`` on do brokers say that they drop a message.

    """
    if discovery and not home_assistant.PREFIX.fullmatch(discovery):
        raise ConfigError(f"outputs.discovery: {discovery!r}; expected such as 'homeassistant'")
    state = state or ("edgecls/{station}/state" if discovery else "")
    topics = Topics(station or socket.gethostname(), topic, availability, state)
    device = (
        Discovery(
            discovery, topics.station, topics.of_station(availability), topics.of_station(state)
        )
        if discovery
        else None
    )
    # One for as long as we live: who comes back under another finds its old self, whose will says
    # offline when the broker misses it.
    client_id = client_id or f"edgecls-{secrets.token_hex(6)}"
    broker = Broker(TELLS, host, port, user, password, tls, ca, client_id, version=version)
    output = MqttOutput(broker, topics, device)
    output.start()
    return output


def probed() -> Probed:
    """Say whether the package is here; no broker is asked."""
    found = packages.installed("paho-mqtt")
    if found is None:
        return Probed("mqtt", ready=False, what=str(MissingExtra("paho-mqtt", "mqtt")))
    return Probed("mqtt", ready=True, what="no broker asked", package=str(found))
