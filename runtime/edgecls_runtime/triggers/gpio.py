"""Parts announced by a pin: a light barrier, a PLC's output, a push button.

A part is an edge after a time of quiet. Contacts bounce when they close and when they open, so both
edges are watched: what comes within ``debounce_ms`` of any other is a bounce, counted and no part.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from edgecls.errors import ConfigError
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.pins import gpio_lines
from edgecls_runtime.pins.gpio_lines import ChipLine, Library, Place, Pull
from edgecls_runtime.pins.zero_pins import WatchedPin
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from collections.abc import Callable

# What a unit of systemd has to allow.
DEVICES = ("gpiochip",)
PINS = ("pin", "line")
LONGEST_DEBOUNCE_MS = 10_000


class Edge(StrEnum):
    """Which change of the level is a part."""

    RISING = "rising"
    FALLING = "falling"


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

    def listen_to(self, place: Place, library: Library) -> None:
        """Watch a pin.

        Raises:
            TriggerError: There is no such pin, or somebody else has it.

        """
        if library is Library.GPIOD:
            self._close = ChipLine(place, self.change, self.lose, self.back).close
        else:
            self._close = WatchedPin(place, self.change).close


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
    if pin is not None and not 0 <= pin <= gpio_lines.HIGHEST_PIN:
        raise ConfigError(f"trigger.pin: {pin}; expected 0 to {gpio_lines.HIGHEST_PIN}")
    if not 0 <= debounce_ms <= LONGEST_DEBOUNCE_MS:
        raise ConfigError(
            f"trigger.debounce_ms: {debounce_ms:g}; expected 0 to {LONGEST_DEBOUNCE_MS}"
        )
    if library is Library.GPIOZERO and (pin is None or chip is not None):
        raise ConfigError("trigger.library: gpiozero knows pins by number; expected pin, no chip")
    trigger = GpioTrigger(edge, debounce_ms / 1000)
    trigger.listen_to(Place(pin, line, chip, pull), library)
    return trigger


def probed() -> Probed:
    """Say whether the package is here, and which chips are."""
    return gpio_lines.probed("gpio", "edges")
