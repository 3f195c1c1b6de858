"""Say how far a long step is, on stderr: one moving line for a person, none for a log file."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def step(text: str) -> None:
    """Announce a step whose length is not known."""
    sys.stderr.write(f"{text} ...\n")
    sys.stderr.flush()


def track(items: Iterable[T], text: str, total: int) -> Iterator[T]:
    """Yield the items; show ``text 12/500`` as they are used and one closing line with the time."""
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


def tell(text: str) -> None:
    """Say one finished line."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
