"""Parts that were announced and wait for their turn: none is lost without being counted.

Triggers hear of parts in threads of their own (a pin, a broker, a web server); a station takes them
in their order.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass

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


class Announcements:
    """A queue that several threads fill and one empties.

    Attributes:
        received: Parts that were announced.
        overrun: Those of them that found the queue full: nobody will look at them.

    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        """Begin with an empty queue of ``most`` places."""
        self.received = self.overrun = 0
        self._most = most
        self._arrived = threading.Condition()
        self._signals: deque[Signal] = deque()

    def put(self, part: str | None = None, at: float | None = None) -> bool:
        """Announce a part; False when the queue is full, and it is only counted.

        Args:
            part: Its id.
            at: Monotonic seconds when it was seen; None is now.

        """
        signal = Signal(time.monotonic() if at is None else at, part)
        with self._arrived:
            self.received += 1
            if len(self._signals) >= self._most:
                self.overrun += 1
                return False
            self._signals.append(signal)
            self._arrived.notify()
        return True

    def wait(self, timeout: float) -> Signal | None:
        """Return the oldest part that waits, or None when none came within ``timeout`` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._signals, timeout)
            return self._signals.popleft() if self._signals else None
