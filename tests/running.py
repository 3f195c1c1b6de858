"""``edgecls run`` in a process of its own, for tests."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAIT_S = 30.0

Line = dict[str, object]


class Run:
    """A station in a process of its own, and the JSON lines it writes as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def next(self) -> Line:
        """Return the next line, waiting for it."""
        text = self._lines.get(timeout=WAIT_S)
        assert text is not None, f"ended: {self._process.stderr and self._process.stderr.read()}"
        line: Line = json.loads(text)
        return line

    def until(self, wanted: Callable[[Line], bool]) -> Line:
        """Pass over lines up to the wanted one."""
        deadline = time.monotonic() + WAIT_S
        while not wanted(line := self.next()):
            assert time.monotonic() < deadline, f"waited in vain; last: {line}"
        return line

    def send(self, number: signal.Signals) -> None:
        """Send a signal that does not end it."""
        self._process.send_signal(number)

    def end(self, by: signal.Signals) -> tuple[int, Line, str]:
        """Send a signal; return the exit code, the last line and what stderr says."""
        self._process.send_signal(by)
        return self.wait()

    def wait(self) -> tuple[int, Line, str]:
        """Wait for the end; return the exit code, the last line and what stderr says."""
        code = self._process.wait(WAIT_S)
        self._thread.join()
        lines = list(iter(self._lines.get, None))
        assert self._process.stderr is not None
        return code, json.loads(lines[-1]), self._process.stderr.read()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def started(*arguments: object) -> Iterator[Run]:
    command = [sys.executable, "-m", "edgecls", "run", *map(str, arguments), "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Run(process)
        finally:
            process.kill()
