"""A gate behind the camera: each part that is not good is thrown out when it gets there.

Parts come to the gate so many milliseconds, or counts of an encoder, after they were seen. What
is not known to be good is thrown out: also a part whose verdict is late, or that nobody announced.
"""

from dataclasses import replace

from edgecls.errors import ConfigError
from edgecls.verdict import Cause, Outcome
from edgecls_runtime.pins import driven_pins, gpio_lines
from edgecls_runtime.pins.belts import MOST_COUNTS
from edgecls_runtime.pins.driven_pins import Active, DrivenPins, Pin, Wiring
from edgecls_runtime.pins.gpio_lines import Library, Pull
from edgecls_runtime.pins.parts_in_flight import PartsInFlight
from edgecls_runtime.pins.reject_gate import PIN, Gate, RejectOutput, SafeState
from edgecls_runtime.probe import Probed

# What a unit of systemd has to allow.
DEVICES = ("gpiochip",)
PINS = (PIN, "encoder_pin")
REJECTED = (Outcome.FAIL, Outcome.REVIEW, Cause.MISSED, Cause.ERROR, Cause.INCIDENT)
LONGEST_DELAY_MS = 600_000
LONGEST_PULSE_MS = 10_000


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    pin: int | str,
    delay_ms: float | None = None,
    delay_counts: int | None = None,
    encoder_pin: int | str | None = None,
    encoder_pull: Pull = Pull.NONE,
    chip: str | None = None,
    library: Library = Library.GPIOD,
    active: Active = Active.HIGH,
    pulse_ms: float = 50.0,
    reject: tuple[str, ...] = REJECTED,
    safe_state: SafeState = SafeState.REJECT,
    least_gap_ms: float = 0.0,
    least_gap_counts: int = 0,
) -> RejectOutput:
    """Take the gate's pin, and the encoder's.

    Args:
        pin: Energised while the gate throws out. Its number: of the chip, where one is given; else
            as in GPIO17. Or its name, as ``gpioinfo`` shows it.
        delay_ms: From the announcement of a part to the gate; from its frame where nothing
            announces parts. For a belt of steady speed.
        delay_counts: The same in counts of an encoder: rising edges of one channel. The belt may
            stop, and must not go backwards.
        encoder_pin: Where the encoder is.
        encoder_pull: Resistor of the board at its pin.
        chip: Device such as ``/dev/gpiochip0``; None looks for the names on every one.
        library: ``gpiod``, or ``gpiozero`` for the pins that it knows.
        active: Level of a pin that is energised.
        pulse_ms: For how long the gate opens.
        reject: What is thrown out, of fail, review, missed, error and incident. A part whose
            verdict has not come always is.
        safe_state: What the gate does before the first verdict, after a failure, and as it is
            closed.
        least_gap_ms: Parts nearer to each other cannot be told apart at the gate: all are rejected.
        least_gap_counts: The same in counts of the encoder.

    """
    wiring = Wiring("reject output", library, chip, active)
    pins = driven_pins.checked({PIN: pin, "encoder_pin": encoder_pin}, wiring)
    distance = _distance(delay_ms, delay_counts, encoder_pin)
    for wrong in (one for one in reject if one not in REJECTED):
        known = ", ".join(REJECTED)
        raise ConfigError(f"outputs.reject: {wrong!r}; expected any of {known}")
    driven_pins.within("pulse_ms", pulse_ms, 1, LONGEST_PULSE_MS)
    driven_pins.within("least_gap_ms", least_gap_ms, 0, LONGEST_DELAY_MS)
    driven_pins.within("least_gap_counts", least_gap_counts, 0, MOST_COUNTS)
    if least_gap_counts if encoder_pin is None else least_gap_ms:
        wrong, right = ("counts", "ms") if encoder_pin is None else ("ms", "counts")
        raise ConfigError(
            f"outputs.least_gap_{wrong}: not with delay_{right}; expected least_gap_{right}"
        )
    gate = Gate(distance, pulse_ms / 1000, frozenset(reject), safe_state)
    flight = PartsInFlight(least_gap_ms / 1000 if encoder_pin is None else least_gap_counts)
    driven = DrivenPins(wiring, {PIN: pins[PIN]}, gate.shown_safe)
    output = RejectOutput(gate, flight, driven)
    encoder = None
    if encoder_pin is not None:
        encoder = replace(wiring.place(encoder_pin), pull=encoder_pull)
    try:
        output.begin(encoder, library)
    except BaseException:
        output.close()
        raise
    return output


def probed() -> Probed:
    """Say whether the package is here, and which chips are."""
    return gpio_lines.probed("reject", "lines")


def _distance(ms: float | None, counts: int | None, encoder_pin: Pin | None) -> float:
    """Return how far the gate is, in positions of the belt."""
    if (ms is None) is (counts is None):
        found = "neither delay_ms nor" if ms is None else "both delay_ms and"
        raise ConfigError(f"outputs.delay_ms: {found} delay_counts; expected one of them")
    if (counts is None) is not (encoder_pin is None):
        given, wanted = "encoder_pin", "delay_counts"
        if encoder_pin is None:
            given, wanted = wanted, given
        raise ConfigError(f"outputs.{wanted}: required with {given}")
    if ms is not None:
        driven_pins.within("delay_ms", ms, 1, LONGEST_DELAY_MS)
        return ms / 1000
    driven_pins.within("delay_counts", counts or 0, 1, MOST_COUNTS)
    return float(counts or 0)
