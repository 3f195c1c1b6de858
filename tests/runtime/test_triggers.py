"""Triggers, specified: one page that every kind keeps; what each alone does is in its own file."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module

import pytest

from edgecls import plugins
from edgecls.errors import ConfigError, MissingExtra, TriggerError
from edgecls_runtime import triggers
from edgecls_runtime.announcing.announcements import Signal
from edgecls_runtime.protocols import Counting, Trigger
from edgecls_runtime.triggers.software import LinesTrigger, SoftwareTrigger
from trigger_sources import (
    ACKNOWLEDGE,
    PIN,
    PULSE_S,
    REGISTER,
    WAIT_S,
    Broker,
    Plc,
    bounce,
    closed_port,
    missing,
    post,
    until,
)

KNOWN = "gpio, http, interval, modbus, mqtt, software"
NEEDED = {"mqtt": ("paho", "mosquitto", "openssl"), "modbus": ("pymodbus",), "gpio": ("gpiozero",)}


@dataclass(frozen=True)
class Source:
    """A trigger as a station opens it, and the hand that announces parts.

    Attributes:
        trigger: Opened.
        announce: Announces one part, by its number.
        lose: Makes the source go away; None where there is nothing that can.
        restore: Brings it back.
        names: Whether the source knows the numbers of parts.

    """

    trigger: Trigger
    announce: Callable[[int], object]
    lose: Callable[[], object] | None = None
    restore: Callable[[], object] = lambda: None
    names: bool = True


@pytest.fixture(params=["software", "lines", "http", "mqtt", "modbus", "gpio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(kind: str, request: pytest.FixtureRequest) -> Iterator[Source]:
    if why := missing(*NEEDED.get(kind, ())):
        pytest.skip(why)
    yield from OPENED[kind](request)


def software(_: pytest.FixtureRequest) -> Iterator[Source]:
    with closing(SoftwareTrigger()) as trigger:
        yield Source(trigger, lambda number: trigger.announce(str(number)))


def lines(_: pytest.FixtureRequest) -> Iterator[Source]:
    end, mouth = os.pipe()
    with closing(LinesTrigger(end)) as trigger:
        yield Source(trigger, lambda number: os.write(mouth, b"%d\n" % number))
    os.close(mouth)
    os.close(end)


def http(_: pytest.FixtureRequest) -> Iterator[Source]:
    port = closed_port()
    with closing(triggers.open_table({"kind": "http", "port": port})) as trigger:
        yield Source(trigger, lambda number: post(port, str(number).encode()))


def mqtt(request: pytest.FixtureRequest) -> Iterator[Source]:
    broker = Broker(request.getfixturevalue("tmp_path") / "broker")
    table = {"kind": "mqtt", "topic": "line/1/part", **broker.table}
    try:
        with closing(triggers.open_table(table)) as trigger:
            announce = broker.publish
            yield Source(trigger, lambda n: announce(str(n)), broker.kill, broker.start)
    finally:
        broker.kill()


def modbus(_: pytest.FixtureRequest) -> Iterator[Source]:
    plc = Plc()
    keys = {"part_register": REGISTER, "part_registers": 2, "acknowledge": ACKNOWLEDGE}
    table = {"kind": "modbus", **keys, **plc.table}
    try:
        with closing(triggers.open_table(table)) as trigger:
            yield Source(trigger, plc.pulse, plc.kill, plc.start)
    finally:
        plc.kill()


def gpio(request: pytest.FixtureRequest) -> Iterator[Source]:
    request.getfixturevalue("made_up_pins")
    table = {"kind": "gpio", "pin": PIN, "library": "gpiozero", "debounce_ms": 5}

    def announce(_: int) -> None:
        bounce(2, first=True)
        time.sleep(PULSE_S)
        bounce(2, first=False)
        time.sleep(PULSE_S)

    with closing(triggers.open_table(table)) as trigger:
        yield Source(trigger, announce, names=False)


OPENED: dict[str, Callable[[pytest.FixtureRequest], Iterator[Source]]] = {
    "software": software,
    "lines": lines,
    "http": http,
    "mqtt": mqtt,
    "modbus": modbus,
    "gpio": gpio,
}


def heard(trigger: Trigger) -> Signal:
    """Return the next part, waiting for it."""
    signal = trigger.wait(WAIT_S)
    assert signal is not None, "no part was announced"
    return signal


def test_each_part_is_announced_once_in_its_order_under_its_own_id(source: Source) -> None:
    for number in (70_001, 2, 3):
        source.announce(number)

    found = [heard(source.trigger).part for _ in range(3)]

    # One whose source knows no ids is named by its count, so that it can be written down.
    assert found == (["70001", "2", "3"] if source.names else ["1", "2", "3"])
    assert source.trigger.wait(0.1) is None


def test_a_part_is_announced_at_the_moment_when_it_came(source: Source) -> None:
    before = time.monotonic()
    source.announce(1)
    after = time.monotonic()
    time.sleep(0.3)  # whoever asks late hears when it was

    at = heard(source.trigger).at

    assert before <= at <= after + 0.1


def test_a_part_that_was_announced_while_nobody_asked_is_not_lost(source: Source) -> None:
    source.announce(1)
    time.sleep(0.2)

    assert source.trigger.wait(WAIT_S) is not None


def test_silence_is_none_after_the_time_that_was_given(source: Source) -> None:
    before = time.monotonic()

    assert source.trigger.wait(0.1) is None
    assert 0.09 < time.monotonic() - before < 1


def test_what_was_announced_is_counted(source: Source) -> None:
    for number in range(3):
        source.announce(number)
        heard(source.trigger)

    assert isinstance(source.trigger, Counting)
    assert source.trigger.heard.announced == 3
    assert source.trigger.heard.overrun == 0


def test_closing_twice_is_allowed(source: Source) -> None:
    source.trigger.close()
    source.trigger.close()


def test_closing_ends_a_wait(source: Source) -> None:
    found: list[Signal | None] = []
    waiting = threading.Thread(target=lambda: found.append(source.trigger.wait(WAIT_S)))
    waiting.start()
    time.sleep(0.05)

    before = time.monotonic()
    source.trigger.close()
    waiting.join(WAIT_S)

    assert found == [None]
    assert time.monotonic() - before < 1.5


@pytest.mark.parametrize("kind", ["mqtt", "modbus"])
def test_a_source_that_is_gone_is_an_error_until_it_is_back(source: Source) -> None:
    assert source.lose is not None
    source.announce(1)
    heard(source.trigger)

    source.lose()
    with pytest.raises(TriggerError) as raised:
        heard(source.trigger)
    with pytest.raises(TriggerError):
        source.trigger.wait(WAIT_S)
    source.restore()
    until(lambda: is_back(source.trigger))
    source.announce(2)

    assert heard(source.trigger).part == "2"
    assert " trigger 127.0.0.1:" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["mqtt", "modbus"])
def test_a_loss_that_nobody_saw_is_told_once_when_the_source_is_back(source: Source) -> None:
    assert source.lose is not None
    source.lose()
    time.sleep(0.3)
    source.restore()
    time.sleep(5)

    with pytest.raises(TriggerError):
        source.trigger.wait(WAIT_S)
    assert source.trigger.wait(0.1) is None


def is_back(trigger: Trigger) -> bool:
    try:
        trigger.wait(0.05)
    except TriggerError:
        return False
    return True


@pytest.mark.parametrize("name", plugins.kinds("edgecls_runtime.triggers"))
def test_each_kind_says_whether_it_can_be_used_here(name: str) -> None:
    found = import_module(f"edgecls_runtime.triggers.{name}").probed()

    assert found.kind == name
    assert found.what
    assert "\n" not in found.what


def test_a_trigger_without_a_kind_is_answered_with_the_kinds() -> None:
    with pytest.raises(ConfigError) as raised:
        triggers.open_table({"every_ms": 5})

    assert str(raised.value) == f"trigger.kind: required and not given; known kinds are {KNOWN}"


WHOLE: dict[str, dict[str, object]] = {
    "mqtt": {"host": "a", "topic": "l"},
    "modbus": {"host": "a", "coil": 1},
    "gpio": {"pin": 4},
    "http": {},
}
TOPIC = "expected such as line/+/part or line/#"
ANYWHERE = "0.0.0.0"  # noqa: S104 - to be refused


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        ("mqtt", {"topic": ""}, f"topic: ''; {TOPIC}"),
        ("mqtt", {"topic": "line#"}, f"topic: 'line#'; {TOPIC}"),
        ("mqtt", {"topic": "l/#/b"}, f"topic: 'l/#/b'; {TOPIC}"),
        ("mqtt", {"topic": "l+/b"}, f"topic: 'l+/b'; {TOPIC}"),
        ("mqtt", {"qos": 3}, "qos: 3; expected 0, 1 or 2"),
        ("mqtt", {"port": 65536}, "port: 65536; expected 0 to 65535"),
        ("mqtt", {"password": "b"}, "user: required with a password"),
        (
            "mqtt",
            {"time_field": "at"},
            "client_id: required with time_field; the broker keeps by it",
        ),
        ("modbus", {"coil": -1}, "coil: -1; expected 0 to 65535"),
        ("modbus", {"unit": 256}, "unit: 256; expected 0 to 255"),
        ("modbus", {"poll_ms": 0}, "poll_ms: 0; expected 1 to 60000"),
        ("modbus", {"part_registers": 5}, "part_registers: 5; expected 1 to 4"),
        ("modbus", {"read": "wire"}, "read: expected one of coil, input, got 'wire'"),
        ("gpio", {"pin": None}, "pin: neither pin nor line; expected one of them"),
        ("gpio", {"line": "GPIO4"}, "pin: both pin and line; expected one of them"),
        ("gpio", {"debounce_ms": -1}, "debounce_ms: -1; expected 0 to 10000"),
        ("gpio", {"edge": "up"}, "edge: expected one of rising, falling, got 'up'"),
        (
            "gpio",
            {"chip": "gpiochip0", "library": "gpiozero"},
            "library: gpiozero knows pins by number; expected pin, no chip",
        ),
        ("http", {"port": 65536}, "port: 65536; expected 0 to 65535"),
        ("http", {"queue": 0}, "queue: 0; expected 1 to 1000"),
        ("http", {"token": "a b"}, "token: expected letters, digits and signs of ASCII, no blanks"),
        (
            "http",
            {"host": ANYWHERE},
            (
                f"token: required with host '{ANYWHERE}'; without one, everybody there could "
                f"announce parts; expected a token, or host = '127.0.0.1'"
            ),
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_value_that_no_trigger_takes_is_an_error_of_the_table(
    kind: str, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        triggers.open_table({"kind": kind, **WHOLE[kind], **keys})

    assert str(raised.value) == f"trigger.{message}"


@pytest.mark.parametrize(
    ("kind", "module", "message"),
    [
        ("mqtt", "paho.mqtt.client", "paho-mqtt: not installed; run: pip install 'edgecls[mqtt]'"),
        (
            "modbus",
            "pymodbus.client",
            "pymodbus: not installed; run: pip install 'edgecls[modbus]'",
        ),
        ("gpio", "gpiod", "gpiod: not installed; run: pip install 'edgecls[gpio]'"),
    ],
    ids=["mqtt", "modbus", "gpio"],
)
def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    kind: str, module: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtra) as raised:
        triggers.open_table({"kind": kind, **WHOLE[kind]})

    assert str(raised.value) == message
