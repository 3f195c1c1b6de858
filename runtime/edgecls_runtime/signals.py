"""Signals as something to look at between two steps, instead of an end in one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def collected() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying by them; a second SIGINT interrupts at once."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if signal.SIGINT in received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hanging_up(ask: Callable[[], object]) -> Iterator[None]:
    """Have SIGHUP ask for something instead of ending the process; Windows has no such signal.

    Args:
        ask: Returns at once; called between two instructions of the main thread.

    """
    number: int | None = getattr(signal, "SIGHUP", None)
    if number is None:
        yield
        return

    def note(_: int, __: FrameType | None) -> None:
        ask()

    before = signal.signal(number, note)
    try:
        yield
    finally:
        signal.signal(number, before)
