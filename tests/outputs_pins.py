"""Outputs that drive pins, for their specification: gpiozero's made-up board is the other side."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from typing import Any

import pytest

from edgecls.verdict import Cause, Verdict
from output_kinds import Kind, Peer, Table, open_output

PASS_PIN, FAIL_PIN, REVIEW_PIN, ALIVE_PIN, GATE_PIN, ENCODER_PIN = 17, 27, 22, 23, 24, 25
LIGHT: Table = {
    "kind": "gpio",
    "pass_pin": PASS_PIN,
    "fail_pin": FAIL_PIN,
    "review_pin": REVIEW_PIN,
    "pulse_ms": 0,
    "library": "gpiozero",
}
# Longer than a busy machine takes to tell; long enough a pulse to be looked at in its middle.
DELAY_S, PULSE_S = 0.8, 0.3
GATE: Table = {
    "kind": "reject",
    "pin": GATE_PIN,
    "delay_ms": 1000 * DELAY_S,
    "pulse_ms": 1000 * PULSE_S,
    "library": "gpiozero",
}
ENCODED: Table = {
    "kind": "reject",
    "pin": GATE_PIN,
    "encoder_pin": ENCODER_PIN,
    "delay_counts": 3,
    "pulse_ms": 50,
    "library": "gpiozero",
}


def made_up(pin: int) -> Any:  # noqa: ANN401 - gpiozero ships no types
    """Return a pin of the made-up board."""
    return import_module("gpiozero").Device.pin_factory.pin(pin)


def is_high(pin: int) -> bool:
    return bool(made_up(pin).state)


def levels(pin: int) -> list[tuple[float, bool]]:
    """Return each level that the pin had, and since when, monotonic seconds."""
    own = made_up(pin)
    states, at = list(own.states), own._last_change
    found = []
    for state in reversed(states):
        found.append((at, bool(state.state)))
        at -= state.timestamp
    return found[::-1]


def level_at(pin: int, moment: float) -> bool:
    """Return the level that the pin had at a moment."""
    return [level for since, level in levels(pin) if since <= moment][-1]


def turn_encoder(counts: int) -> None:
    """Move the belt."""
    for _ in range(counts):
        made_up(ENCODER_PIN).drive_high()
        made_up(ENCODER_PIN).drive_low()


def light(request: pytest.FixtureRequest) -> Iterator[Peer]:
    request.getfixturevalue("made_up_pins")
    pins = {"pass": PASS_PIN, "fail": FAIL_PIN, "review": REVIEW_PIN}

    def shows(verdict: Verdict) -> bool:
        lit = [outcome for outcome, pin in pins.items() if is_high(pin)]
        return lit == [verdict.outcome.value]

    with closing(open_output(LIGHT)) as output:
        yield Peer(output, shows, lambda: not any(map(is_high, pins.values())))


def gate(table: Table, seen_at: Callable[[Verdict], float]) -> Iterator[Peer]:
    """Open a reject gate by the clock."""
    table = {**table, "safe_state": "off"}

    def shows(verdict: Verdict) -> bool:
        if verdict.cause is Cause.INCIDENT:
            return not is_high(GATE_PIN)  # safe again
        middle = seen_at(verdict) + DELAY_S + PULSE_S / 2
        return time.monotonic() > middle and (
            level_at(GATE_PIN, middle) is (verdict.counts_as != "pass")
        )

    with closing(open_output(table)) as output:
        yield Peer(output, shows, lambda: not is_high(GATE_PIN))


def timed(request: pytest.FixtureRequest) -> Iterator[Peer]:
    request.getfixturevalue("made_up_pins")
    yield from gate(GATE, lambda verdict: verdict.captured_at or 0.0)


def encoded(request: pytest.FixtureRequest) -> Iterator[Peer]:
    request.getfixturevalue("made_up_pins")
    table = {**ENCODED, "safe_state": "off"}
    moved: set[str] = set()

    def shows(verdict: Verdict) -> bool:
        if verdict.part not in moved:
            moved.add(verdict.part)
            turn_encoder(3)
        return is_high(GATE_PIN) is (verdict.counts_as not in ("pass", "incident"))

    with closing(open_output(table)) as output:
        yield Peer(output, shows, lambda: not is_high(GATE_PIN))


def without_pins(table: Table) -> Callable[[pytest.FixtureRequest], Table]:
    """Return a table with a pin that no board has."""
    key = "pass_pin" if table["kind"] == "gpio" else "pin"

    def absent(request: pytest.FixtureRequest) -> Table:
        request.getfixturevalue("made_up_pins")
        return {**table, key: 4000}

    return absent


def no_chip(table: Table) -> Callable[[pytest.FixtureRequest], Table]:
    """Return a table of a chip that is not there."""
    return lambda _: {**table, "library": "gpiod", "chip": "gpiochip97"}


ABSENT = (
    r"{} output pin 4000: .*; expected a free pin, and a board that gpiozero knows; "
    r"try library = 'gpiod'$"
)
GPIOZERO = (
    "gpiozero",
    "gpiozero: not installed; run: pip install 'edgecls[gpio]'",
)
RANGE = "expected 0 to 65535, or the name of a line"
LIGHT_WRONG: tuple[tuple[Table, str], ...] = (
    (
        {"pass_pin": None, "fail_pin": None, "review_pin": None},
        "pass_pin: none of pass_pin, fail_pin, review_pin is given; expected at least one",
    ),
    ({"fail_pin": -1}, f"fail_pin: -1; {RANGE}"),
    ({"fail_pin": 65536}, f"fail_pin: 65536; {RANGE}"),
    ({"alive_pin": ""}, f"alive_pin: ''; {RANGE}"),
    ({"alive_pin": 1.5}, "alive_pin: expected int or str, got 1.5"),
    ({"fail_pin": 17}, "fail_pin: 17 is pass_pin already; expected a pin of its own"),
    ({"fail_pin": "GPIO17"}, "fail_pin: GPIO17 is pass_pin already; expected a pin of its own"),
    ({"alive_pin": 22}, "alive_pin: 22 is review_pin already; expected a pin of its own"),
    (
        {"chip": "gpiochip0"},
        "chip: gpiozero knows pins by number; expected no chip, or library = 'gpiod'",
    ),
    (
        {"safe_state": "fail", "fail_pin": None},
        "safe_state: 'fail' without fail_pin; expected 'off'",
    ),
    ({"safe_state": "pass"}, "safe_state: expected one of off, fail, review, got 'pass'"),
    ({"active": "up"}, "active: expected one of high, low, got 'up'"),
    ({"pulse_ms": -1}, "pulse_ms: -1; expected 0 to 10000"),
    ({"pulse_ms": float("nan")}, "pulse_ms: nan; expected 0 to 10000"),
    ({"gap_ms": 10001}, "gap_ms: 10001; expected 0 to 10000"),
    ({"alive_ms": 1}, "alive_ms: 1; expected 10 to 86400000"),
    ({"toggle_ms": 0}, "toggle_ms: 0; expected 1 to 10000"),
)
GATE_WRONG: tuple[tuple[Table, str], ...] = (
    ({"pin": -1}, f"pin: -1; {RANGE}"),
    ({"delay_ms": None}, "delay_ms: neither delay_ms nor delay_counts; expected one of them"),
    ({"delay_counts": 5}, "delay_ms: both delay_ms and delay_counts; expected one of them"),
    ({"delay_ms": None, "delay_counts": 5}, "encoder_pin: required with delay_counts"),
    ({"encoder_pin": 25}, "delay_counts: required with encoder_pin"),
    (
        {"delay_ms": None, "delay_counts": 5, "encoder_pin": 24},
        "encoder_pin: 24 is pin already; expected a pin of its own",
    ),
    (
        {"delay_ms": None, "delay_counts": 60001, "encoder_pin": 25},
        "delay_counts: 60001; expected 1 to 60000",
    ),
    ({"delay_ms": 0}, "delay_ms: 0; expected 1 to 600000"),
    ({"pulse_ms": 0}, "pulse_ms: 0; expected 1 to 10000"),
    (
        {"reject": ["fail", "pass"]},
        "reject: 'pass'; expected any of fail, review, missed, error, incident",
    ),
    ({"least_gap_ms": -1}, "least_gap_ms: -1; expected 0 to 600000"),
    ({"least_gap_counts": 3}, "least_gap_counts: not with delay_ms; expected least_gap_ms"),
    ({"safe_state": "open"}, "safe_state: expected one of reject, off, got 'open'"),
)
SAYS = r"{} output gpiochip97 line {}: No such file or directory; expected a line of /dev/gpioch.*"
NEEDED = ("gpiozero",)
GPIOD = ("gpiod", "gpiod: not installed; run: pip install 'edgecls[gpio]'")
KINDS = {
    "gpio": Kind(
        LIGHT,
        light,
        without_pins(LIGHT),
        ABSENT.format("gpio"),
        NEEDED,
        GPIOZERO,
        LIGHT_WRONG,
    ),
    "gpio of gpiod": Kind(
        {**LIGHT, "library": "gpiod"},
        light,
        no_chip(LIGHT),
        SAYS.format("gpio", PASS_PIN),
        ("gpiod", *NEEDED),
        GPIOD,
    ),
    "reject": Kind(
        GATE, timed, without_pins(GATE), ABSENT.format("reject"), NEEDED, GPIOZERO, GATE_WRONG
    ),
    "reject by encoder": Kind(
        ENCODED,
        encoded,
        no_chip(ENCODED),
        SAYS.format("reject", GATE_PIN),
        ("gpiod", *NEEDED),
        GPIOZERO,
    ),
}
