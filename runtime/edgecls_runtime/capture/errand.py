"""Calls that may not come back in time: a thread makes them, and nobody has to wait for it.

Names are resolved, and FFmpeg reads, by calls whose own time-outs are late or do not exist.
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


class Errand:
    """One thread that makes one call after the other, for one caller."""

    def __init__(self, name: str) -> None:
        """Start the thread, which ends with ``end``."""
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[object, Exception | None]] = queue.SimpleQueue()
        self._under_way = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def wait(self, call: Callable[[], Answer], timeout: float) -> Answer:
        """Return what a call returns, or raise what it raises.

        A call that was not finished in time goes on; the next ``wait`` is for that one.

        Args:
            call: Made in the thread, unless one is still under way.
            timeout: Longest wait in seconds.

        Raises:
            TimeoutError: It is not finished.

        """
        if not self._under_way:
            self._under_way = True
            self._calls.put(call)
        try:
            answer, error = self._answers.get(timeout=max(timeout, 0.0))
        except queue.Empty:
            raise TimeoutError from None
        self._under_way = False
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]

    def end(self, last: Callable[[], object]) -> None:
        """Make a last call after the one that is under way, and end; returns at once."""
        self._calls.put(last)
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                self._answers.put((call(), None))
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                self._answers.put((None, error))
