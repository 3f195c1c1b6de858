"""Verdicts written into a PLC: what stands where, handshakes, and a PLC that goes away."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from edgecls.errors import OutputError
from edgecls.verdict import Look, Outcome, Outline, Verdict
from edgecls_runtime.outputs.modbus import ModbusOutput
from output_kinds import Table, open_output, verdict
from outputs_field import BLOCK, ROOM, table_of
from trigger_sources import WAIT_S, Plc, missing, until

pytestmark = pytest.mark.skipif(bool(missing("pymodbus")), reason=missing("pymodbus"))
OUTLINE: Outline = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
SEEN, SEEN_COIL, BEAT = 10, 11, 12


@pytest.fixture
def plc() -> Iterator[Plc]:
    running = Plc()
    yield running
    running.thaw()
    running.kill()


@contextmanager
def told(plc: Plc, **keys: object) -> Iterator[ModbusOutput]:
    output = open_output({**table_of(plc), **keys})
    assert isinstance(output, ModbusOutput)
    with closing(output):
        yield output


@contextmanager
def program(step: Callable[[], object]) -> Iterator[None]:
    """Run a PLC's program, again and again."""
    done = threading.Event()

    def cycle() -> None:
        while not done.wait(0.002):
            step()

    thread = threading.Thread(target=cycle)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def full() -> Verdict:
    """Return a verdict with something to say in each register."""
    looks = tuple(
        Look(f"cavity {number}", OUTLINE, outcome, "ok", 0.9)
        for number, outcome in enumerate([Outcome.PASS, Outcome.FAIL, *[Outcome.PASS] * 15])
    )
    found = replace(
        verdict("fail", "bolt 7", "scratch"),
        looks=(*looks, Look("cavity 17", OUTLINE, Outcome.REVIEW, "ok", 0.5)),
        id="0123456789abcdef-70001",
    )
    at = found.decided_at
    return replace(found, captured_at=at - 0.0124, announced_at=at - 0.135)


def test_each_register_holds_what_the_documentation_says(plc: Plc) -> None:
    with told(plc) as output:
        output.send(full())

        block = plc.registers(BLOCK, 16 + ROOM)

    seconds = 1_767_323_045  # 2026-01-02T03:04:05.678Z
    assert block[:16] == [
        *(1, 2, 0, 1, 9800, 12, 135),  # sequence, FAIL, judged, label, score, latency, waited
        *(seconds >> 16, seconds & 0xFFFF, 678),
        *(1, 4465),  # 70001
        *(18, 2, 2),  # places; bits 1 and 17
        6,
    ]
    assert b"".join(word.to_bytes(2, "big") for word in block[16:]) == b"bolt 7" + b"\0" * 10


def test_what_is_not_known_is_65535(plc: Plc) -> None:
    unknown = replace(verdict("missed"), captured_at=None, id="", recorded_at="", prediction=None)
    with told(plc) as output:
        before = int(time.time())
        output.send(unknown)

        block = plc.registers(BLOCK, 16)

    assert block[1:7] == [3, 1, 0, 65_535, 65_535, 65_535]
    assert before <= block[7] << 16 | block[8] <= before + WAIT_S  # the time is that of telling
    assert block[10:15] == [0] * 5


def test_times_above_a_minute_are_65534(plc: Plc) -> None:
    slow = verdict("pass")
    with told(plc) as output:
        output.send(replace(slow, captured_at=slow.decided_at - 100))

        assert plc.registers(BLOCK + 5) == [65_534]


@pytest.mark.parametrize(
    ("labels", "code"), [([], 1), (["scratch", "dent", "ok"], 3), (["scratch"], 0)]
)
def test_a_label_has_the_code_of_its_place_in_the_list(
    plc: Plc, labels: list[str], code: int
) -> None:
    with told(plc, labels=labels) as output:
        output.send(verdict("pass", label="ok"))

        assert plc.registers(BLOCK + 3) == [code]


def test_the_sequence_counts_verdicts_and_skips_0(plc: Plc) -> None:
    plc.write(BLOCK, 65_534)
    seen = []
    with told(plc) as output:
        for part in "123":
            output.send(verdict("pass", part))
            seen += plc.registers(BLOCK)

    assert seen == [65_535, 1, 2]


def test_a_station_that_starts_again_goes_on_counting(plc: Plc) -> None:
    for part, sequence in (("1", 1), ("2", 2)):
        with told(plc) as output:
            output.send(verdict("pass", part))

            assert plc.registers(BLOCK) == [sequence]


def test_the_same_verdict_once_more_is_no_change(plc: Plc) -> None:
    one = verdict("pass")
    with told(plc) as output:
        output.send(one)
        output.send(one)

        assert plc.registers(BLOCK) == [1]


def test_the_block_is_whole_whenever_its_sequence_changes(plc: Plc) -> None:
    seen: list[tuple[int, int, int]] = []

    def read() -> None:
        sequence, outcome, cause = plc.registers(BLOCK, 3)
        if sequence and (not seen or seen[-1][0] != sequence):
            seen.append((sequence, outcome, cause))

    kinds = ["pass", "fail", "missed"] * 100
    with told(plc) as output, program(read):
        for number, kind in enumerate(kinds, 1):
            output.send(verdict(kind, str(number)))
            until(partial(lambda last: seen and seen[-1][0] == last, number))

    codes = {"pass": (1, 0), "fail": (2, 0), "missed": (3, 1)}
    assert [found[1:] for found in seen] == [codes[kind] for kind in kinds]


def test_with_a_register_of_acknowledgement_it_waits_until_the_plc_has_the_block(plc: Plc) -> None:
    with told(plc, acknowledge_register=SEEN, acknowledge_ms=10_000) as output:
        with program(lambda: plc.write(SEEN, plc.registers(BLOCK)[0])):
            for number in range(20):
                output.send(verdict("pass", str(number)))

        assert plc.registers(SEEN) == [20]


def test_with_a_coil_of_acknowledgement_it_waits_until_it_is_on(plc: Plc) -> None:
    seen: list[int] = []

    def step() -> None:
        sequence = plc.registers(BLOCK)[0]
        if sequence and sequence not in seen:
            seen.append(sequence)
            plc.set(SEEN_COIL, True)

    with told(plc, acknowledge_coil=SEEN_COIL, acknowledge_ms=10_000) as output, program(step):
        for number in range(20):
            output.send(verdict("pass", str(number)))

    assert seen == [*range(1, 21)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"acknowledge_register": SEEN}, "1 in register 10"),
        ({"acknowledge_coil": SEEN_COIL}, "coil 11 to be on"),
    ],
)
def test_a_plc_that_does_not_acknowledge_is_said(plc: Plc, keys: Table, expected: str) -> None:
    with told(plc, acknowledge_ms=50, **keys) as output, pytest.raises(OutputError) as raised:
        output.send(verdict("pass"))

    assert str(raised.value) == (
        f"modbus output 127.0.0.1:{plc.port}: not acknowledged within 0.05 s; "
        f"expected {expected}; does the PLC's program run?"
    )


def test_what_was_acknowledged_late_needs_no_second_look(plc: Plc) -> None:
    one = verdict("pass")
    with told(plc, acknowledge_coil=SEEN_COIL, acknowledge_ms=50) as output:
        with pytest.raises(OutputError, match="not acknowledged"):
            output.send(one)
        plc.set(SEEN_COIL, True)

        output.send(one)

        assert plc.registers(BLOCK) == [1]


def test_the_heartbeat_goes_on_only_while_the_station_lives(plc: Plc) -> None:
    with told(plc, heartbeat_register=BEAT, heartbeat_ms=5) as output:
        for count in (1, 2, 3):
            output.beat()
            until(partial(lambda wanted: plc.registers(BEAT) == [wanted], count))
        time.sleep(0.1)  # nothing may happen in it

        assert plc.registers(BEAT) == [3]


def test_the_ready_state_comes_back_with_the_plc(plc: Plc) -> None:
    with told(plc) as output:
        assert plc.is_on(23)
        plc.kill()
        with pytest.raises(OutputError):
            output.send(verdict("pass", "1"))
        plc.start()
        assert not plc.is_on(23)

        until(lambda: sent(output, verdict("pass", "2")))

        assert plc.is_on(23)
        assert plc.registers(30) == [1]


def sent(output: ModbusOutput, one: Verdict) -> bool:
    try:
        output.send(one)
    except OutputError:
        return False
    return True


def test_a_plc_that_freezes_costs_a_second_and_then_nothing_until_it_is_asked_again(
    plc: Plc,
) -> None:
    with told(plc) as output:
        plc.freeze()
        with pytest.raises(OutputError) as raised:
            output.send(verdict("pass", "1"))
        before = time.monotonic()
        faults = 0
        while time.monotonic() < before + 0.3:
            with pytest.raises(OutputError):
                output.send(verdict("pass", "2"))
            faults += 1

        assert faults > 20
        assert str(raised.value) == (
            f"modbus output 127.0.0.1:{plc.port}: no answer within 1 s; "
            f"is the PLC on, and the unit right?"
        )
        plc.thaw()
        until(lambda: sent(output, verdict("fail", "3")))
        assert plc.registers(BLOCK + 1) == [2]


def test_a_late_answer_is_not_taken_for_the_next(plc: Plc) -> None:
    with told(plc, acknowledge_register=SEEN, acknowledge_ms=50) as output:
        plc.freeze()
        with pytest.raises(OutputError, match="no answer within 1 s"):
            output.send(verdict("pass", "1"))
        plc.thaw()
        with program(lambda: plc.write(SEEN, plc.registers(BLOCK)[0])):
            until(lambda: sent(output, verdict("fail", "2")))

        assert plc.registers(BLOCK, 2) == [2, 2]


def test_a_plc_without_such_registers_is_said_at_the_start(plc: Plc) -> None:
    with pytest.raises(OutputError) as raised, told(plc, address=500):
        pass

    assert str(raised.value) == (
        f"modbus output 127.0.0.1:{plc.port}: register 500: refused with exception 2; "
        f"expected an address and a unit that the PLC has"
    )


def test_a_plc_that_says_nothing_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        table: Table = {"kind": "modbus", "host": "127.0.0.1", "port": port, "address": 0}
        with pytest.raises(OutputError) as raised, closing(open_output(table)) as output:
            output.send(verdict("pass"))

    assert str(raised.value) == (
        f"modbus output 127.0.0.1:{port}: no answer within 1 s; is the PLC on, and the unit right?"
    )


def test_a_plc_that_is_switched_on_later_goes_on_where_it_was(plc: Plc) -> None:
    plc.kill()
    with told(plc, heartbeat_register=BEAT, heartbeat_ms=5) as output:
        assert not sent(output, verdict("pass", "1"))
        plc.start()
        plc.write(BLOCK, 70)
        until(lambda: sent(output, verdict("fail", "2")))
        output.beat()
        until(lambda: plc.registers(BEAT) != [0])

        assert plc.registers(BLOCK, 2) == [71, 2]
        assert plc.is_on(23)


def test_it_is_made_safe_while_it_waits_for_an_acknowledgement(plc: Plc) -> None:
    with told(plc, acknowledge_register=SEEN, acknowledge_ms=5_000) as output:
        thread = threading.Thread(target=sent, args=(output, verdict("pass")))
        thread.start()
        until(lambda: plc.is_on(20))

        output.make_safe("the camera is lost")

        assert not plc.is_on(20)
        plc.write(SEEN, 1)
        thread.join()
