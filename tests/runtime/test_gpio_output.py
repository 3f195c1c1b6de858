"""Pins of outcomes and of life, beyond what every output keeps: see test_outputs.py."""

import itertools
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from edgecls.errors import OutputError
from edgecls_runtime.outputs.gpio import GpioOutput
from output_kinds import Table, open_output, verdict
from outputs_pins import ALIVE_PIN, FAIL_PIN, LIGHT, PASS_PIN, REVIEW_PIN, is_high, levels, made_up
from trigger_sources import until

pytestmark = pytest.mark.usefixtures("made_up_pins")
OUTCOMES = (PASS_PIN, FAIL_PIN, REVIEW_PIN)
ALIVE: Table = {"alive_pin": ALIVE_PIN, "alive_ms": 300}


@contextmanager
def opened(**keys: object) -> Iterator[GpioOutput]:
    """Open a light with these keys over the usual ones."""
    with closing(open_output({**LIGHT, **keys})) as output:
        assert isinstance(output, GpioOutput)
        yield output


def high() -> list[int]:
    return [pin for pin in OUTCOMES if is_high(pin)]


def pulses(pin: int) -> list[tuple[float, float]]:
    """Return when each pulse of a pin began, and how long it was, seconds."""
    found = levels(pin)
    return [
        (since, until_ - since)
        for (since, level), (until_, _) in itertools.pairwise(found)
        if level
    ]


def test_a_light_shows_a_verdict_until_the_next_one() -> None:
    with opened() as output:
        output.send(verdict("pass"))
        time.sleep(0.2)
        assert high() == [PASS_PIN]

        output.send(verdict("fail"))
        assert high() == [FAIL_PIN]


def test_never_do_two_outcomes_show_at_once() -> None:
    with opened() as output:
        for counts_as in ("pass", "fail", "pass", "review", "pass"):
            output.send(verdict(counts_as))

    on = [(since, pin) for pin in OUTCOMES for since, level in levels(pin) if level]
    off = [(since, pin) for pin in OUTCOMES for since, level in levels(pin)[1:] if not level]
    for (went_on, pin), (went_off, other) in zip(sorted(on)[1:], sorted(off), strict=False):
        assert went_off <= went_on
        assert pin != other


def test_a_pulse_is_as_long_as_was_asked_for() -> None:
    with opened(pulse_ms=100) as output:
        output.send(verdict("pass"))
        assert high() == [PASS_PIN]
        until(lambda: not high())

    ((_, length),) = pulses(PASS_PIN)
    assert 0.1 <= length < 5  # later on a busy machine, never shorter


def test_pulses_of_parts_that_follow_fast_stay_apart() -> None:
    with opened(pulse_ms=60, gap_ms=40) as output:
        for _ in range(3):
            output.send(verdict("pass"))
        until(lambda: not high())

    found = pulses(PASS_PIN)
    assert len(found) == 3
    for (began, length), (following, _) in itertools.pairwise(found):
        assert length >= 0.06
        assert following - began - length >= 0.04 - (length - 0.06) - 0.001


def test_an_outcome_without_a_pin_shows_nothing() -> None:
    with opened(review_pin=None) as output:
        output.send(verdict("pass"))
        output.send(verdict("missed"))

        assert high() == []


def test_with_active_low_a_pin_is_high_unless_it_is_energised() -> None:
    with opened(active="low") as output:
        assert high() == [*OUTCOMES]

        output.send(verdict("fail"))
        assert high() == [PASS_PIN, REVIEW_PIN]


@pytest.mark.parametrize(("state", "shown"), [("off", []), ("fail", [FAIL_PIN])])
def test_the_safe_state_is_shown_before_the_first_verdict_and_after_a_failure(
    state: str, shown: list[int]
) -> None:
    with opened(safe_state=state) as output:
        assert high() == shown

        output.send(verdict("pass"))
        output.make_safe("the disk is full")
        assert high() == shown


def test_a_failure_cuts_a_pulse_short() -> None:
    with opened(pulse_ms=10_000) as output:
        output.send(verdict("pass"))
        output.make_safe("the camera is lost")

        assert high() == []


def test_the_safe_state_is_the_last_thing_that_is_shown() -> None:
    with opened(safe_state="review") as output:
        output.send(verdict("pass"))

    assert high() == [REVIEW_PIN]  # let go of, a made-up pin stays as it was


def test_no_pin_says_that_the_station_lives_before_it_does() -> None:
    with opened(**ALIVE):
        time.sleep(0.1)

        assert not is_high(ALIVE_PIN)


def test_the_alive_pin_is_up_while_the_station_beats_and_drops_when_it_hangs() -> None:
    with opened(alive_pin=ALIVE_PIN, alive_ms=1000, safe_state="fail") as output:
        output.send(verdict("pass"))
        end = time.monotonic() + 1.5
        while (last := time.monotonic()) < end:
            output.beat()
            time.sleep(0.01)
        output.beat()

        until(lambda: not is_high(ALIVE_PIN))

        ((_, length),) = pulses(ALIVE_PIN)
        assert length > 1.5
        assert levels(ALIVE_PIN)[-1][0] >= last + 1
        # What was shown was of a station that worked.
        assert high() == [FAIL_PIN]


def test_the_alive_pin_comes_back_when_a_station_goes_on() -> None:
    with opened(**ALIVE) as output:
        for _ in range(2):
            output.beat()
            until(lambda: is_high(ALIVE_PIN))
            until(lambda: not is_high(ALIVE_PIN))

        output.beat()
        until(lambda: is_high(ALIVE_PIN))
        output.send(verdict("pass"))
        assert high() == [PASS_PIN]


def test_the_alive_pin_is_down_from_a_failure_to_the_next_verdict() -> None:
    with opened(alive_pin=ALIVE_PIN, alive_ms=60_000) as output:
        output.beat()
        until(lambda: is_high(ALIVE_PIN))

        output.make_safe("an output is lost")
        assert not is_high(ALIVE_PIN)
        output.beat()
        time.sleep(0.1)
        assert not is_high(ALIVE_PIN)

        output.send(verdict("pass"))
        assert is_high(ALIVE_PIN)


def test_a_toggling_pin_goes_on_and_off_while_the_station_beats_and_then_stays_off() -> None:
    with opened(**ALIVE, alive="toggle", toggle_ms=20) as output:
        output.beat()
        until(lambda: len(levels(ALIVE_PIN)) >= 5)
        until(lambda: time.monotonic() - levels(ALIVE_PIN)[-1][0] > 0.3)

        assert not is_high(ALIVE_PIN)
        edges = [since for since, _ in levels(ALIVE_PIN)[1:]]
        apart = [b - a for a, b in itertools.pairwise(edges[:-1])]
        assert min(apart) >= 0.019


def test_a_verdict_after_the_end_is_refused() -> None:
    with opened() as output:
        output.close()

        with pytest.raises(OutputError, match="^gpio output: closed; expected no verdict any more"):
            output.send(verdict("pass"))
        output.make_safe("it is over")
        output.beat()


def test_closing_ends_a_wait_for_a_pulse() -> None:
    with opened(pulse_ms=10_000) as output:
        output.send(verdict("pass"))
        began = time.monotonic()
        output.close()

    assert time.monotonic() - began < 5


def test_pins_are_free_again_when_one_of_them_cannot_be_had() -> None:
    for _ in range(2):
        with pytest.raises(OutputError, match="^gpio output pin 4000: "), opened(review_pin=4000):
            pass
    with opened():
        assert made_up(PASS_PIN).function == "output"
    with opened():
        pass


def test_a_pin_that_somebody_else_has_is_said_in_one_line() -> None:
    with opened(), pytest.raises(OutputError) as raised, opened():
        pass

    assert str(raised.value).startswith(f"gpio output pin {PASS_PIN}: ")
    assert "\n" not in str(raised.value)
