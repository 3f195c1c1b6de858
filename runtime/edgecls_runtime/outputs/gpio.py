"""A pin for each outcome, and one that says that the station lives: lights, valves, a PLC's inputs.

The pass pin is energised only while a part passes: a program that crashed, a board without power
and a cut cable all read as "not passed".
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from edgecls.errors import ConfigError, OutputError
from edgecls.verdict import Verdict
from edgecls_runtime.pins import driven_pins, gpio_lines
from edgecls_runtime.pins.alarm import Alarm
from edgecls_runtime.pins.driven_pins import Active, DrivenPins, Pin, Wiring
from edgecls_runtime.pins.gpio_lines import Library
from edgecls_runtime.probe import Probed

# What a unit of systemd has to allow.
DEVICES = ("gpiochip",)
PINS = ("pass_pin", "fail_pin", "review_pin", "alive_pin")
ALIVE = "alive_pin"
LONGEST_PULSE_MS = 10_000
LONGEST_ALIVE_MS = 86_400_000
SHORTEST_ALIVE_MS = 10
# Until pins that were lost are tried again, by nobody's verdict.
RETRY_S = 0.5


class SafeState(StrEnum):
    """What is shown when nothing can be relied on."""

    OFF = "off"
    FAIL = "fail"
    REVIEW = "review"


class Alive(StrEnum):
    """What the alive pin does while the station lives."""

    LEVEL = "level"  # it is energised
    TOGGLE = "toggle"  # it goes on and off: for a watchdog that wants edges


@dataclass(frozen=True, slots=True)
class Timing:
    """How long pins are energised, in seconds.

    Attributes:
        pulse: Of a verdict; 0 shows it until the next one.
        gap: Of quiet between two pulses, so that each is seen as one.
        alive: Without a sign of life for so long, the station counts as hung.
        toggle: Between two edges of the alive pin; 0 keeps it energised.

    """

    pulse: float
    gap: float
    alive: float
    toggle: float


class GpioOutput:
    """Shows each verdict on the pin of its outcome."""

    def __init__(
        self, wiring: Wiring, pins: Mapping[str, Pin], safe: frozenset[str], timing: Timing
    ) -> None:
        """Take the pins, and show the safe state.

        Raises:
            ConfigError: Two pins are the same line.
            OutputError: A pin cannot be had.

        """
        self._safe, self._timing, self._watched = safe, timing, ALIVE in pins
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._shown = safe
        self._ends = self._free = 0.0  # of the pulse, and of the gap behind it; 0: none
        self._beaten = float("-inf")
        self._lives = self._failed = self._is_up = False
        self._toggled = 0.0
        self._pins = DrivenPins(wiring, pins, safe)
        self._alarm = Alarm(self._ring, "gpio output")

    def send(self, verdict: Verdict) -> None:
        """Energise the pin of the outcome, and no other; a pulse that still runs is waited for.

        Raises:
            OutputError: The pins are gone, or closed.

        """
        self._closing.wait(max(self._free - time.monotonic(), 0.0))
        with self._lock:
            if self._closing.is_set():
                raise OutputError("gpio output: closed; expected no verdict any more")
            self._shown = frozenset({f"{verdict.outcome}_pin"})
            self._failed = False
            self._show()
            if self._timing.pulse:
                self._ends = time.monotonic() + self._timing.pulse
                self._free = self._ends + self._timing.gap
        self._alarm.wake()

    def make_safe(self, reason: str) -> None:  # noqa: ARG002 - pins have no words
        """Show the safe state, and no life, until the next verdict.

        Raises:
            OutputError: The pins are gone.

        """
        with self._lock:
            if not self._closing.is_set():
                self._failed = True
                self._enter_safe_state()
                self._show()

    def beat(self) -> None:
        """Keep the alive pin going."""
        self._beaten = time.monotonic()
        if self._watched and not self._lives:
            self._alarm.wake()

    def close(self) -> None:
        """Show the safe state and let go of the pins; closing twice is allowed."""
        self._closing.set()
        self._alarm.close()
        with self._lock, suppress(OutputError):
            self._failed = True
            self._enter_safe_state()
            self._show()
        self._pins.close()

    def _ring(self, now: float) -> float | None:
        """Do what time has come for; return when to be called again."""
        with self._lock:
            if self._ends and now >= self._ends:
                self._shown, self._ends = frozenset(), 0.0
            if self._lives and not self._is_alive(now) and not self._failed:
                self._enter_safe_state()  # it hangs
            try:
                self._show(now)
            except OutputError:
                return now + RETRY_S
            moments = [self._ends] if self._ends else []
            if self._lives:
                moments.append(self._beaten + self._timing.alive)
                if self._timing.toggle:
                    moments.append(self._toggled + self._timing.toggle)
            return min(moments, default=None)

    def _enter_safe_state(self) -> None:
        self._shown, self._ends = self._safe, 0.0

    def _is_alive(self, now: float) -> bool:
        return self._watched and not self._failed and now < self._beaten + self._timing.alive

    def _show(self, now: float | None = None) -> None:
        """Set the pins as they are to be."""
        now = time.monotonic() if now is None else now
        lived, self._lives = self._lives, self._is_alive(now)
        if not self._lives:
            self._is_up = False
        elif not lived or not self._timing.toggle:
            self._is_up, self._toggled = True, now
        elif now >= self._toggled + self._timing.toggle:
            self._is_up, self._toggled = not self._is_up, now
        self._pins.show(self._shown | {ALIVE} if self._is_up else self._shown)


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    pass_pin: int | str | None = None,
    fail_pin: int | str | None = None,
    review_pin: int | str | None = None,
    alive_pin: int | str | None = None,
    chip: str | None = None,
    library: Library = Library.GPIOD,
    active: Active = Active.HIGH,
    pulse_ms: float = 50.0,
    gap_ms: float = 20.0,
    safe_state: SafeState = SafeState.OFF,
    alive: Alive = Alive.LEVEL,
    alive_ms: float = 5000.0,
    toggle_ms: float = 100.0,
) -> GpioOutput:
    """Take the pins; any may be left out, but one of an outcome.

    Args:
        pass_pin: Energised while a part passes. Its number: of the chip, where one is given; else
            as in GPIO17. Or its name, as ``gpioinfo`` shows it.
        fail_pin: Energised for a part that fails.
        review_pin: Energised for a part that a person must look at: also one that was missed.
        alive_pin: Energised only while the station works.
        chip: Device such as ``/dev/gpiochip0``; None looks for the name on every one.
        library: ``gpiod``, or ``gpiozero`` for the pins that it knows.
        active: Level of a pin that is energised.
        pulse_ms: For how long; 0 until the next verdict, as a stack light.
        gap_ms: Quiet between two pulses.
        safe_state: Shown before the first verdict, after a failure, and as it is closed.
        alive: How the alive pin shows life.
        alive_ms: Without a sign of life for so long, the station counts as hung: longer than
            its ``timeout_ms``.
        toggle_ms: Between two edges of the alive pin.

    """
    wiring = Wiring("gpio output", library, chip, active)
    outcomes = {"pass_pin": pass_pin, "fail_pin": fail_pin, "review_pin": review_pin}
    pins = driven_pins.checked({**outcomes, ALIVE: alive_pin}, wiring)
    if not pins.keys() & outcomes.keys():
        raise ConfigError(
            f"outputs.pass_pin: none of {', '.join(outcomes)} is given; expected at least one"
        )
    safe = frozenset() if safe_state is SafeState.OFF else frozenset({f"{safe_state}_pin"})
    if safe - pins.keys():
        (key,) = safe
        raise ConfigError(f"outputs.safe_state: '{safe_state}' without {key}; expected 'off'")
    driven_pins.within("pulse_ms", pulse_ms, 0, LONGEST_PULSE_MS)
    driven_pins.within("gap_ms", gap_ms, 0, LONGEST_PULSE_MS)
    driven_pins.within("alive_ms", alive_ms, SHORTEST_ALIVE_MS, LONGEST_ALIVE_MS)
    driven_pins.within("toggle_ms", toggle_ms, 1, LONGEST_PULSE_MS)
    toggle = toggle_ms / 1000 if alive is Alive.TOGGLE else 0.0
    timing = Timing(pulse_ms / 1000, gap_ms / 1000, alive_ms / 1000, toggle)
    return GpioOutput(wiring, pins, safe, timing)


def probed() -> Probed:
    """Say whether the package is here, and which chips are."""
    return gpio_lines.probed("gpio", "lines")
