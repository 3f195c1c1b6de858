"""Lines of the kernel's GPIO chips: where they are, and their edges, in a thread of its own.

Edges carry the kernel's own time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.errors import DeviceError, MissingExtra, TriggerError
from edgecls_runtime import packages
from edgecls_runtime.pins.alarm import be_urgent
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from gpiod import EdgeEvent, LineRequest

WAIT = timedelta(seconds=0.1)
RETRY_S = 0.5
GRACE_S = 2.0
# The most that the kernel keeps of edges that were not read yet.
MOST_KEPT = 1024
# What gpioinfo shows of who has a line.
CONSUMER = "edgecls"


HIGHEST_PIN = 65_535


class Library(StrEnum):
    """Who moves the pin."""

    GPIOD = "gpiod"  # the kernel's own interface, on any board; edges have the kernel's time
    GPIOZERO = "gpiozero"  # Raspberry Pi; also its pins far away, and its made-up ones


class Pull(StrEnum):
    """Resistor at the pin."""

    NONE = "none"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line is.

    Attributes:
        pin: Its number on the chip; without a chip, n of the name ``GPIOn``.
        line: Its name instead.
        chip: Device of the chip; None looks on each.
        pull: Resistor at the pin.
        user: Who wants it, for messages.
        error: What is raised when it cannot be had.

    """

    pin: int | None
    line: str | None
    chip: str | None
    pull: Pull = Pull.NONE
    user: str = "gpio trigger"
    error: type[DeviceError] = TriggerError

    def __str__(self) -> str:
        return " ".join(filter(None, (self.user, self.chip, f"line {self.name}")))

    @property
    def name(self) -> str:
        """The name to look for; the number, where that is all that is known."""
        if self.line is not None:
            return self.line
        return str(self.pin) if self.chip else f"GPIO{self.pin}"


class ChipLine:
    """One line that is watched, and reached again when its chip was unplugged."""

    def __init__(
        self,
        place: Place,
        change: Callable[..., object],
        lose: Callable[[str], object],
        back: Callable[[], object],
        *,
        urgent: bool = False,
    ) -> None:
        """Begin to watch.

        Args:
            place: Which line.
            change: Told ``rising`` and ``at``, monotonic seconds, for each edge.
            lose: Told why the line is gone, or that edges were.
            back: Told when it is there again.
            urgent: Whether all other threads wait for an edge; ``change`` must then be short.

        Raises:
            DeviceError: The place's own: there is no such line, or somebody else has it.

        """
        self._place, self._change, self._lose, self._back = place, change, lose, back
        self._request = _requested(place)
        self._number: int | None = None
        self._urgent = urgent
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpio", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the line; closing twice is allowed."""
        self._stopping.set()
        self._thread.join(GRACE_S)

    def _watch(self) -> None:
        if self._urgent:
            be_urgent()
        while not self._stopping.is_set():
            try:
                if self._request.wait_edge_events(WAIT):
                    for event in self._request.read_edge_events():
                        self._take(event)
            except OSError as error:  # the chip was unplugged
                self._lose(f"{self._place}: {error.strerror}; is the chip plugged in?")
                self._request.release()
                self._again()
        self._request.release()

    def _take(self, event: "EdgeEvent") -> None:
        expected, self._number = self._number, event.line_seqno + 1
        if expected is not None and event.line_seqno > expected:
            self._lose(
                f"{self._place}: {event.line_seqno - expected} edges were lost, too many at once; "
                f"parts may have been missed; does the line chatter?"
            )
            self._back()
        rising = event.event_type is event.Type.RISING_EDGE
        self._change(rising=rising, at=event.timestamp_ns / 1e9)

    def _again(self) -> None:
        while not self._stopping.wait(RETRY_S):
            try:
                self._request, self._number = _requested(self._place), None
            except DeviceError as error:
                self._lose(str(error))
                continue
            self._back()
            return


def chips() -> list[str]:
    """Return the devices of the chips here."""
    return sorted(str(path) for path in Path("/dev").glob("gpiochip*"))


def library() -> Any:  # noqa: ANN401 - an extra, whose types need not be here
    """Return the package gpiod.

    Raises:
        MissingExtra: It is not installed.

    """
    try:
        return import_module("gpiod")
    except ImportError as error:
        raise MissingExtra("gpiod", "gpio") from error


def probed(kind: str, what: str) -> Probed:
    """Say for a kind whether the package is here, and which chips, and ``what`` they offer."""
    package, devices = packages.installed("gpiod"), chips()
    if package is None:
        return Probed(kind, ready=False, what=str(MissingExtra("gpiod", "gpio")))
    if not devices:
        missing = "no /dev/gpiochip* here; expected a board with pins"
        return Probed(kind, ready=False, what=missing, package=str(package))
    return Probed(kind, ready=True, what=what, package=str(package), devices=tuple(devices))


def _requested(place: Place) -> "LineRequest":
    """Ask the kernel for both edges of a line.

    Raises:
        DeviceError: There is no such line, or somebody else has it.

    """
    gpiod = library()
    from gpiod.line import Bias, Clock, Direction, Edge  # noqa: PLC0415 - an extra

    bias = {Pull.NONE: Bias.DISABLED, Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN}
    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=bias[place.pull],
        event_clock=Clock.MONOTONIC,
    )
    chip, offset = found(place)
    try:
        return gpiod.request_lines(  # type: ignore[no-any-return]
            chip, {offset: settings}, consumer=CONSUMER, event_buffer_size=MOST_KEPT
        )
    except (OSError, ValueError) as error:
        raise refused(place, chip, error) from error


def refused(place: Place, chip: str, error: Exception) -> DeviceError:
    """Return the error of a line that is there and is not to be had."""
    return place.error(f"{place}: {reason(error)}; expected a line of {chip} that nobody else has")


def found(place: Place) -> tuple[str, int]:
    """Return the device of the chip of a line, and its number there.

    Raises:
        DeviceError: There is no such line.

    """
    gpiod = library()
    if place.chip is None:
        devices = chips()
    else:
        devices = [place.chip if "/" in place.chip else f"/dev/{place.chip}"]
    wanted: int | str = place.name
    if place.chip is not None and place.pin is not None:
        wanted = place.pin
    for device in devices:
        try:
            with gpiod.Chip(device) as chip:
                return device, chip.line_offset_from_id(wanted)
        except (OSError, ValueError) as error:
            if place.chip is not None:
                raise place.error(
                    f"{place}: {reason(error)}; expected a line of {device}; try: gpioinfo"
                ) from error
    seen = ", ".join(devices) or "no /dev/gpiochip* here"
    raise place.error(
        f"{place}: no line of this name; looked on: {seen}; give chip, or see: gpioinfo"
    )


def reason(error: Exception) -> str:
    """Return what the kernel says of a line, and what helps."""
    if isinstance(error, PermissionError):
        return "no permission; are you in group gpio?"
    return getattr(error, "strerror", None) or str(error)
