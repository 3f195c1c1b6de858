"""What a journal needs now and then, away from whoever records a verdict."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgecls_runtime.journal import retention
from edgecls_runtime.journal.steady_clock import SteadyClock

PERIOD_S = 1.0
GRACE_S = 5.0
# Between two looks for verdicts that are too old.
REMOVE_EVERY = 60


class Housekeeping:
    """A thread with a connection of its own."""

    def __init__(
        self, path: Path, tidy: Callable[[sqlite3.Connection], None], keep_days: float
    ) -> None:
        """Begin.

        Args:
            path: The journal's file.
            tidy: Called every second with a connection of this thread.
            keep_days: Older verdicts are removed; 0 removes none.

        """
        self._path, self._tidy, self._keep_days = path, tidy, keep_days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; closing twice is allowed."""
        self._stopping.set()
        self._thread.join(GRACE_S)

    def _work(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None, timeout=2.0)
        rounds, clock = 0, SteadyClock(time.time(), time.monotonic())
        while not self._stopping.wait(PERIOD_S):
            # A full disk is told of where verdicts are recorded.
            with suppress(sqlite3.Error, OSError):
                steady = clock.is_steady(time.time(), time.monotonic())
                self._tidy(database)
                if self._keep_days and steady and rounds % REMOVE_EVERY == 0:
                    oldest = datetime.now(UTC) - timedelta(days=self._keep_days)
                    retention.remove(database, oldest.isoformat(timespec="milliseconds"))
            rounds += 1
        database.close()
