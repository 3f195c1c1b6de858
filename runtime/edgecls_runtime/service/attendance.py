"""Whoever attends to a running station: systemd is told how it is, and the machine is looked at.

One thread looks at the machine every few seconds and answers SIGHUP; it judges nothing, and no
station waits for it. Signs of life come from the stations' own loops (``notify``).
"""

import faulthandler
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

from edgecls.progress import Level, tell
from edgecls_runtime.host.conditions import Conditions
from edgecls_runtime.host.settings import HostSettings
from edgecls_runtime.service import notify
from edgecls_runtime.service.notify import Beats, Notifier

EVERY_S = 5.0
GRACE_S = 1.0


class Order(Enum):
    """What the attendance's thread is to do."""

    RELOAD = auto()
    END = auto()


class Attendance:
    """From before a station is opened until it is closed.

    Attributes:
        notifier: Whom systemd hears.
        conditions: What is wrong with the machine.

    """

    def __init__(
        self,
        host: HostSettings | None = None,
        disks: Sequence[Path] = (),
        notifier: Notifier | None = None,
        every: float = EVERY_S,
    ) -> None:
        """Begin; nothing is looked at yet.

        Args:
            host: From where on something is said of the machine.
            disks: Files whose disks must not fill up.
            notifier: Who is told; None is whoever the environment names.
            every: Seconds between two looks at the machine.

        """
        self.notifier = notifier or notify.from_environment()
        self.conditions = Conditions(host, disks, self._say)
        self._every = every
        self._note: Callable[[str], object] = lambda _: None
        self._status: Callable[[], str] = lambda: ""
        self._reload: Callable[[], object] = lambda: None
        # Its ``put`` may interrupt itself, as a signal's handler does.
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._attend, name="attendance", daemon=True)
        if self.notifier.watched:
            _enable_last_words()

    def beating(self) -> Beats:
        """Return what one more station beats."""
        return self.notifier.beating()

    def ready(
        self,
        status: Callable[[], str],
        note: Callable[[str], object],
        reload: Callable[[], object],
    ) -> None:
        """Say that parts may come, and begin to look.

        Args:
            status: What the station does, in one line.
            note: Keeps a line about the machine, as the journal does.
            reload: Reads the station file again, and returns when that is done; called by the
                attendance's thread.

        """
        self._status, self._note, self._reload = status, note, reload
        self.notifier.ready(status())
        self._thread.start()

    def hung_up(self) -> None:
        """Have the station file read again; a signal's handler may call it."""
        self._orders.put(Order.RELOAD)

    def stop(self) -> None:
        """Say once that the last part is being finished; may be called at each part."""
        if not self._stopping:
            self._stopping = True
            self.notifier.stopping()

    def close(self) -> None:
        """Attend no longer; closing twice is allowed."""
        self.stop()
        self._orders.put(Order.END)
        if self._thread.is_alive():
            self._thread.join(GRACE_S)  # a disk of a network may not answer
        self.notifier.close()

    def _attend(self) -> None:
        while True:
            self.conditions.sample()
            self.notifier.status(self._line())
            try:
                order = self._orders.get(timeout=self._every)
            except queue.Empty:
                continue
            if order is Order.END:
                return
            self.notifier.reloading()
            self._reload()
            self.notifier.ready(self._line())

    def _line(self) -> str:
        wrong = [one.text.partition(";")[0] for one in self.conditions.now]
        return "; ".join(filter(None, [self._status(), *wrong]))

    def _say(self, text: str, level: Level) -> None:
        tell(text, level)
        self._note(text)


def _enable_last_words() -> None:
    """Have every thread's place written to stderr when the watchdog ends the process (SIGABRT)."""
    with suppress(OSError, ValueError, AttributeError):  # no file, as in a test
        faulthandler.enable(sys.stderr)
