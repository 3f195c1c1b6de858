"""How far a belt has moved: by the clock, where its speed is steady, or by an encoder's counts."""

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Protocol

# More than lie between the camera and any gate.
MOST_COUNTS = 60_000


class Belt(Protocol):
    """What moves parts to the gate.

    Attributes:
        unit: Of positions, for messages.

    """

    unit: str

    def now(self) -> float:
        """Return the position."""
        ...

    def at(self, moment: float) -> float:
        """Return the position of a moment, monotonic seconds."""
        ...

    def when(self, position: float) -> float | None:
        """Return the moment when it will be there, infinite for never; None where it may stop."""
        ...


class TimedBelt:
    """A belt of steady speed: its position is the time, in seconds."""

    unit = "s"

    def now(self) -> float:
        """Return the time."""
        return time.monotonic()

    def at(self, moment: float) -> float:
        """Return that time."""
        return moment

    def when(self, position: float) -> float:
        """Return that time."""
        return position


class CountedBelt:
    """A belt with an encoder: its position is the number of rising edges; it may stop."""

    unit = "counts"

    def __init__(self, moved: Callable[[], object]) -> None:
        """Begin at 0.

        Args:
            moved: Called after each count, by the thread that hears the edges.

        """
        self._moved = moved
        self._moments: deque[float] = deque(maxlen=2 * MOST_COUNTS)
        self._count = 0
        self._lock = threading.Lock()

    def change(self, *, rising: bool, at: float) -> None:
        """Take an edge, at monotonic seconds, in the order of time."""
        if rising:
            with self._lock:
                self._moments.append(at)
                self._count += 1
            self._moved()

    def now(self) -> float:
        """Return the count."""
        return self._count

    def at(self, moment: float) -> float:
        """Return the count of a moment; of one before all that is kept, the oldest."""
        with self._lock:
            # From the newest: a part was seen a moment ago.
            later = takewhile(lambda one: one > moment, reversed(self._moments))
            return self._count - sum(1 for _ in later)

    def when(self, position: float) -> None:
        """Return nothing: it may stop."""
