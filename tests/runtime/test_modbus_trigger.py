"""Parts by Modbus, against a real server: numbers, acknowledgement, and a PLC that goes away."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from edgecls.errors import TriggerError
from edgecls_runtime import triggers
from edgecls_runtime.triggers.modbus import ModbusTrigger
from trigger_sources import (
    ACKNOWLEDGE,
    COIL,
    REGISTER,
    WAIT_S,
    Plc,
    closed_port,
    missing,
    until,
)

pytestmark = pytest.mark.skipif(bool(missing("pymodbus")), reason=missing("pymodbus"))
NUMBERED = {"part_register": REGISTER, "part_registers": 2}


@pytest.fixture
def plc() -> Iterator[Plc]:
    running = Plc()
    yield running
    running.kill()


@contextmanager
def asked(plc: Plc, **keys: object) -> Iterator[ModbusTrigger]:
    trigger = triggers.open_table({"kind": "modbus", **plc.table, **keys})
    assert isinstance(trigger, ModbusTrigger)
    with closing(trigger):
        yield trigger


def part(trigger: ModbusTrigger) -> str | None:
    signal = trigger.wait(WAIT_S)
    assert signal is not None, "no part was announced"
    return signal.part


def until_back(trigger: ModbusTrigger) -> None:
    def is_back() -> bool:
        try:
            trigger.wait(0)
        except TriggerError:
            return False
        return True

    until(is_back)


def test_a_discrete_input_announces_parts_as_a_coil_does(plc: Plc) -> None:
    with asked(plc, read="input") as trigger:
        plc.set(COIL, True)

        assert part(trigger) == "1"


def test_a_coil_that_stays_on_is_one_part(plc: Plc) -> None:
    with asked(plc) as trigger:
        plc.set(COIL, True)

        assert part(trigger) == "1"
        assert trigger.wait(0.1) is None


def test_a_coil_that_is_on_at_the_start_is_a_part_of_the_past(plc: Plc) -> None:
    plc.set(COIL, True)
    with asked(plc) as trigger:
        assert trigger.wait(0.1) is None


def test_a_coil_that_is_held_until_it_is_seen_is_a_part_also_at_the_start(plc: Plc) -> None:
    plc.number(7)
    plc.set(COIL, True)
    with asked(plc, acknowledge=ACKNOWLEDGE, **NUMBERED) as trigger:
        assert part(trigger) == "7"


def test_the_acknowledgement_follows_the_coil(plc: Plc) -> None:
    with asked(plc, acknowledge=ACKNOWLEDGE) as trigger:
        plc.set(COIL, True)
        until(lambda: plc.is_on(ACKNOWLEDGE))
        plc.set(COIL, False)
        until(lambda: not plc.is_on(ACKNOWLEDGE))

        assert trigger.heard.announced == 1


def test_an_acknowledgement_that_a_crash_left_on_is_taken_back(plc: Plc) -> None:
    plc.set(ACKNOWLEDGE, True)
    with asked(plc, acknowledge=ACKNOWLEDGE):
        until(lambda: not plc.is_on(ACKNOWLEDGE))


def test_the_coil_itself_may_be_switched_off_as_acknowledgement(plc: Plc) -> None:
    with asked(plc, acknowledge=COIL, **NUMBERED) as trigger:
        for number in (1, 2, 3):
            plc.number(number)
            plc.set(COIL, True)
            until(lambda: not plc.is_on(COIL))

        assert [part(trigger) for _ in range(3)] == ["1", "2", "3"]


def test_a_part_that_is_held_over_an_outage_is_announced_once(plc: Plc) -> None:
    with asked(plc, acknowledge=ACKNOWLEDGE, **NUMBERED) as trigger:
        plc.number(7)
        plc.set(COIL, True)
        assert part(trigger) == "7"
        plc.kill()
        with pytest.raises(TriggerError):
            trigger.wait(WAIT_S)
        plc.start()
        plc.number(7)
        plc.set(COIL, True)
        until_back(trigger)
        until(lambda: plc.is_on(ACKNOWLEDGE))

        assert trigger.wait(0.1) is None
        assert trigger.heard.announced == 1


def test_with_acknowledgement_no_part_is_lost_however_fast_they_come(plc: Plc) -> None:
    with asked(plc, acknowledge=COIL, poll_ms=1) as trigger:
        for _ in range(200):
            plc.set(COIL, True)
            until(lambda: not plc.is_on(COIL))

        assert trigger.heard.announced == 200


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"coil": 400}, "coil 400: refused with exception 2"),
        ({"part_register": 400}, "register 400: refused with exception 2"),
        ({"acknowledge": 400}, "coil 400: refused with exception 2"),
        ({"unit": 9}, "coil 3: refused with exception 4"),
    ],
    ids=["coil", "register", "acknowledge", "unit"],
)
def test_what_a_plc_does_not_have_is_said(
    plc: Plc, keys: dict[str, object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TriggerError) as raised, asked(plc, **keys):
        pass

    assert str(raised.value) == (
        f"modbus trigger 127.0.0.1:{plc.port}: {message}; "
        f"expected an address and a unit that the PLC has"
    )
    assert capfd.readouterr().err == ""


def test_a_plc_that_is_not_there_is_said_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = closed_port()
    with pytest.raises(TriggerError) as raised:
        triggers.open_table({"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 1})

    assert str(raised.value) == (
        f"modbus trigger 127.0.0.1:{port}: cannot be reached; "
        f"is the PLC on, and host and port right?"
    )
    assert capfd.readouterr().err == ""


def test_a_plc_that_says_nothing_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TriggerError) as raised:
            triggers.open_table({"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 1})

    assert str(raised.value) == (
        f"modbus trigger 127.0.0.1:{port}: no answer within 1 s; is the PLC on, and the unit right?"
    )
