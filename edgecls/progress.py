"""Say what happens, for people: ``tell`` is the one door; where it leads can be changed.

At first every line goes to stderr at once. A running station puts a log behind the door
(``through``), which limits, marks and never waits; the command line closes it (``at_end``) when it
has said the last line.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol, TypeVar

T = TypeVar("T")


class Level(StrEnum):
    """How much somebody should care."""

    INFO = "info"
    WARNING = "warning"  # works, not as it should
    ERROR = "error"  # does not work


class Door(Protocol):
    """Where lines go."""

    def say(self, text: str, level: Level) -> None:
        """Take one finished line."""
        ...

    def close(self) -> None:
        """Let out what is still inside."""
        ...


_doors: list[Door] = []


def tell(text: str, level: Level = Level.INFO) -> None:
    """Say one finished line; where it has a subject, *where: what*."""
    if _doors:
        _doors[-1].say(text, level)
        return
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def warn(text: str) -> None:
    """Say that something is not as it should be, and goes on."""
    tell(text, Level.WARNING)


def step(text: str) -> None:
    """Announce a step whose length is not known."""
    tell(f"{text} ...")


def through(door: Door) -> None:
    """Let all lines of every thread go through another door, until ``at_end``."""
    _doors.append(door)


def at_end() -> None:
    """Close what ``through`` opened: lines go to stderr again."""
    while _doors:
        _doors.pop().close()


def track(items: Iterable[T], text: str, total: int) -> Iterator[T]:
    """Yield the items; show ``text 12/500`` as they are used and one closing line with the time.

    One moving line for a person, none for a log file.
    """
    moving, started, shown = sys.stderr.isatty(), time.monotonic(), 0.0
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if moving and (now := time.monotonic()) - shown > 0.1:
            shown = now
            sys.stderr.write(f"\r{text} {count}/{total}")
            sys.stderr.flush()
    start = "\r" if moving else ""
    sys.stderr.write(f"{start}{text} {count}/{total}, {time.monotonic() - started:.1f} s\n")
    sys.stderr.flush()
