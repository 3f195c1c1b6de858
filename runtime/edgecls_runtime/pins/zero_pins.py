"""Pins of gpiozero: those of a Raspberry Pi, of one far away, and its made-up ones."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Any

from edgecls.errors import DeviceError, MissingExtra
from edgecls_runtime.pins.gpio_lines import Place, Pull

# Of another clock than ours: such a time is not believed.
OLDEST_S = 1.0


class WatchedPin:
    """One pin whose edges are told."""

    def __init__(self, place: Place, change: Callable[..., object]) -> None:
        """Begin to watch.

        Args:
            place: Which pin.
            change: Told ``rising`` and ``at``, monotonic seconds, for each edge.

        Raises:
            DeviceError: The place's own: there is no such pin, or somebody else has it.

        """
        gpiozero = library()
        up = {Pull.UP: True, Pull.DOWN: False, Pull.NONE: None}[place.pull]
        try:
            opened = gpiozero.InputDevice(
                _number(place), pull_up=up, active_state=True if up is None else None
            )
        except (gpiozero.exc.GPIOZeroError, OSError) as error:
            raise _refused(place, error) from error
        factory = opened.pin_factory

        def changed(ticks: float, state: int) -> None:
            age = factory.ticks_diff(factory.ticks(), ticks)
            change(rising=bool(state), at=time.monotonic() - (age if 0 <= age < OLDEST_S else 0.0))

        # Below gpiozero's own events: those leave out bounces, and cannot count them.
        opened.pin.edges = "both"
        opened.pin.when_changed = changed
        self._kept = changed  # gpiozero holds it weakly
        self._opened = opened

    def close(self) -> None:
        """Let go of the pin; closing twice is allowed."""
        self._opened.close()


class DrivenZeroPins:
    """Pins that are set one after the other; those that go off, first."""

    def __init__(self, places: Mapping[str, Place], on: Collection[str], *, high: bool) -> None:
        """Take every pin, as ``DrivenPins`` says."""
        gpiozero = library()
        self._errors: Any = gpiozero.exc.GPIOZeroError
        self._places = dict(places)
        with ExitStack() as opened:
            self._pins = {}
            for name, place in places.items():
                try:
                    pin = gpiozero.DigitalOutputDevice(
                        _number(place), active_high=high, initial_value=name in on
                    )
                except (self._errors, OSError) as error:
                    raise _refused(place, error) from error
                self._pins[name] = opened.enter_context(pin)
            self._opened = opened.pop_all()

    def show(self, on: Collection[str]) -> None:
        """Energise these pins, and no other.

        Raises:
            DeviceError: The place's own.

        """
        for name, pin in sorted(self._pins.items(), key=lambda one: one[0] in on):
            place = self._places[name]
            try:
                pin.value = name in on
            except (self._errors, OSError) as error:
                raise place.error(
                    f"{place.user} pin {_number(place)}: {error}; expected to be able to set it; "
                    f"is the board there?"
                ) from error

    def close(self) -> None:
        """Let go of the pins."""
        with suppress(self._errors, OSError):
            self._opened.close()


def library() -> Any:  # noqa: ANN401 - it ships no types
    """Return the package gpiozero.

    Raises:
        MissingExtra: It is not installed.

    """
    try:
        return import_module("gpiozero")
    except ImportError as error:
        raise MissingExtra("gpiozero", "gpio") from error


def _number(place: Place) -> int | str | None:
    return place.line if place.pin is None else place.pin


def _refused(place: Place, error: Exception) -> DeviceError:
    return place.error(
        f"{place.user} pin {_number(place)}: {error}; expected a free pin, and a board that "
        f"gpiozero knows; try library = 'gpiod'"
    )
