"""Parts announced by a program: a line on stdin for each, or a call of ``announce``.

    seq 3 | edgecls run station.toml

A line is the part's id; an empty one announces a part that gets a number. At the end of stdin the
run ends, when every part was judged.
"""

import os
import select
import threading
import time

from edgecls.errors import TriggerError
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.announcing.part_ids import part_id
from edgecls_runtime.probe import Probed

STDIN = 0
# Why nobody opens it only to see whether it can be.
CONSUMES = "it takes the lines of stdin, and each is a part"
# A line that never ends must not fill the memory; an id is cut far below this.
LONGEST_LINE = 65_536
GRACE_S = 2.0


class SoftwareTrigger(Announcements):
    """Announces what it is told to."""

    def announce(self, part: str = "", at: float | None = None) -> bool:
        """Announce a part, from any thread; False when 1000 others wait, and it is only counted.

        Args:
            part: Its id; empty to have it numbered.
            at: Monotonic seconds when it was seen; None is now.

        """
        return self.put(part_id(part), at) is not None


class LinesTrigger(SoftwareTrigger):
    """Announces a part for each line that a file descriptor gives."""

    def __init__(self, descriptor: int) -> None:
        """Begin to read; the descriptor stays open."""
        super().__init__()
        self._descriptor = descriptor
        # Who waits in a read cannot be ended; who waits in a select can.
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._read, name="stdin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; closing twice is allowed."""
        super().close()
        if self._wake >= 0:
            os.close(self._wake)
            self._thread.join(GRACE_S)
            os.close(self._woken)
            self._wake = -1

    def _read(self) -> None:
        rest = b""
        while True:
            ready, _, _ = select.select([self._descriptor, self._woken], [], [])
            if self._woken in ready:
                return
            try:
                data = os.read(self._descriptor, LONGEST_LINE)
            except OSError as error:
                self.end(f"software trigger: stdin: {error.strerror}")
                return
            at = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            if not data and rest:  # the last line needs no end
                lines, rest = [rest], b""
            for line in lines:
                self.put(part_id(line), at)
            rest = rest[:LONGEST_LINE]
            if not data:
                self.end("software trigger: stdin is at its end")
                return


def open(*, stdin: bool = True) -> SoftwareTrigger:
    """Open a trigger that a program pulls.

    Args:
        stdin: A part for each line there; false leaves it to calls of ``announce``.

    """
    if not stdin:
        return SoftwareTrigger()
    try:
        os.fstat(STDIN)
    except OSError as error:
        raise TriggerError(
            f"software trigger: stdin is closed; expected a line for each part; "
            f"what starts this must leave it open: {error.strerror}"
        ) from error
    return LinesTrigger(STDIN)


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("software", ready=True, what="a line on stdin for each part")
