"""Pins that an output drives: those of one output are set together, and let go of together.

A line that nobody holds is the board's: most let it float, and the resistor at it decides. So that
is what must be wired to be safe: see docs/gpio.md.
"""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from edgecls.errors import ConfigError, DeviceError, OutputError
from edgecls_runtime.pins import gpio_lines
from edgecls_runtime.pins.gpio_lines import CONSUMER, HIGHEST_PIN, Library, Place
from edgecls_runtime.pins.zero_pins import DrivenZeroPins

# Number, as of the chip where one is given, else as in GPIO17; or name of a line.
Pin = int | str


class Active(StrEnum):
    """Which level is a pin that is energised."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the pins of an output are reached.

    Attributes:
        user: Whose they are, for messages.
        library: Who moves them.
        chip: Device of the chip; None looks on each.
        active: Level of a pin that is energised.

    """

    user: str
    library: Library
    chip: str | None
    active: Active

    def place(self, pin: Pin) -> Place:
        """Return where a pin is."""
        number, line = (pin, None) if isinstance(pin, int) else (None, pin)
        return Place(number, line, self.chip, user=self.user, error=OutputError)


class _Driver(Protocol):
    """What moves the pins."""

    def show(self, on: Collection[str]) -> None: ...

    def close(self) -> None: ...


class DrivenPins:
    """Pins by name, each energised or not; one thread at a time."""

    def __init__(self, wiring: Wiring, pins: Mapping[str, Pin], on: Collection[str] = ()) -> None:
        """Take every pin, or none.

        Args:
            wiring: How they are reached.
            pins: By name: the key of the station file that gives it.
            on: Those that are energised from the first moment.

        Raises:
            ConfigError: Two are the same line.
            OutputError: There is no such pin, or somebody else has it.
            MissingExtra: The library is not installed.

        """
        self._wiring, self._places = wiring, {key: wiring.place(pin) for key, pin in pins.items()}
        self._driver: _Driver | None = self._taken(on)

    def show(self, on: Collection[str]) -> None:
        """Energise these pins and no other; what was lost is taken again.

        Raises:
            OutputError: They are gone.

        """
        if self._driver is None:
            self._driver = self._taken(on)
            return
        try:
            self._driver.show(on)
        except DeviceError:
            self._driver.close()
            self._driver = None
            raise

    def close(self) -> None:
        """Let go of the pins; closing twice is allowed."""
        if self._driver is not None:
            self._driver.close()
        self._driver = None

    def _taken(self, on: Collection[str]) -> _Driver:
        high = self._wiring.active is Active.HIGH
        if self._wiring.library is Library.GPIOZERO:
            return DrivenZeroPins(self._places, on, high=high)
        return _ChipPins(self._places, on, high=high)


class _ChipPins:
    """Lines of the kernel: those of one chip change in the same moment."""

    def __init__(self, places: Mapping[str, Place], on: Collection[str], *, high: bool) -> None:
        gpiod = gpio_lines.library()
        self._line: Any = gpiod.line
        self._lines = _offsets(places)
        with ExitStack() as taken:
            self._requests = {}
            for chip in {chip for chip, _ in self._lines.values()}:
                names = [name for name, (its, _) in self._lines.items() if its == chip]
                config = {
                    self._lines[name][1]: gpiod.LineSettings(
                        direction=self._line.Direction.OUTPUT,
                        active_low=not high,
                        output_value=self._value(name in on),
                    )
                    for name in names
                }
                try:
                    request = gpiod.request_lines(chip, config, consumer=CONSUMER)
                except (OSError, ValueError) as error:
                    raise gpio_lines.refused(_together(places, names), chip, error) from error
                taken.callback(request.release)
                self._requests[chip] = request
            self._taken = taken.pop_all()
        self._user = next(iter(places.values())).user

    def show(self, on: Collection[str]) -> None:
        # On several chips, what goes off does so before anything goes on.
        for chip, request in sorted(self._requests.items(), key=lambda one: self._any(one[0], on)):
            values = {
                offset: self._value(name in on)
                for name, (its, offset) in self._lines.items()
                if its == chip
            }
            try:
                request.set_values(values)
            except OSError as error:
                raise OutputError(
                    f"{self._user} {chip}: {gpio_lines.reason(error)}; expected to be able to set "
                    f"its lines; is the chip plugged in?"
                ) from error

    def close(self) -> None:
        self._taken.close()

    def _any(self, chip: str, on: Collection[str]) -> bool:
        return any(its == chip and name in on for name, (its, _) in self._lines.items())

    def _value(self, on: bool) -> Any:  # noqa: ANN401 - gpiod's
        return self._line.Value.ACTIVE if on else self._line.Value.INACTIVE


def checked(pins: Mapping[str, Pin | None], wiring: Wiring) -> dict[str, Pin]:
    """Return the pins that are given; refuse what cannot be one, and one that is given twice.

    Raises:
        ConfigError: It names the key.

    """
    found: dict[str, Pin] = {}
    if wiring.library is Library.GPIOZERO and wiring.chip is not None:
        raise ConfigError(
            "outputs.chip: gpiozero knows pins by number; expected no chip, or library = 'gpiod'"
        )
    for key, pin in pins.items():
        if pin is None:
            continue
        if pin == "" or (isinstance(pin, int) and not 0 <= pin <= HIGHEST_PIN):
            raise ConfigError(
                f"outputs.{key}: {pin!r}; expected 0 to {HIGHEST_PIN}, or the name of a line"
            )
        name = wiring.place(pin).name
        for other, its in found.items():
            if wiring.place(its).name == name:
                raise ConfigError(
                    f"outputs.{key}: {pin} is {other} already; expected a pin of its own"
                )
        found[key] = pin
    return found


def within(key: str, value: float, least: float, most: float) -> None:
    """Refuse a number that no output takes.

    Raises:
        ConfigError: It names the key.

    """
    if not least <= value <= most:  # NaN compares false
        raise ConfigError(f"outputs.{key}: {value:g}; expected {least} to {most}")


def _offsets(places: Mapping[str, Place]) -> dict[str, tuple[str, int]]:
    """Return the chip of each line and its number there, before any of them is driven."""
    found: dict[str, tuple[str, int]] = {}
    for key, place in places.items():
        chip, offset = gpio_lines.found(place)
        for other, its in found.items():
            if its == (chip, offset):
                raise ConfigError(
                    f"outputs.{key}: {place.name} is line {offset} of {chip}, as {other} is; "
                    f"expected a pin of its own"
                )
        found[key] = chip, offset
    return found


def _together(places: Mapping[str, Place], names: Collection[str]) -> Place:
    """Return the place to name where the kernel refuses lines together."""
    lines = ", ".join(places[name].name for name in names)
    first = places[next(iter(names))]
    return Place(None, lines, first.chip, user=first.user, error=first.error)
