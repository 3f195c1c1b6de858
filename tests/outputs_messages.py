"""MQTT, web hooks and Prometheus, for the specification of outputs: brokers, servers, scrapers."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from edgecls.verdict import Verdict
from edgecls_runtime.outputs.prometheus import PrometheusOutput
from output_kinds import Kind, Peer, Table, open_output
from trigger_sources import WAIT_S, Broker, closed_port, until
from web_receiver import WebReceiver

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

TOPIC = "edgecls/line1/verdicts"
# A broker that knows after its death who listened, and what they have not got.
REMEMBERS = ("persistence true", "autosave_interval 1", "autosave_on_changes true")


class Listener:
    """Who listens to a broker, with everything that came, also while it was away."""

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        """Connect, and stay connected."""
        self.messages: list[MQTTMessage] = []
        client = self._client = broker.client(client_id="listener")
        client.reconnect_delay_set(1, 1)
        client.on_message = lambda _, __, message: self.messages.append(message)
        heard: list[object] = []

        def subscribe(client: "Client", *_: object) -> None:
            client.subscribe(topic, 1)

        client.on_connect, client.on_subscribe = subscribe, lambda *_: heard.append(1)
        client.connect("127.0.0.1", broker.port, 5)
        client.loop_start()
        until(lambda: heard)

    def payloads(self, topic: str = TOPIC) -> list[bytes]:
        """Return what came there."""
        return [bytes(message.payload) for message in self.messages if message.topic == topic]

    def tables(self, topic: str = TOPIC) -> list[dict[str, object]]:
        """Return the JSON that came there."""
        return [json.loads(payload) for payload in self.payloads(topic)]

    def close(self) -> None:
        """Go away."""
        self._client.disconnect()
        self._client.loop_stop()


def mqtt(*, tls: bool, **keys: object) -> Callable[[pytest.FixtureRequest], Iterator[Peer]]:
    """Return what opens it against a broker."""

    def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
        folder = request.getfixturevalue("tmp_path") / "broker"
        broker = Broker(folder, tls=tls, more=(*REMEMBERS, f"persistence_location {folder}/"))
        table = {"kind": "mqtt", "station": "line1", **broker.table, **keys}
        try:
            with closing(Listener(broker)) as listener, closing(open_output(table)) as output:
                yield Peer(
                    output,
                    lambda verdict: verdict.table() in listener.tables(),
                    lose=broker.kill,
                    restore=broker.start,
                )
        finally:
            broker.kill()

    return peer


def webhook(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open it against a web server."""
    del request
    receiver = WebReceiver()

    def shows(verdict: Verdict) -> bool:
        return verdict.table() in [json.loads(one.body) for one in receiver.taken]

    with closing(open_output({"kind": "webhook", "url": receiver.url})) as output:
        yield Peer(output, shows, lose=receiver.stop, restore=receiver.start)
    receiver.stop()


def scraped(port: int, token: str = "") -> dict[str, float]:
    """Return the metrics of a station, each with its labels as they are written."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 - http
        lines = answer.read().decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def prometheus(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open it, and read what it says."""
    del request

    def shows(verdict: Verdict) -> bool:
        name = f'edgecls_verdicts_total{{camera="",counts_as="{verdict.counts_as}"}}'
        return scraped(output.port).get(name, 0) >= 1

    opened = open_output({"kind": "prometheus", "port": 0})
    assert isinstance(opened, PrometheusOutput)
    output = opened
    with closing(output):
        yield Peer(output, shows)


@contextmanager
def taken_port() -> Iterator[int]:
    """Listen at a port, so that nobody else can."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def at_a_port_that_is_taken(request: pytest.FixtureRequest) -> Table:
    """Return a table of what cannot be opened."""
    taken = taken_port()
    request.addfinalizer(lambda: taken.__exit__(None, None, None))
    return {"kind": "prometheus", "port": taken.__enter__()}


ANYWHERE = "0.0.0.0"  # noqa: S104 - to be refused
RANDOM = "expected 24 or more random ones, such as openssl rand -base64 24 makes"
ADDRESS = "not an address; expected https://HOST:PORT/PATH, with what is not ASCII written %XX"
TOPICS = "expected such as edgecls/{station}/topic, with any of {station}, {camera}, {counts_as}"
BROKER = ("paho", "mosquitto", "openssl")
MQTT_WRONG: tuple[tuple[Table, str], ...] = (
    ({"port": 65536}, "port: 65536; expected 0 to 65535"),
    ({"host": ""}, "host: ''; expected a name or an address"),
    ({"host": "a" * 64}, f"host: '{'a' * 64}'; expected a name or an address"),
    ({"password": "b"}, "user: required with a password"),
    ({"topic": "a/{part}"}, f"topic: 'a/{{part}}'; {TOPICS}"),
    ({"topic": "a/{station.x}"}, f"topic: 'a/{{station.x}}'; {TOPICS}"),
    ({"topic": "a/{"}, f"topic: 'a/{{'; {TOPICS}"),
    ({"topic": "a/#"}, f"topic: 'a/#'; {TOPICS}"),
    ({"topic": "$SYS/a"}, f"topic: '$SYS/a'; {TOPICS}"),
    ({"topic": ""}, f"topic: ''; {TOPICS}"),
    ({"topic": "a" * 65_536}, "topic: longer than 65535 bytes"),
    (
        {"availability": "a/{camera}"},
        (
            "availability: 'a/{camera}'; "
            "expected such as edgecls/{station}/availability, with any of {station}"
        ),
    ),
    ({"discovery": "a/#"}, "discovery: 'a/#'; expected such as 'homeassistant'"),
    ({"version": "4"}, "version: expected one of 3.1.1, 5, got '4'"),
)
WEBHOOK_WRONG: tuple[tuple[Table, str], ...] = (
    ({"url": "ftp://a/b"}, f"url: ftp://a/b: {ADDRESS}"),
    ({"url": "a/b"}, f"url: a/b: {ADDRESS}"),
    ({"url": "http://u:s3cret@a:x/b"}, f"url: http://***@a:x/b: {ADDRESS}"),
    ({"url": "http://a/ä"}, f"url: http://a/ä: {ADDRESS}"),
    ({"url": "http://a/b c"}, f"url: http://a/b c: {ADDRESS}"),
    ({"timeout_ms": 0}, "timeout_ms: 0; expected 10 to 60000"),
    ({"secret": "short"}, f"secret: 5 bytes; {RANDOM}"),
    ({"secret": "whsec_a"}, f"secret: no base64 behind whsec_; {RANDOM}"),
    (
        {"secret": "s", "secret_file": "f"},
        "secret: not together with secret_file; expected one of them",
    ),
    (
        {"secret_file": "/nowhere"},
        "secret_file: /nowhere: No such file or directory; expected the secret in it",
    ),
    (
        {"headers": {"Host": "b"}},
        "headers: 'Host'; expected a name that is not set by us",
    ),
    ({"headers": {"X": "a\r\nb"}}, "headers.X: expected text of printable ASCII"),
    ({"token": "a b"}, "token: expected letters, digits and signs of ASCII, no blanks"),
    (
        {"token": "a", "headers": {"authorization": "b"}},
        "token: expected one of token, a password in url, and a header Authorization",
    ),
    (
        {"url": "https://a", "ca": "/nowhere"},
        "ca: /nowhere: No such file or directory; expected a PEM file of certificates",
    ),
)
PROMETHEUS_WRONG: tuple[tuple[Table, str], ...] = (
    ({"port": -1}, "port: -1; expected 0 to 65535"),
    ({"token": "a b"}, "token: expected letters, digits and signs of ASCII, no blanks"),
    (
        {"host": ANYWHERE},
        (
            f"token: required with host '{ANYWHERE}'; without one, everybody there could "
            f"read how the line does; expected a token, or host = '127.0.0.1'"
        ),
    ),
)


def mqtt_kind(wrong: tuple[tuple[Table, str], ...] = (), **keys: object) -> Kind:
    """Return one way to reach a broker."""
    return Kind(
        {"kind": "mqtt", "host": "127.0.0.1"},
        mqtt(tls="state" not in keys, **keys),
        lambda _: {"kind": "mqtt", "host": "127.0.0.1", "port": closed_port()},
        r"mqtt output 127\.0\.0\.1:\d+: Connection refused; "
        r"is the broker running, and are host, port and tls right\?$",
        BROKER,
        ("paho.mqtt.client", "paho-mqtt: not installed; run: pip install 'edgecls[mqtt]'"),
        wrong,
    )


KINDS = {
    "mqtt": mqtt_kind(MQTT_WRONG),
    "mqtt 3.1.1 state": mqtt_kind(version="3.1.1", state="edgecls/{station}/state"),
    "webhook": Kind(
        {"kind": "webhook", "url": "http://127.0.0.1/verdicts"},
        webhook,
        lambda _: {"kind": "webhook", "url": f"http://127.0.0.1:{closed_port()}/"},
        r"webhook output 127\.0\.0\.1:\d+: Connection refused; "
        r"is it running, and is the url right\?$",
        wrong=WEBHOOK_WRONG,
    ),
    "prometheus": Kind(
        {"kind": "prometheus", "port": 9469},
        prometheus,
        at_a_port_that_is_taken,
        r"prometheus output 127\.0\.0\.1:\d+: Address already in use; "
        r"expected an address of this machine and a free port$",
        wrong=PROMETHEUS_WRONG,
    ),
}
