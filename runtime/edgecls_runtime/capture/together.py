"""Close several things at once: one that hangs holds up none of the others."""

import threading
import time
from types import TracebackType
from typing import Protocol, Self

# What one chain takes whose driver hangs: its process is ended after two seconds.
LONGEST_S = 6.0


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Release it; closing twice is allowed."""
        ...


class Together:
    """Closes what was added to it, each in a thread of its own, and waits for a few seconds.

    What is still not closed then, as behind a driver that hangs, is left to end with the process.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._things: list[Closable] = []

    def add(self, thing: Closable, *, instead_of: Closable | None = None) -> None:
        """Add a thing; one that closes another stands instead of it."""
        self._things = [other for other in self._things if other is not instead_of]
        self._things.append(thing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        threads = [
            threading.Thread(target=thing.close, name="closing", daemon=True)
            for thing in self._things
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + LONGEST_S
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
