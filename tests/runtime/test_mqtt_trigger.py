"""Parts by MQTT, against mosquitto: passwords, certificates, duplicates, and a broker that dies."""

import gc
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgecls.errors import TriggerError
from edgecls_runtime import triggers
from edgecls_runtime.announcing.announcements import Signal
from edgecls_runtime.triggers.mqtt import MqttTrigger, Subscription
from servers import MjpegServer, card
from trigger_sources import PASSWORD, WAIT_S, Broker, closed_port, missing, until

pytestmark = pytest.mark.skipif(
    bool(missing("paho", "mosquitto", "openssl")), reason=missing("paho", "mosquitto", "openssl")
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Return a broker that stays alive."""
    running = Broker(tmp_path_factory.mktemp("broker"))
    yield running
    running.kill()


@contextmanager
def listening(broker: Broker, **keys: object) -> Iterator[MqttTrigger]:
    table = {"kind": "mqtt", "topic": "line/1/part", **broker.table, **keys}
    trigger = triggers.open_table(table)
    assert isinstance(trigger, MqttTrigger)
    with closing(trigger):
        yield trigger


def parts(trigger: MqttTrigger, count: int) -> list[str | None]:
    found: list[Signal | None] = [trigger.wait(WAIT_S) for _ in range(count)]
    return [signal.part if signal else "no part" for signal in found]


def refusal(broker: Broker, **keys: object) -> str:
    with pytest.raises(TriggerError) as raised, listening(broker, **keys):
        pass
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


def test_a_message_that_the_broker_kept_announces_no_part(broker: Broker) -> None:
    broker.publish("old", topic="line/7/part", retain=True)
    with listening(broker, topic="line/+/part") as trigger:
        until(lambda: trigger.heard.ignored == 1)
        broker.publish("new", topic="line/7/part")

        assert parts(trigger, 1) == ["new"]
        assert trigger.heard.announced == 1


def test_a_message_that_comes_twice_is_one_part_and_counted(broker: Broker) -> None:
    with listening(broker) as trigger:
        for part in ("bolt 1", "bolt 1", "bolt 2", ""):
            broker.publish(part)

        assert parts(trigger, 3) == ["bolt 1", "bolt 2", "3"]
        assert (trigger.heard.announced, trigger.heard.ignored) == (3, 1)


def test_a_part_that_comes_again_later_is_a_part_again(broker: Broker) -> None:
    with listening(broker, repeat_ms=0) as trigger:
        for _ in range(2):
            broker.publish("bolt 1")

        assert parts(trigger, 2) == ["bolt 1", "bolt 1"]


def test_the_id_may_be_a_field_of_a_json_message(broker: Broker) -> None:
    with listening(broker, part_field="serial") as trigger:
        for payload in ('{"serial": "bolt 1", "n": 1}', '{"serial": 7}', '{"n": 2}', "[]", "\x00"):
            broker.publish(payload)

        assert parts(trigger, 5) == ["bolt 1", "7", "3", "4", "5"]


def test_a_strange_payload_is_a_part_with_an_id_that_can_be_printed(broker: Broker) -> None:
    with listening(broker) as trigger:
        for payload in (b"caf\xe9\x07", b"x" * 100_000):
            broker.publish(payload)
        first, second = parts(trigger, 2)

        assert first == "caf\\xe9\\x07"
        assert second is not None
        assert len(second) == 200


def test_a_message_may_say_when_its_part_was_seen(broker: Broker) -> None:
    keys = {"part_field": "id", "time_field": "at", "client_id": "station"}
    with listening(broker, **keys) as trigger:
        broker.publish(json.dumps({"id": "bolt 1", "at": time.time() - 30}))
        found = trigger.wait(WAIT_S)

    assert found is not None
    assert 29 < time.monotonic() - found.at < 40


@pytest.mark.parametrize(
    "seen", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 400, '"now"', "true", "null"]
)
def test_a_time_that_is_none_is_now_or_long_ago_and_never_to_come(seen: str) -> None:
    subscription = Subscription("l", time_field="at", part_field="id")

    part, at = subscription.part(f'{{"id": "bolt", "at": {seen}}}'.encode())

    assert part == "bolt"
    assert at <= time.monotonic()


def test_what_the_broker_kept_while_we_were_away_is_announced_with_its_own_time(
    broker: Broker,
) -> None:
    keys = {"part_field": "id", "time_field": "at", "client_id": "kept"}
    with listening(broker, **keys):
        pass
    broker.publish(json.dumps({"id": "bolt 1", "at": time.time() - 5}))

    with listening(broker, **keys) as trigger:
        found = trigger.wait(WAIT_S)

    assert found is not None
    assert found.part == "bolt 1"
    assert time.monotonic() - found.at >= 5


def test_without_times_what_was_sent_while_we_were_away_announces_nothing(broker: Broker) -> None:
    with listening(broker, client_id="now"):
        pass
    broker.publish("gone")

    with listening(broker, client_id="now") as trigger:
        assert trigger.wait(0.3) is None


def test_a_wrong_password_is_said(broker: Broker) -> None:
    assert refusal(broker, password="wrong") == (  # noqa: S106 - of these tests
        f"mqtt trigger 127.0.0.1:{broker.port}: refused: Not authorized; "
        f"are user and password right?"
    )


def test_a_topic_that_we_may_not_read_is_said() -> None:
    """mosquitto's file of rights lets everybody subscribe; others answer 0x80 (MQTT 3.1.1, 3.9)."""

    def answer() -> None:
        client, _ = server.accept()
        with client:
            client.recv(1000)
            client.sendall(bytes([0x20, 2, 0, 0]))  # CONNACK: accepted
            subscribe = client.recv(1000)
            client.sendall(bytes([0x90, 3, *subscribe[2:4], 0x80]))  # SUBACK: failure
            client.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        strict = threading.Thread(target=answer)
        strict.start()
        with pytest.raises(TriggerError) as raised:
            triggers.open_table({"kind": "mqtt", "host": "127.0.0.1", "port": port, "topic": "l"})
        strict.join()

    assert str(raised.value) == (
        f"mqtt trigger 127.0.0.1:{port}: topic l: not allowed; expected the right to read it"
    )


@pytest.mark.filterwarnings(
    # paho leaves the socket of a failed handshake to the garbage collector.
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_whose_certificate_nobody_we_trust_has_signed_is_said(broker: Broker) -> None:
    message = refusal(broker, ca=None, tls=True)

    gc.collect()
    assert message.startswith(f"mqtt trigger 127.0.0.1:{broker.port}: its certificate is refused: ")
    assert message.endswith("; expected one that ca signed")


def test_a_broker_that_wants_tls_and_gets_none_is_said(broker: Broker) -> None:
    assert refusal(broker, ca=None) == (
        f"mqtt trigger 127.0.0.1:{broker.port}: it closed the connection at once: "
        f"Unspecified error; is tls right?"
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file or directory"), ("no certificate", "no certificate in it")],
    ids=["missing", "text"],
)
def test_a_file_that_is_no_certificate_is_said(
    broker: Broker, tmp_path: Path, content: str | None, found: str
) -> None:
    ca = tmp_path / "ca.crt"
    if content is not None:
        ca.write_text(content, encoding="ascii")

    assert refusal(broker, ca=str(ca)) == (
        f"mqtt trigger 127.0.0.1:{broker.port}: ca {ca}: {found}; "
        f"expected a PEM file of certificates"
    )


def test_a_broker_that_is_not_there_is_said() -> None:
    port = closed_port()
    with pytest.raises(TriggerError) as raised:
        triggers.open_table({"kind": "mqtt", "host": "127.0.0.1", "port": port, "topic": "l"})

    assert str(raised.value) == (
        f"mqtt trigger 127.0.0.1:{port}: Connection refused; "
        f"is the broker running, and are host, port and tls right?"
    )


def test_a_server_that_is_no_broker_is_said() -> None:
    with MjpegServer(card(0, 0, 0)) as server, pytest.raises(TriggerError) as raised:
        table = {"kind": "mqtt", "host": "127.0.0.1", "port": server.port, "topic": "l"}
        triggers.open_table(table)

    assert str(raised.value).startswith(f"mqtt trigger 127.0.0.1:{server.port}: ")
    assert "\n" not in str(raised.value)


def test_a_broker_killed_in_mid_stream_costs_no_part_that_is_sent_again(tmp_path: Path) -> None:
    """A publisher of QoS 1 repeats what was not confirmed: each part comes, and none twice."""
    broker = Broker(tmp_path, tls=False)
    client = broker.client()
    # The publisher comes back after us: what it repeats before we listen nobody hears.
    client.reconnect_delay_set(6, 6)
    try:
        with listening(broker) as trigger:
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            for number in range(100):
                client.publish("line/1/part", f"bolt {number}", 1)
                time.sleep(0.005)
                if number == 50:
                    broker.kill()
                    broker.start()
            found: list[str | None] = []
            lost = 0
            while len(found) < 100:
                try:
                    signal_ = trigger.wait(WAIT_S)
                except TriggerError:
                    lost += 1
                    time.sleep(0.1)
                    continue
                assert signal_ is not None, f"{len(found)} of 100"
                found.append(signal_.part)
            assert trigger.wait(0.3) is None
            assert lost
            assert trigger.heard.announced == 100
        assert sorted(map(str, found)) == sorted(f"bolt {number}" for number in range(100))
    finally:
        client.disconnect()
        client.loop_stop()
        broker.kill()


@pytest.mark.slow
def test_a_broker_that_freezes_is_lost_within_seconds_and_back_when_it_goes_on(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path, tls=False)
    try:
        with listening(broker) as trigger:
            broker.process.send_signal(signal.SIGSTOP)
            with pytest.raises(TriggerError, match="connection lost"):
                trigger.wait(20)
            broker.process.send_signal(signal.SIGCONT)
            time.sleep(8)
            broker.publish("bolt 7")

            assert parts(trigger, 1) == ["bolt 7"]
    finally:
        broker.kill()
