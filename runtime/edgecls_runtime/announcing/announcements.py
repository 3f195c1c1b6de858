"""Parts that were announced and wait for their turn: none is lost without being counted.

Triggers hear of parts in threads of their own (a pin, a broker, a web server); a station takes them
in their order.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edgecls.errors import EndOfStream, TriggerError

# More than a station can still look at; beyond it something chatters, and is counted only.
MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Signal:
    """One part, announced.

    Attributes:
        at: Monotonic seconds when it was.
        part: Its id, where the source knows one.

    """

    at: float
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a trigger has heard so far.

    Attributes:
        announced: Parts that were announced.
        overrun: Those of them that found the queue full: nobody will look at them.
        ignored: What was heard and announced no part: bounces, duplicates, retained messages.

    """

    announced: int = 0
    overrun: int = 0
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the parts that were announced.

    Attributes:
        announced: Parts.
        taken: Those of them that have a frame.
        missed: Those of them that have none.
        overrun: Those of the missed ones that found a queue full.
        ignored: As of ``Heard``.

    """

    announced: int = 0
    taken: int = 0
    missed: int = 0
    overrun: int = 0
    ignored: int = 0

    @property
    def waiting(self) -> int:
        """Those whose turn has not come: ``announced`` is ``taken``, ``missed`` and these."""
        return self.announced - self.taken - self.missed

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.announced + other.announced,
            self.taken + other.taken,
            self.missed + other.missed,
            self.overrun + other.overrun,
            self.ignored + other.ignored,
        )


class Announcements:
    """A queue that several threads fill and one empties: what most triggers are."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        """Begin with an empty queue of ``most`` places."""
        self._most = most
        self._announced = self._overrun = self._ignored = 0
        self._arrived = threading.Condition()
        self._signals: deque[Signal] = deque()
        self._keep: Callable[[Signal], object] = lambda _: None
        self._fault = self._end = ""
        self._is_back = self._is_told = self._closed = False

    @property
    def heard(self) -> Heard:
        """The counters, of one moment."""
        with self._arrived:
            return Heard(self._announced, self._overrun, self._ignored)

    @property
    def waiting(self) -> int:
        """Parts that were announced and not yet asked for."""
        with self._arrived:
            return len(self._signals)

    def put(self, part: str | None = None, at: float | None = None) -> Signal | None:
        """Announce a part; None when the queue is full, and it is only counted.

        Args:
            part: Its id; one without is numbered.
            at: Monotonic seconds when it was seen; None is now.

        Returns:
            The part as it will be judged.

        """
        with self._arrived:
            self._announced += 1
            if len(self._signals) >= self._most:
                self._overrun += 1
                return None
            # Named here, so that it is kept under the name by which it will be judged.
            named = part or str(self._announced)
            signal = Signal(time.monotonic() if at is None else at, named)
            self._keep(signal)
            self._signals.append(signal)
            self._arrived.notify()
        return signal

    def keep(self, keep: Callable[[Signal], object]) -> None:
        """Have each part written down before whoever announced it is told that it was taken.

        Args:
            keep: Called for the parts that wait already, and for each one that comes.

        """
        with self._arrived:
            for signal in self._signals:
                keep(signal)
            self._keep = keep

    def ignore(self) -> None:
        """Count something that was heard and announces no part."""
        with self._arrived:
            self._ignored += 1

    def lose(self, fault: str) -> None:
        """Say that the source is gone; parts that wait are given first."""
        with self._arrived:
            self._is_told = self._is_told and bool(self._fault)
            self._fault, self._is_back = fault, False
            self._arrived.notify_all()

    def back(self) -> None:
        """Say that the source is there again; a loss that nobody has seen is still told once."""
        with self._arrived:
            self._is_back = True
            if self._is_told:
                self._fault = ""

    def end(self, reason: str) -> None:
        """Say that no more parts will come; parts that wait are given first."""
        with self._arrived:
            self._end, self._is_back = reason, True
            if self._is_told:
                self._fault = ""
            self._arrived.notify_all()

    def wait(self, timeout: float) -> Signal | None:
        """Return the oldest part that waits, or None when none came within ``timeout`` seconds.

        Raises:
            TriggerError: The source is gone.
            EndOfStream: It has said that no more parts will come.

        """
        with self._arrived:
            self._arrived.wait_for(self._has_news, timeout)
            if self._closed:
                return None
            if self._signals:
                return self._signals.popleft()
            if self._fault:
                fault, self._is_told = self._fault, True
                if self._is_back:
                    self._fault = ""
                raise TriggerError(fault)
            if self._end:
                raise EndOfStream(self._end)
            return None

    def close(self) -> None:
        """End a wait, and every later one at once; closing twice is allowed."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def _has_news(self) -> bool:
        return bool(self._signals or self._fault or self._end or self._closed)
