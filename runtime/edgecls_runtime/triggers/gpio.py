"""Parts announced by a pin: a light barrier, a PLC's output, a push button.

A part is an edge after a time of quiet. Contacts bounce when they close and when they open, so both
edges are watched: what comes within ``debounce_ms`` of any other is a bounce, counted and no part.
"""

import time
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgecls.errors import ConfigError, MissingExtra, TriggerError
from edgecls_runtime import gpio_lines, packages
from edgecls_runtime.announcements import Announcements
from edgecls_runtime.gpio_lines import ChipLine, Place, Pull
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from collections.abc import Callable

# What a unit of systemd has to allow.
DEVICES = ("gpiochip",)
LONGEST_DEBOUNCE_MS = 10_000
# Of another clock than ours: such a time is not believed.
OLDEST_S = 1.0


class Edge(StrEnum):
    """Which change of the level is a part."""

    RISING = "rising"
    FALLING = "falling"


class Library(StrEnum):
    """Who reads the pin."""

    GPIOD = "gpiod"  # the kernel's own interface, on any board; edges have the kernel's time
    GPIOZERO = "gpiozero"  # Raspberry Pi; also its pins far away, and its made-up ones


class GpioTrigger(Announcements):
    """Announces a part for each wanted edge that is no bounce."""

    def __init__(self, edge: Edge, debounce: float) -> None:
        """Begin without a pin: ``change`` is told what one does.

        Args:
            edge: Which change is a part.
            debounce: Seconds of quiet before it.

        """
        super().__init__()
        self._rising, self._debounce = edge is Edge.RISING, debounce
        self._latest = float("-inf")
        self._close: Callable[[], object] = lambda: None

    def change(self, *, rising: bool, at: float) -> None:
        """Take one edge, at monotonic seconds, in the order of time."""
        quiet, self._latest = at - self._latest, at
        if rising is not self._rising:
            return
        if quiet >= self._debounce:
            self.put(at=at)
        else:
            self.ignore()

    def close(self) -> None:
        """Let go of the pin; closing twice is allowed."""
        super().close()
        close, self._close = self._close, lambda: None
        close()

    def listen_to_chip(self, place: Place) -> None:
        """Watch a line of the kernel.

        Raises:
            TriggerError: There is no such line, or somebody else has it.

        """
        line = ChipLine(place, self.change, self.lose, self.back)
        self._close = line.close

    def listen_to_pin(self, pin: int, pull: Pull) -> None:
        """Watch a pin of gpiozero.

        Raises:
            TriggerError: There is no such pin, or somebody else has it.

        """
        device, errors = _gpiozero()
        try:
            up = {Pull.UP: True, Pull.DOWN: False, Pull.NONE: None}[pull]
            opened = device(pin, pull_up=up, active_state=True if up is None else None)
        except (errors.GPIOZeroError, OSError) as error:
            raise TriggerError(
                f"gpio trigger pin {pin}: {error}; expected a free pin, and a board that gpiozero "
                f"knows; try library = 'gpiod'"
            ) from error
        factory = opened.pin_factory

        def changed(ticks: float, state: int) -> None:
            age = factory.ticks_diff(factory.ticks(), ticks)
            self.change(
                rising=bool(state), at=time.monotonic() - (age if 0 <= age < OLDEST_S else 0.0)
            )

        # Below gpiozero's own events: those leave out bounces, and cannot count them.
        opened.pin.edges = "both"
        opened.pin.when_changed = changed
        self._kept = changed  # gpiozero holds it weakly
        self._close = opened.close


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    pin: int | None = None,
    line: str | None = None,
    chip: str | None = None,
    edge: Edge = Edge.RISING,
    pull: Pull = Pull.NONE,
    debounce_ms: float = 5.0,
    library: Library = Library.GPIOD,
) -> GpioTrigger:
    """Watch a pin.

    Args:
        pin: Its number: of the chip, where one is given; else as in GPIO17.
        line: Its name, as ``gpioinfo`` shows it, instead of a number.
        chip: Device such as ``/dev/gpiochip0``; None looks for the name on every one.
        edge: Which change of the level is a part.
        pull: Resistor of the board at the pin.
        debounce_ms: An edge within so long of another is a bounce. Longer than what bounces,
            shorter than a part is in front of the sensor, and than the gap to the next.
        library: ``gpiod``, or ``gpiozero`` for the pins that it knows.

    """
    if (pin is None) is (line is None):
        found = "neither pin nor line" if pin is None else "both pin and line"
        raise ConfigError(f"trigger.pin: {found}; expected one of them")
    if pin is not None and not 0 <= pin <= 65_535:
        raise ConfigError(f"trigger.pin: {pin}; expected 0 to 65535")
    if not 0 <= debounce_ms <= LONGEST_DEBOUNCE_MS:
        raise ConfigError(
            f"trigger.debounce_ms: {debounce_ms:g}; expected 0 to {LONGEST_DEBOUNCE_MS}"
        )
    trigger = GpioTrigger(edge, debounce_ms / 1000)
    if library is Library.GPIOD:
        trigger.listen_to_chip(Place(pin, line, chip, pull))
    elif pin is None or chip is not None:
        raise ConfigError("trigger.library: gpiozero knows pins by number; expected pin, no chip")
    else:
        trigger.listen_to_pin(pin, pull)
    return trigger


def probed() -> Probed:
    """Say whether the package is here, and which chips are."""
    found, chips = packages.installed("gpiod"), gpio_lines.chips()
    if found is None:
        return Probed("gpio", ready=False, what=str(MissingExtra("gpiod", "gpio")))
    if not chips:
        what = "no /dev/gpiochip* here; expected a board with pins"
        return Probed("gpio", ready=False, what=what, package=str(found))
    return Probed("gpio", ready=True, what="edges", package=str(found), devices=tuple(chips))


def _gpiozero() -> tuple[Any, Any]:
    """Return gpiozero's input device and its errors; it ships no types."""
    try:
        gpiozero = import_module("gpiozero")
    except ImportError as error:
        raise MissingExtra("gpiozero", "gpio") from error
    return gpiozero.InputDevice, gpiozero.exc
