"""Signals as something to look at between two steps, instead of an end in one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def collected(hung_up: Callable[[], object] | None = None) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying by them; a second SIGINT interrupts at once.

    Args:
        hung_up: Called at SIGHUP, in the midst of anything; None leaves it to end the process.

    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if signal.SIGINT in received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    if hung_up is not None and hasattr(signal, "SIGHUP"):
        call = hung_up
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: call())
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
