"""The map that a PLC asks for: state, counters, times and the last result (``docs/modbus.md``).

Coils and inputs are the same bits, holding and input registers the same registers. Each answer is
of one moment: what is read in one request belongs together.
"""

import threading
import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TypeVar

from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.modbus.result import HEADER, following, registers, words
from edgecls_runtime.modbus.server import Refusal, RefusedError
from edgecls_runtime.tally import Tally

T = TypeVar("T")
VERSION = 1
RESULT = 32
COMMANDS = 1000


class State(IntEnum):
    """What a PLC may expect."""

    IDLE = 0  # nothing was judged yet
    RUNNING = 1
    SAFE = 2  # nothing here can be relied on


class Command(IntEnum):
    """Registers that a PLC writes, from ``COMMANDS``."""

    RESET = 0
    RECIPE = 1
    ACKNOWLEDGE = 2


class StationMap:
    """Keeps the map, for any thread.

    Attributes:
        on_recipe: Called with the number that a PLC writes to the register for recipes, by the
            server's thread: it returns at once, and raises ValueError for a number that stands for
            none. While it is None, such a write is refused.

    """

    def __init__(self, labels: Sequence[str], part_registers: int) -> None:
        """Begin to count.

        Args:
            labels: Those with a code; empty is the bundle's order.
            part_registers: Room for the part's id.

        """
        self.on_recipe: Callable[[int], object] | None = None
        self._labels, self._part_registers = labels, part_registers
        self._changed = threading.Condition()
        self._state = State.IDLE
        self._tally = Tally()
        self._heartbeat = self._sequence = self._acknowledged = self._recipe = 0
        self._block = [0] * (HEADER + part_registers)
        self._outcome: Outcome | None = None
        self._reset()

    def expect(self, part: str) -> None:
        """Take note of a part that was announced."""
        with self._changed:
            self._tally.expect(part)

    def show(self, verdict: Verdict) -> None:
        """Count a verdict, and show it."""
        block = registers(verdict, self._labels, self._part_registers)
        with self._changed:
            self._tally.count(verdict)
            if verdict.latency is not None:
                self._times.append(verdict.latency)
            self._sequence = block[0] = following(self._sequence)
            self._block, self._outcome = block, verdict.outcome
            self._state = State.RUNNING

    def await_acknowledged(self, longest: float) -> int:
        """Wait until the PLC has the last result; return its sequence where it has not, else 0."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._acknowledged == self._sequence, longest)
            return 0 if done else self._sequence

    def beat(self) -> None:
        """Count a sign of life."""
        with self._changed:
            self._heartbeat = following(self._heartbeat)

    def make_safe(self) -> None:
        """Show that nothing can be relied on, until the next verdict."""
        with self._changed:
            self._state, self._outcome = State.SAFE, None

    def bits(self, first: int, count: int) -> Sequence[bool]:
        """Return bits: running, safe, an outcome each, toggling, not acknowledged."""
        with self._changed:
            found = [
                self._state is State.RUNNING,
                self._state is State.SAFE,
                *(self._outcome is outcome for outcome in Outcome),
                self._sequence % 2 == 1,
                self._acknowledged != self._sequence,
            ]
        return _piece(found, first, count)

    def registers(self, first: int, count: int) -> Sequence[int]:
        """Return registers of the map, or of the commands."""
        with self._changed:
            if first >= COMMANDS:
                return _piece([0, self._recipe, self._acknowledged], first - COMMANDS, count)
            status = self._status()
            return _piece([*status, *[0] * (RESULT - len(status)), *self._block], first, count)

    def write(self, first: int, values: Sequence[int]) -> None:
        """Obey a PLC: a recipe first, because it may be refused."""
        numbers = range(first - COMMANDS, first - COMMANDS + len(values))
        if not (numbers.start >= 0 and numbers.stop <= len(Command)):
            raise RefusedError(Refusal.ADDRESS)
        orders = dict(zip(map(Command, numbers), values, strict=True))
        if Command.RECIPE in orders:
            self._order(orders[Command.RECIPE])
        with self._changed:
            if orders.get(Command.RESET):
                self._reset()
            if Command.ACKNOWLEDGE in orders:
                self._acknowledged = orders[Command.ACKNOWLEDGE]
                self._changed.notify_all()

    def _order(self, recipe: int) -> None:
        if self.on_recipe is None:
            raise RefusedError(Refusal.ADDRESS)
        try:
            self.on_recipe(recipe)
        except ValueError as error:
            raise RefusedError(Refusal.VALUE) from error
        except Exception as error:
            raise RefusedError(Refusal.FAILURE) from error
        with self._changed:
            self._recipe = recipe

    def _reset(self) -> None:
        self._tally.reset()
        self._times = _Times()
        self._since = time.monotonic()

    def _status(self) -> list[int]:
        return [
            VERSION,
            self._state,
            self._heartbeat,
            self._tally.waiting,
            *(word for count in self._tally.counts.values() for word in words(count)),
            *(word for number in self._times.us for word in words(number)),
            *words(int(time.monotonic() - self._since)),
        ]


class _Times:
    """How long verdicts took, in seconds: last, shortest, longest, average."""

    def __init__(self) -> None:
        self._last = self._total = self._longest = 0.0
        self._shortest = float("inf")
        self._count = 0

    def append(self, seconds: float) -> None:
        self._last = seconds
        self._shortest, self._longest = min(self._shortest, seconds), max(self._longest, seconds)
        self._total, self._count = self._total + seconds, self._count + 1

    @property
    def us(self) -> list[int]:
        """Microseconds of these four; 0 each where there was none."""
        if not self._count:
            return [0, 0, 0, 0]
        times = (self._last, self._shortest, self._longest, self._total / self._count)
        return [min(max(round(1e6 * one), 0), 2**32 - 1) for one in times]


def _piece(found: Sequence[T], first: int, count: int) -> Sequence[T]:
    if not (first >= 0 and first + count <= len(found)):
        raise RefusedError(Refusal.ADDRESS)
    return found[first : first + count]
