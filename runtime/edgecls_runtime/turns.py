"""A lock that is given in the order in which it was asked for.

Python's own lock may be taken again by the thread that has just let it go, however long others have
waited: a fast camera would starve a slow one.
"""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """Several stations, one classifier: each enters in its turn."""

    def __init__(self) -> None:
        """Begin with nobody inside."""
        self._changing = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        turn = threading.Event()
        with self._changing:
            if not self._waiting:
                turn.set()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # who is interrupted must not stand in the way of the others
            self._leave(turn)
            raise

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._leave(self._waiting[0])

    def _leave(self, turn: threading.Event) -> None:
        with self._changing:
            self._waiting.remove(turn)
            if self._waiting:
                self._waiting[0].set()
