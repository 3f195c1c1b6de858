"""A gate that throws out: the right part, at its time, never a neighbour."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls.errors import ConfigError, OutputError, OutputRefused
from edgecls.verdict import Verdict
from edgecls_runtime.pins.parts_in_flight import Tally
from edgecls_runtime.pins.reject_gate import RejectOutput
from edgecls_runtime.telling_outputs import telling
from output_kinds import open_output, verdict
from outputs_pins import ENCODED, GATE, GATE_PIN, is_high, level_at, levels, turn_encoder
from trigger_sources import until

pytestmark = pytest.mark.usefixtures("made_up_pins")
PULSE_S = 0.1


@contextmanager
def gate(delay_s: float, **keys: object) -> Iterator[RejectOutput]:
    """Open a gate by the clock that holds still until the first part is there."""
    table = {**GATE, "safe_state": "off", "pulse_ms": 1000 * PULSE_S, **keys}
    with closing(open_output({**table, "delay_ms": 1000 * delay_s})) as output:
        assert isinstance(output, RejectOutput)
        yield output


@contextmanager
def encoder_gate(counts: int, **keys: object) -> Iterator[RejectOutput]:
    """Open a gate by an encoder that holds still until the first part is there."""
    with closing(
        open_output({**ENCODED, "safe_state": "off", "delay_counts": counts, **keys})
    ) as output:
        assert isinstance(output, RejectOutput)
        yield output


def seen(counts_as: str, part: str, at: float | None) -> Verdict:
    """Return the verdict of a part that was announced at a moment."""
    return replace(verdict(counts_as, part), announced_at=at)


def openings() -> list[float]:
    """Return when the gate has opened."""
    return [since for since, level in levels(GATE_PIN)[1:] if level]


def test_only_the_parts_that_are_not_good_open_the_gate_and_each_when_it_is_there() -> None:
    now = time.monotonic()
    moments = [now + 0.3 * number for number in range(6)]
    outcomes = ("pass", "fail", "pass", "review", "pass", "missed")
    with gate(1.0) as output:
        for number, at in enumerate(moments):
            output.expect(str(number), at)
        for number in (3, 1, 0, 5, 2, 4):  # in whatever order
            output.send(seen(outcomes[number], str(number), moments[number]))
        until(lambda: output.tally.arrived == 6 and not is_high(GATE_PIN))

        late = [a - (b + 1.0) for a, b in zip(openings(), moments[1::2], strict=True)]
        assert min(late) >= 0, "never before the part"
        assert max(late) < 0.15, "a neighbour is 0.3 s away"
        assert output.tally == Tally(arrived=6, rejected=3)


def test_the_gate_opens_at_the_moment() -> None:
    # A pulse every 20 ms; how late each is on this machine, with whatever else runs on it.
    number, every = 100, 0.02
    first = time.monotonic() + 0.5
    moments = [first + every * n for n in range(number)]
    with gate(0.5, pulse_ms=1) as output:
        for n, at in enumerate(moments):
            output.expect(str(n), at)
            output.send(seen("fail", str(n), at))
        until(lambda: output.tally.arrived == number)
        until(lambda: not is_high(GATE_PIN))

    opened = openings()
    late = [min((one for one in opened if one >= at + 0.5), default=0) - at - 0.5 for at in moments]
    assert min(late) >= 0
    assert statistics.median(late) < 0.02
    assert output.slowest < 1


def test_a_part_whose_verdict_is_late_is_rejected_and_its_verdict_refused() -> None:
    with gate(0.2) as output:
        at = time.monotonic()
        output.expect("7", at)
        until(lambda: output.tally.arrived == 1)
        with pytest.raises(OutputRefused) as raised:
            output.send(seen("pass", "7", at))

        assert str(raised.value).startswith("reject output: part 7: at the gate ")
        assert str(raised.value).endswith(
            " ms before its verdict (pass), it was rejected; expected the verdict first; "
            "move the gate further away, or judge faster"
        )
        assert output.tally == Tally(arrived=1, rejected=1, late=1)


def test_a_late_part_opens_the_gate_once_the_line_is_known() -> None:
    with gate(0.3) as output:
        at = time.monotonic()
        output.expect("1", at)
        output.send(seen("pass", "1", at))
        output.expect("2", at + 0.3)
        until(lambda: output.tally.arrived == 2)
        until(openings)

        assert openings()[0] >= at + 0.6


def test_a_part_that_was_past_the_gate_before_anybody_knew_of_it_opens_nothing() -> None:
    with gate(0.1) as output:
        with pytest.raises(OutputRefused, match="^reject output: part 7: at the gate .* ms before"):
            output.send(replace(verdict("fail", "7"), captured_at=time.monotonic() - 1))
        time.sleep(0.1)

        assert openings() == []
        assert output.tally == Tally(unseen=1)


def test_pulses_that_overlap_are_one() -> None:
    with gate(0.3, pulse_ms=300) as output:
        at = time.monotonic()
        for number in range(4):
            output.expect(str(number), at + 0.05 * number)
            output.send(seen("fail", str(number), at))
        until(lambda: output.tally.arrived == 4 and not is_high(GATE_PIN))

        assert len(openings()) == 1
        assert levels(GATE_PIN)[-1][0] - openings()[0] >= 0.3 + 0.15 - 0.05


def test_a_good_part_in_the_pulse_of_another_goes_with_it_and_is_counted() -> None:
    with gate(0.3, pulse_ms=2000) as output:
        at = time.monotonic()
        for number, counts_as in enumerate(("fail", "pass")):
            output.expect(str(number), at + 0.05 * number)
            output.send(seen(counts_as, str(number), at))
        until(lambda: output.tally.arrived == 2)

        assert output.tally == Tally(arrived=2, rejected=1, taken_along=1)


def test_only_what_is_named_is_rejected() -> None:
    with gate(0.2, reject=["fail"], pulse_ms=20) as output:
        at = time.monotonic()
        for number, counts_as in enumerate(("review", "fail", "error")):
            output.expect(str(number), at + 0.2 * number)
            output.send(seen(counts_as, str(number), at))
        until(lambda: output.tally.arrived == 3)

        assert output.tally.rejected == 1


def test_everything_is_rejected_until_the_first_part_that_was_judged_is_there() -> None:
    with gate(0.5, safe_state="reject") as output:
        assert is_high(GATE_PIN)
        at = time.monotonic()
        output.expect("1", at)
        output.send(seen("pass", "1", at))
        assert is_high(GATE_PIN), "what is before it was never looked at"
        until(lambda: not is_high(GATE_PIN))

        assert levels(GATE_PIN)[-1][0] >= at + 0.5


@pytest.mark.parametrize("cause", ["made safe", "an incident", "an error without a part"])
def test_after_a_failure_everything_is_rejected_until_a_part_judged_later_is_there(
    cause: str,
) -> None:
    with gate(0.4, safe_state="reject") as output:
        output.send(seen("pass", "1", time.monotonic()))
        until(lambda: not is_high(GATE_PIN))
        output.send(seen("pass", "2", time.monotonic()))

        if cause == "made safe":
            output.make_safe("the disk is full")
        elif cause == "an incident":
            output.send(verdict("incident", ""))
        else:
            output.send(replace(verdict("error", "3"), captured_at=None))
        until(lambda: is_high(GATE_PIN))
        until(lambda: output.tally.arrived == 2)
        time.sleep(0.05)
        assert is_high(GATE_PIN), "the part before the failure brings no trust"

        at = time.monotonic()
        output.send(seen("pass", "4", at))
        until(lambda: not is_high(GATE_PIN))
        assert levels(GATE_PIN)[-1][0] >= at + 0.4


def test_closed_the_gate_stands_in_its_safe_state_as_long_as_somebody_holds_it() -> None:
    with gate(0.2, safe_state="reject") as output:
        output.send(seen("pass", "1", time.monotonic()))
        until(lambda: not is_high(GATE_PIN))

    assert is_high(GATE_PIN)
    with pytest.raises(OutputError, match="^reject output: closed; expected no verdict any more"):
        output.send(verdict("pass"))
    output.make_safe("it is over")


# By counts of an encoder


def test_by_an_encoder_each_part_is_where_the_belt_has_moved_it() -> None:
    with encoder_gate(10, pulse_ms=30) as output:
        for number, counts_as in enumerate(("pass", "fail", "pass")):
            output.expect(str(number), time.monotonic())
            turn_encoder(4)
            output.send(seen(counts_as, str(number), None))
        until(lambda: output.tally.arrived == 1)  # 12 counts: those at 10, and not at 14 and 18
        turn_encoder(1)
        assert openings() == []
        turn_encoder(1)
        until(openings)
        turn_encoder(4)
        until(lambda: output.tally.arrived == 3)

        assert len(openings()) == 1
        assert output.tally.rejected == 1


def test_a_belt_that_stops_stops_its_parts() -> None:
    with encoder_gate(5) as output:
        output.expect("1", time.monotonic())
        output.send(seen("fail", "1", None))
        turn_encoder(4)
        time.sleep(0.5)
        assert openings() == []

        turn_encoder(1)
        until(openings)


def test_a_part_that_was_announced_a_moment_ago_is_entered_where_it_was_seen() -> None:
    with encoder_gate(5) as output:
        at = time.monotonic()
        turn_encoder(3)
        output.expect("1", at)
        output.send(seen("fail", "1", at))
        turn_encoder(1)
        time.sleep(0.1)
        assert openings() == []

        turn_encoder(1)
        until(openings)


def test_a_late_verdict_is_told_in_counts() -> None:
    with encoder_gate(5) as output:
        output.expect("1", time.monotonic())
        turn_encoder(7)
        until(lambda: output.tally.arrived == 1)

        with pytest.raises(OutputRefused, match="part 1: at the gate 2 counts before its verdict"):
            output.send(seen("fail", "1", None))


def test_an_encoder_that_is_silent_between_two_parts_is_not_trusted() -> None:
    with encoder_gate(5, safe_state="reject") as output:
        output.expect("1", time.monotonic())
        output.send(seen("pass", "1", None))
        turn_encoder(5)
        until(lambda: not is_high(GATE_PIN))
        output.expect("2", time.monotonic())
        output.expect("3", time.monotonic())
        until(lambda: is_high(GATE_PIN))

        with pytest.raises(OutputError) as raised:
            output.send(seen("pass", "3", None))
        assert str(raised.value) == (
            "reject output: no count of the encoder between two parts; expected the belt to move; "
            "is the encoder connected? parts: 3 and the one before"
        )


def test_a_fault_is_told_also_when_the_verdict_that_comes_first_is_late() -> None:
    with encoder_gate(5) as output:
        for part in ("1", "2"):
            output.expect(part, time.monotonic())
        turn_encoder(6)
        until(lambda: output.tally.arrived == 2)

        with pytest.raises(OutputRefused, match="part 2: at the gate 1 counts before its verdict"):
            output.send(seen("pass", "2", None))
        with pytest.raises(OutputError, match="no count of the encoder between two parts"):
            output.send(seen("pass", "3", None))
        output.send(seen("pass", "4", None))


def test_pins_are_free_again_when_one_of_them_cannot_be_had() -> None:
    for _ in range(2):
        with (
            pytest.raises(OutputError, match="^reject output pin 4000: "),
            encoder_gate(5, encoder_pin=4000),
        ):
            pass
    with gate(0.1) as output:
        assert level_at(GATE_PIN, time.monotonic()) is False
        assert output.tally == Tally()


@pytest.mark.usefixtures("made_up_pins")
def test_a_gate_that_would_hear_of_some_parts_only_is_refused() -> None:
    table = {"kind": "reject", "pin": 24, "delay_ms": 100, "library": "gpiozero"}

    with (
        ExitStack() as stack,
        pytest.raises(ConfigError, match=r"outputs\[0\].only: reject must know of every part"),
    ):
        telling([{**table, "only": ["fail"]}], Path(), None, stack, waits=False)
