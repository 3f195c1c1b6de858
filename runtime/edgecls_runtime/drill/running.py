"""A drill's station from outside: what it tells and says, when, and how it is ended."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from edgecls_runtime.drill.plan import Plan

STOP_S = 15.0
CHILD = "edgecls_runtime.drill.process"

Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """One verdict that an output was told.

    Attributes:
        at: When, monotonic seconds.
        table: As of ``Verdict.table``.

    """

    at: float
    table: Table

    @property
    def frame(self) -> int | None:
        """Number of its frame."""
        number = self.table["frame_number"]
        return number if isinstance(number, int) else None

    @property
    def is_judged(self) -> bool:
        """Whether the network saw it."""
        return self.table["label"] is not None

    @property
    def passed(self) -> bool:
        """Whether the part was let through."""
        return self.table["outcome"] == "pass"


@dataclass
class Running:
    """A station that runs.

    Attributes:
        process: Its process.
        began: When it was started, monotonic seconds.
        told: Verdicts, as they come.
        said: Lines for people, as they come, with when.

    """

    process: subprocess.Popen[str]
    began: float
    told: list[Told] = field(default_factory=list)
    said: list[tuple[float, str]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to listen."""
        for work, stream in (
            (self._collect, self.process.stdout),
            (self._hear, self.process.stderr),
        ):
            assert stream is not None  # noqa: S101 - they are pipes
            thread = threading.Thread(target=work, args=(stream,), daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    @property
    def last_words(self) -> str:
        """What it said at last; why it ended, where it did."""
        return self.said[-1][1] if self.said else f"exit code {self.process.poll()}"

    def until(self, wanted: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, at most so long; return whether it is."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not wanted():
                left = deadline - time.monotonic()
                if left <= 0 or (self.has_ended and not self._is_listening):
                    return wanted()
                self._news.wait(min(left, 0.2))
        return True

    def until_told(self, wanted: Callable[[Told], bool], seconds: float) -> Told | None:
        """Wait for a verdict, also one that came before; None when none came in time."""
        found: list[Told] = []
        seen = 0

        def look() -> bool:
            nonlocal seen
            news, seen = self.told[seen:], len(self.told)
            found.extend(one for one in news if wanted(one))
            return bool(found)

        return found[0] if self.until(look, seconds) else None

    def until_said(self, text: str, seconds: float) -> float | None:
        """Wait until it says a line with a text in it; return when, or None."""

        def when() -> float | None:
            return next((at for at, line in self.said if text in line), None)

        return when() if self.until(lambda: when() is not None, seconds) else None

    def do(self, what: str, seconds: float) -> None:
        """Have something befall it from within."""
        stdin = self.process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe
        with suppress(BrokenPipeError):
            stdin.write(json.dumps({"do": what, "seconds": seconds}) + "\n")
            stdin.flush()

    def kill(self) -> None:
        """End it as a power switch does."""
        self.process.kill()
        self._finish()

    def stop(self) -> int:
        """Ask it to end; return its exit code, that of a kill where it does not."""
        if not self.has_ended:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        if not self.has_ended:
            self.process.kill()
        self._finish()
        return self.process.returncode

    @property
    def _is_listening(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _finish(self) -> None:
        self.process.wait()
        for thread in self._threads:
            thread.join(STOP_S)

    def _collect(self, stdout: IO[str]) -> None:
        for line in stdout:
            at = time.monotonic()
            with suppress(ValueError):  # half a line, of a process that was killed
                table = json.loads(line)
                with self._news:
                    self.told.append(Told(at, table))
                    self._news.notify_all()

    def _hear(self, stderr: IO[str]) -> None:
        for line in stderr:
            with self._news:
                self.said.append((time.monotonic(), line.strip()))
                self._news.notify_all()


@contextmanager
def started(plan: Plan) -> Iterator[Running]:
    """Start the station of a plan; end it, whatever happens."""
    plan.told.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", CHILD, str(plan.write())]
    pipe = subprocess.PIPE
    began = time.monotonic()
    # A session of its own: Ctrl-C is for the drill, which ends it.
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        running = Running(process, began)
        try:
            yield running
        finally:
            if not running.has_ended:
                running.kill()
