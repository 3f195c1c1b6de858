"""The wall clock of one process, which can be set wrong; that of the machine stays as it is."""

import datetime as dt
import time
from datetime import timedelta, tzinfo
from typing import Self

_true = time.time
_offset = 0.0


class _Dated(dt.datetime):
    """Dates by the clock of this process."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(seconds=_offset)


def install() -> None:
    """Let whatever is imported from here on read this clock."""
    time.time = _time
    dt.datetime = _Dated  # type: ignore[misc]


def jump(seconds: float) -> None:
    """Set the clock on, or back."""
    global _offset  # noqa: PLW0603 - a process has one
    _offset += seconds


def _time() -> float:
    return _true() + _offset
