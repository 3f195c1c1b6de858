"""One trigger for several cameras: each part is announced to every one of them.

A pin, a port or a broker's client can be opened once; a station with several cameras wants each
part seen by all.
"""

import threading
from dataclasses import replace

from edgecls.errors import EndOfStream
from edgecls_runtime.announcing.announcements import Announcements, Heard
from edgecls_runtime.protocols import Counting, Trigger

WAIT_S = 0.5
LOST_S = 0.1
GRACE_S = 2.0


class Way(Announcements):
    """What one camera hears of a trigger that others hear, too."""

    def __init__(self, source: Trigger, *, is_first: bool) -> None:
        """Begin with an empty queue.

        Args:
            source: What is heard; a part that it could not keep is one of every way.
            is_first: Whether what it ignored, which is no part, is counted here.

        """
        super().__init__()
        self._source, self._is_first = source, is_first

    @property
    def heard(self) -> Heard:
        """The counters, of one moment."""
        own = super().heard
        if not isinstance(self._source, Counting):
            return own
        source = self._source.heard
        # What the source could not keep was announced, and to nobody.
        return replace(
            own,
            announced=own.announced + source.overrun,
            overrun=own.overrun + source.overrun,
            ignored=source.ignored if self._is_first else 0,
        )


class Fork:
    """Listens to a trigger in a thread of its own, and tells every way."""

    def __init__(self, trigger: Trigger, ways: int) -> None:
        """Begin to listen.

        Args:
            trigger: Closed by this.
            ways: How many listen.

        """
        self.ways = [Way(trigger, is_first=not number) for number in range(ways)]
        self._trigger = trigger
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fork", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; closing twice is allowed."""
        self._stopping.set()
        self._trigger.close()
        self._thread.join(GRACE_S)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                signal = self._trigger.wait(WAIT_S)
            except EndOfStream as error:
                for way in self.ways:
                    way.end(str(error))
                return
            except Exception as error:  # noqa: BLE001 - a thread that dies announces nothing
                for way in self.ways:
                    way.lose(str(error))
                self._stopping.wait(LOST_S)
                continue
            for way in self.ways:
                way.back()
                if signal is not None:
                    way.put(signal.part, signal.at)
