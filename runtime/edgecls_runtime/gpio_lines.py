"""Edges of a line of the kernel's GPIO chips, with the kernel's own time, in a thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from edgecls.errors import MissingExtra, TriggerError

if TYPE_CHECKING:
    from gpiod import EdgeEvent, LineRequest

WAIT = timedelta(seconds=0.1)
RETRY_S = 0.5
GRACE_S = 2.0
# The most that the kernel keeps of edges that were not read yet.
MOST_KEPT = 1024


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

    """

    pin: int | None
    line: str | None
    chip: str | None
    pull: Pull

    def __str__(self) -> str:
        return " ".join(filter(None, ("gpio trigger", self.chip, f"line {self.name}")))

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
    ) -> None:
        """Begin to watch.

        Args:
            place: Which line.
            change: Told ``rising`` and ``at``, monotonic seconds, for each edge.
            lose: Told why the line is gone, or that edges were.
            back: Told when it is there again.

        Raises:
            TriggerError: There is no such line, or somebody else has it.

        """
        self._place, self._change, self._lose, self._back = place, change, lose, back
        self._request = _requested(place)
        self._number: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpio", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the line; closing twice is allowed."""
        self._stopping.set()
        self._thread.join(GRACE_S)

    def _watch(self) -> None:
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
            except TriggerError as error:
                self._lose(str(error))
                continue
            self._back()
            return


def chips() -> list[str]:
    """Return the devices of the chips here."""
    return sorted(str(path) for path in Path("/dev").glob("gpiochip*"))


def _requested(place: Place) -> "LineRequest":
    """Ask the kernel for both edges of a line.

    Raises:
        TriggerError: There is no such line, or somebody else has it.

    """
    try:
        import gpiod  # noqa: PLC0415 - an extra
        from gpiod.line import Bias, Clock, Direction, Edge  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("gpiod", "gpio") from error
    bias = {Pull.NONE: Bias.DISABLED, Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN}
    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=bias[place.pull],
        event_clock=Clock.MONOTONIC,
    )
    chip, offset = _found(place)
    try:
        return gpiod.request_lines(
            chip, {offset: settings}, consumer="edgecls", event_buffer_size=MOST_KEPT
        )
    except (OSError, ValueError) as error:
        raise TriggerError(
            f"{place}: {_reason(error)}; expected a line of {chip} that nobody else has"
        ) from error


def _found(place: Place) -> tuple[str, int]:
    """Return the chip of a line and its number there."""
    import gpiod  # noqa: PLC0415 - an extra

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
                raise TriggerError(
                    f"{place}: {_reason(error)}; expected a line of {device}; try: gpioinfo"
                ) from error
    found = ", ".join(devices) or "no /dev/gpiochip* here"
    raise TriggerError(
        f"{place}: no line of this name; looked on: {found}; give chip, or see: gpioinfo"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "no permission; are you in group gpio?"
    return getattr(error, "strerror", None) or str(error)
