"""Parts announced by messages of an MQTT broker: the payload, or a field of it, is the part's id.

A part is where it is now: what a broker kept while we were away announces parts that are gone. It
is asked to keep nothing, unless messages say when their part was seen (``time_field``).
"""

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecls.errors import ConfigError, MissingExtra, TriggerError
from edgecls_runtime import packages
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.announcing.part_ids import part_id
from edgecls_runtime.messages.mqtt_broker import KEEPALIVE_S, LISTENS, LONGEST_TOPIC, Broker, reason
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

OPEN_S = 5.0
# More than a broker delivers again after an outage.
REMEMBERED = 1000
LARGEST_PAYLOAD = 65_536


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is listened to, and how a message becomes a part.

    Attributes:
        topic: May hold ``+`` and ``#``.
        qos: 0, 1 or 2.
        part_field: Key of the JSON object that holds the id; None takes the whole payload.
        time_field: Key that holds when the part was seen, Unix seconds; None is on arrival.
        repeat: Seconds within which an id that comes again is the same message.

    """

    topic: str
    qos: int = 1
    part_field: str | None = None
    time_field: str | None = None
    repeat: float = 60.0

    def part(self, payload: bytes) -> tuple[str | None, float]:
        """Return the id of the part, and the monotonic seconds when it was seen.

        A message that does not hold what was expected announces a part all the same.
        """
        now, payload = time.monotonic(), payload[:LARGEST_PAYLOAD]
        if self.part_field is None and self.time_field is None:
            return part_id(payload), now
        table = _object(payload)
        if self.part_field is None:
            part = part_id(payload)
        else:
            found = table.get(self.part_field)
            part = None if found is None else part_id(str(found))
        return part, now - _age(table.get(self.time_field) if self.time_field else None)


class MqttTrigger(Announcements):
    """Listens to a topic; reaches its broker again by itself."""

    def __init__(self, broker: Broker, subscription: Subscription) -> None:
        """Prepare; ``start`` connects."""
        super().__init__()
        self._broker, self._subscription = broker, subscription
        self._answered = threading.Event()
        self._refusal = f"{broker}: no answer within {OPEN_S:g} s; is it an MQTT broker?"
        self._latest: OrderedDict[str, float] = OrderedDict()
        client = self._client = broker.client()
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_disconnect, client.on_message = self._on_disconnect, self._on_message

    def start(self) -> None:
        """Connect, subscribe, and stay connected.

        Raises:
            TriggerError: The broker cannot be reached, or does not want us.

        """
        try:
            self._client.connect(self._broker.host, self._broker.reached_at, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise self._broker.fault(reason(error)) from error
        self._client.loop_start()
        self._answered.wait(OPEN_S)
        if self._refusal:
            self.close()
            raise TriggerError(self._refusal)

    def close(self) -> None:
        """Disconnect; closing twice is allowed."""
        super().close()
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self,
        client: "Client",
        _: object,
        __: "ConnectFlags",
        code: "ReasonCode",
        ___: "Properties | None",
    ) -> None:
        if code.is_failure:
            self._refuse(f"refused: {code}; are user and password right?")
        else:
            client.subscribe(self._subscription.topic, self._subscription.qos)

    def _on_subscribe(
        self, _: "Client", __: object, ___: int, codes: list["ReasonCode"], ____: object
    ) -> None:
        if any(code.is_failure for code in codes):
            self._refuse(
                f"topic {self._subscription.topic}: not allowed; expected the right to read it"
            )
        else:
            self._refusal = ""
            self._answered.set()
            self.back()

    def _refuse(self, why: str) -> None:
        self._refusal = f"{self._broker}: {why}"
        self._answered.set()
        self.lose(self._refusal)

    def _on_disconnect(
        self, _: "Client", __: object, ___: "DisconnectFlags", code: "ReasonCode", ____: object
    ) -> None:
        # A refusal says more than that the connection is closed after it.
        if not self._answered.is_set():
            self._refuse(f"it closed the connection at once: {code}; is tls right?")
        elif not self._refusal:
            self.lose(f"{self._broker}: connection lost: {code}; is the broker running?")

    def _on_message(self, _: "Client", __: object, message: "MQTTMessage") -> None:
        if message.retain:  # kept from earlier: its part is gone
            self.ignore()
            return
        part, at = self._subscription.part(bytes(message.payload))
        if message.qos == 1 and part is not None and self._is_again(part):
            self.ignore()
        else:
            self.put(part, at)

    def _is_again(self, part: str) -> bool:
        """Return whether it was delivered before: at least once may be twice, after an outage."""
        now = time.monotonic()
        before = self._latest.pop(part, None)
        self._latest[part] = now
        if len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)
        return before is not None and now - before < self._subscription.repeat


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    host: str,
    topic: str,
    port: int = 0,
    user: str = "",
    password: str = "",
    tls: bool = False,
    ca: Path | None = None,
    qos: int = 1,
    client_id: str = "",
    part_field: str | None = None,
    time_field: str | None = None,
    repeat_ms: float = 60_000.0,
) -> MqttTrigger:
    """Listen to a topic of a broker.

    Args:
        host: Name or address of the broker.
        topic: What is listened to; ``+`` and ``#`` stand for levels.
        port: 0 is 1883, and 8883 with TLS.
        user: Empty is none.
        password: Of the user; never shown.
        tls: Encrypt, and check the broker's certificate.
        ca: PEM file of who signed it; implies ``tls``. None is who this machine trusts.
        qos: 0 (at most once), 1 (at least once) or 2 (exactly once).
        client_id: As the broker shall know us; two of one id throw each other out. Empty is a
            random one.
        part_field: Key of a JSON payload that holds the part's id; None takes the whole payload.
        time_field: Key of a JSON payload with the Unix seconds when the part was seen; then the
            broker keeps messages while we are away (needs ``client_id``). None is on arrival.
        repeat_ms: The same id within so long is the same message again (QoS 1 only).

    """
    _check(topic, qos, repeat_ms)
    keeps = time_field is not None
    if keeps and not client_id:
        raise ConfigError("trigger.client_id: required with time_field; the broker keeps by it")
    broker = Broker(LISTENS, host, port, user, password, tls, ca, client_id, keeps)
    trigger = MqttTrigger(
        broker, Subscription(topic, qos, part_field, time_field, repeat_ms / 1000)
    )
    trigger.start()
    return trigger


def probed() -> Probed:
    """Say whether the package is here; no broker is asked."""
    found = packages.installed("paho-mqtt")
    if found is None:
        return Probed("mqtt", ready=False, what=str(MissingExtra("paho-mqtt", "mqtt")))
    return Probed("mqtt", ready=True, what="no broker asked", package=str(found))


def _check(topic: str, qos: int, repeat_ms: float) -> None:
    """Refuse what no broker takes.

    Source:
        MQTT 3.1.1, 4.7.1: ``#`` alone in the last level, ``+`` alone in any.
    """
    *levels, last = topic.split("/")
    wild = any("#" in level or ("+" in level and level != "+") for level in levels)
    if not topic or wild or (len(last) > 1 and set(last) & {"#", "+"}):
        raise ConfigError(f"trigger.topic: {topic!r}; expected such as line/+/part or line/#")
    if len(topic.encode()) > LONGEST_TOPIC:
        raise ConfigError(f"trigger.topic: longer than {LONGEST_TOPIC} bytes")
    if qos not in (0, 1, 2):
        raise ConfigError(f"trigger.qos: {qos}; expected 0, 1 or 2")
    if not 0 <= repeat_ms <= 86_400_000:
        raise ConfigError(f"trigger.repeat_ms: {repeat_ms:g}; expected 0 to a day")


def _object(payload: bytes) -> dict[str, object]:
    """Return the JSON object that a payload holds; an empty one where it holds none."""
    try:
        table = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _age(seen: object) -> float:
    """Return how many seconds ago a Unix time was; what is none, or to come, is now."""
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        return 0.0
    try:
        return max(time.time() - seen, 0.0) if seen == seen else 0.0  # noqa: PLR0124 - NaN
    except OverflowError:
        return 0.0
