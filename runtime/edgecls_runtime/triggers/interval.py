"""A part at regular times, whatever the camera's rate: for a belt of known pace, or a first try."""

import threading
import time

from edgecls.errors import ConfigError
from edgecls_runtime.announcing.announcements import Signal
from edgecls_runtime.probe import Probed

LONGEST_MS = 86_400_000


class IntervalTrigger:
    """Announces a part each ``period`` seconds, at times that do not drift."""

    def __init__(self, period: float) -> None:
        """Begin now: the first part comes after one period."""
        self._period = period
        self._due = time.monotonic() + period
        self._stopping = threading.Event()

    def wait(self, timeout: float) -> Signal | None:
        """Return the next part; after a hold-up, each one whose time has come."""
        if self._stopping.wait(min(max(self._due - time.monotonic(), 0.0), timeout)):
            return None
        if time.monotonic() < self._due:
            return None
        due, self._due = self._due, self._due + self._period
        return Signal(due)

    def close(self) -> None:
        """End a wait."""
        self._stopping.set()


def open(*, every_ms: float) -> IntervalTrigger:
    """Open a timer.

    Args:
        every_ms: From one part to the next.

    """
    if not 1 <= every_ms <= LONGEST_MS:
        raise ConfigError(f"trigger.every_ms: {every_ms:g}; expected 1 to {LONGEST_MS} (a day)")
    return IntervalTrigger(every_ms / 1000)


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("interval", ready=True, what="the clock of this machine")
