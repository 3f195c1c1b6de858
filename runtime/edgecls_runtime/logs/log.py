"""Lines on their way to stderr: written by a thread, so that nobody waits for who reads them.

A slow journald, or a pipe that nobody empties, holds up a program in ``write``. Here it holds up
the log's own thread; what finds the queue full is counted, and said when there is room again.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from edgecls.progress import Level
from edgecls_runtime.logs.limiter import Limiter
from edgecls_runtime.logs.line import Line

MOST_WAITING = 1000
# At the end the rest is written in this time, or not at all.
LAST_S = 1.0


class Log:
    """Where lines go (``edgecls.progress.Door``)."""

    def __init__(
        self,
        written: Callable[[Line], str],
        limiter: Limiter,
        out: int | None = None,
        most: int = MOST_WAITING,
    ) -> None:
        """Begin to write.

        Args:
            written: How a line is written.
            limiter: What is written of many that are alike.
            out: File descriptor; None is stderr.
            most: Lines that wait; more are lost, and counted.

        """
        self._written, self._limiter, self._most = written, limiter, most
        self._out = _stderr() if out is None else out
        self._waiting: deque[Line] = deque()
        self._lost = 0
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def say(self, text: str, level: Level) -> None:
        """Take one line, and return at once."""
        line = Line.of(text, level, time.time())
        with self._change:
            self._take(self._limiter.admitted(line, time.monotonic()))

    def close(self) -> None:
        """Write what waits, and sum up what was held back; closing twice is allowed."""
        with self._change:
            if not self._closed:
                self._take(self._limiter.rest())
            self._closed = True
            self._change.notify()
        self._thread.join(LAST_S)

    def _take(self, lines: list[Line]) -> None:
        for line in lines:
            if len(self._waiting) >= self._most:
                self._lost += 1
            else:
                self._waiting.append(line)
        if lines:
            self._change.notify()

    def _write(self) -> None:
        while lines := self._next():
            text = "".join(map(self._written, lines))
            try:
                self._put(text)
            except OSError:  # nobody will ever read it
                continue

    def _next(self) -> list[Line]:
        """Wait for lines and return them; none at the end."""
        with self._change:
            while not self._waiting and not self._closed:
                ends = self._limiter.next_due()
                self._change.wait(None if ends is None else max(ends - time.monotonic(), 0.0))
                self._take(self._limiter.due(time.monotonic()))
            lines = [*self._waiting]
            self._waiting.clear()
            if self._lost:
                text = f"log: {self._lost} lines lost; stderr was not read in time"
                lines.append(Line(text, Level.WARNING, time.time()))
                self._lost = 0
            return lines

    def _put(self, text: str) -> None:
        if self._out is None:
            sys.stderr.write(text)
            sys.stderr.flush()
            return
        # Below Python's own buffer: a thread that is held up in there holds up the end, too.
        data = memoryview(text.encode(errors="backslashreplace"))
        while data:
            data = data[os.write(self._out, data) :]


def _stderr() -> int | None:
    """Return the file descriptor of stderr; None where it is no file."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return None
