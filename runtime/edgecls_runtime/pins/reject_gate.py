"""A gate behind the camera: its pin, the parts on their way to it, and the thread that opens it."""

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from queue import Empty, SimpleQueue

from edgecls.errors import OutputError, OutputRefused
from edgecls.verdict import Cause, Verdict
from edgecls_runtime.pins.alarm import Alarm
from edgecls_runtime.pins.belts import Belt, CountedBelt, TimedBelt
from edgecls_runtime.pins.driven_pins import DrivenPins
from edgecls_runtime.pins.gpio_lines import ChipLine, Library, Place
from edgecls_runtime.pins.parts_in_flight import Late, PartsInFlight, Tally
from edgecls_runtime.pins.zero_pins import WatchedPin

PIN = "pin"
# Until a pin that was lost is tried again.
RETRY_S = 0.5


class SafeState(StrEnum):
    """What the gate does while it is not known what comes."""

    REJECT = "reject"  # everything is thrown out
    OFF = "off"  # nothing is: something else stops the belt


@dataclass(frozen=True, slots=True)
class Gate:
    """How the gate throws out.

    Attributes:
        distance: From where parts are seen, in positions of the belt.
        pulse: Seconds for which it opens.
        reject: What is thrown out, as verdicts count.
        safe: What it does while it is not known what comes.

    """

    distance: float
    pulse: float
    reject: frozenset[str]
    safe: SafeState

    @property
    def shown_safe(self) -> frozenset[str]:
        """The pins that are energised in the safe state."""
        return frozenset({PIN}) if self.safe is SafeState.REJECT else frozenset()


class RejectOutput:
    """Opens the gate for each part that is not known to be good, when it is there."""

    def __init__(self, gate: Gate, flight: PartsInFlight, pin: DrivenPins) -> None:
        """Begin with a pin that shows the safe state; ``begin`` sets it going."""
        self._gate, self._flight, self._pin = gate, flight, pin
        self._belt: Belt = TimedBelt()
        self._announced: SimpleQueue[tuple[str, float]] = SimpleQueue()
        self._latest = (-inf, -1.0)  # announcement: moment, position
        self._lock = threading.Lock()
        self._closing = False
        self._fault = ""
        self._following = inf  # position of the next part at the gate
        self._ends = self._for = -inf  # of the pulse: until when, and position
        self._slowest = 0.0
        self._stack = ExitStack()

    def begin(self, encoder: Place | None, library: Library) -> None:
        """Set it going.

        Args:
            encoder: Its pin; None goes by the clock.
            library: Who reads it.

        Raises:
            OutputError: The encoder's pin cannot be had.

        """
        if encoder is not None:
            self._belt = belt = CountedBelt(self._moved)
            if library is Library.GPIOD:
                line = ChipLine(encoder, belt.change, self._lose, _nothing, urgent=True)
                self._stack.callback(line.close)
            else:
                self._stack.callback(WatchedPin(encoder, belt.change).close)
        self._alarm = Alarm(self._ring, "reject output")
        self._stack.callback(self._alarm.close)

    @property
    def tally(self) -> Tally:
        """What became of parts so far."""
        return self._flight.tally

    @property
    def slowest(self) -> float:
        """Seconds by which the gate has opened too late, at the worst."""
        return self._slowest

    def expect(self, part: str, at: float) -> None:
        """Enter a part that was announced, at monotonic seconds."""
        self._announced.put((part, at))
        self._alarm.wake()

    def send(self, verdict: Verdict) -> None:
        """Fill in what becomes of a part; the gate opens when it is there.

        Raises:
            OutputRefused: The part was at the gate before, or its place on the belt was lost.
            OutputError: The encoder's counts were lost, or the pin is gone.

        """
        with self._lock:
            if self._closing:
                raise OutputError("reject output: closed; expected no verdict any more")
            self._enter_announced()
            late, fault = self._judge(verdict), ""
            if late is None:  # else it is told with the next one
                fault, self._fault = self._fault, ""
        self._alarm.wake()
        if late is not None:
            raise OutputRefused(self._told(late, verdict))
        if fault:
            raise OutputError(fault)

    def make_safe(self, reason: str) -> None:  # noqa: ARG002 - a gate has no words
        """Enter the safe state, until the first part that is judged afterwards is at the gate.

        Raises:
            OutputError: The pin is gone.

        """
        with self._lock:
            if not self._closing:
                self._flight.distrust()
                self._show(time.monotonic())

    def close(self) -> None:
        """Show the safe state and let go of the pins; closing twice is allowed."""
        with self._lock:
            self._closing = True
        self._stack.close()
        with suppress(OutputError):
            self._pin.show(self._gate.shown_safe)
        self._pin.close()

    def _judge(self, verdict: Verdict) -> Late | None:
        seen = verdict.captured_at if verdict.announced_at is None else verdict.announced_at
        rejects = verdict.counts_as in self._gate.reject
        if verdict.cause is Cause.INCIDENT or seen is None:
            if rejects:  # parts may have come by that nobody saw
                self._flight.distrust()
            return None
        gate = self._belt.at(seen) + self._gate.distance
        return self._flight.judge(verdict.part, gate, self._belt.now(), rejects=rejects)

    def _enter_announced(self) -> None:
        with suppress(Empty):
            while True:
                part, at = self._announced.get_nowait()
                place = self._belt.at(at)
                before, self._latest = self._latest, (at, place)
                if before[1] == place and before[0] != at:
                    self._fault = (
                        f"reject output: no count of the encoder between two parts; expected the "
                        f"belt to move; is the encoder connected? parts: {part} and the one before"
                    )
                    self._flight.distrust()
                self._flight.expect(part, place + self._gate.distance)

    def _moved(self) -> None:
        if self._belt.now() >= self._following:
            self._alarm.wake()

    def _lose(self, fault: str) -> None:
        with self._lock:
            self._enter_announced()
            self._flight.lose()
            self._fault = fault
        self._alarm.wake()

    def _ring(self, now: float) -> float | None:
        """Do what time has come for; return when to be called again."""
        with self._lock:
            if self._closing:
                return None
            self._enter_announced()
            self._arrive(now)
            try:
                self._show(now)
            except OutputError as error:
                self._flight.distrust()
                self._fault = str(error)
                return now + RETRY_S
            self._following = self._flight.next
            if self._belt.now() >= self._following:  # it came meanwhile
                return now
            moments = [self._belt.when(self._following)]
            if now < self._ends:
                moments.append(self._ends)
            return min((one for one in moments if one is not None and one < inf), default=None)

    def _arrive(self, now: float) -> None:
        for part in self._flight.arrive(self._belt.now()):
            if part.is_rejected:
                self._ends, self._for = now + self._gate.pulse, part.gate
                self._slowest = max(self._slowest, now - (self._belt.when(part.gate) or now))
            elif now < self._ends and part.gate != self._for:
                self._flight.take_along()

    def _show(self, now: float) -> None:
        if not self._flight.is_trusted:
            self._pin.show(self._gate.shown_safe)
        else:
            self._pin.show({PIN} if now < self._ends else ())

    def _told(self, late: Late, verdict: Verdict) -> str:
        by = f"{1000 * late.by:.0f} ms" if self._belt.unit == "s" else f"{late.by:g} counts"
        part = f"reject output: part {verdict.part}"
        if late.was == "lost":
            return (
                f"{part}: its place on the belt was lost before its verdict "
                f"({verdict.counts_as}); expected every count of the encoder"
            )
        became = "it was rejected" if late.was == "rejected" else "it was not announced"
        return (
            f"{part}: at the gate {by} before its verdict ({verdict.counts_as}), {became}; "
            f"expected the verdict first; move the gate further away, or judge faster"
        )


def _nothing() -> None:
    """Do nothing: trust comes back with parts."""
