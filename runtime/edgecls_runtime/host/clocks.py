"""Jumps of the wall clock, and sleep, seen by clocks that cannot jump.

A station measures with the monotonic clock: neither changes a verdict. They change what the dates
of verdicts mean, and how many parts nobody saw.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]

# Seconds; less is what a time server corrects without a jump.
LEAST_S = 0.5
# Readings of three clocks that were further apart than this, because another process ran between
# them, are read again.
APART_S = 0.02
TRIES = 3


def _boottime() -> float:
    """Return seconds since the start of the machine, those asleep too."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Clocks:
    """Wall clock, clock that stands still asleep, clock that does not; seconds."""

    wall: Clock = time.time
    monotonic: Clock = time.monotonic
    boottime: Clock = field(default=_boottime)


class ClockWatch:
    """Notes what happened to the clocks between two looks.

    Attributes:
        jumped: Seconds by which the wall clock was set, all jumps together; back is negative.
        slept: Seconds that the machine was asleep.

    """

    def __init__(self, clocks: Clocks) -> None:
        """Begin with how they stand to each other now."""
        self.jumped, self.slept = 0.0, 0.0
        self._clocks = clocks
        self._offset, self._asleep = self._read()

    def look(self) -> tuple[float, float]:
        """Return the seconds of a jump and of sleep since the last look; 0 where there was none."""
        offset, asleep = self._read()
        jump, sleep = offset - self._offset, asleep - self._asleep
        # Always from where it stands now: what a time server corrects little by little never adds
        # up to a jump.
        self._offset, self._asleep = offset, asleep
        jump, sleep = (one if abs(one) >= LEAST_S else 0.0 for one in (jump, sleep))
        self.jumped += jump
        self.slept += sleep
        return jump, sleep

    def _read(self) -> tuple[float, float]:
        """Return wall clock against boot time, and boot time against what was awake."""
        for _ in range(TRIES):
            before = self._clocks.boottime()
            wall, awake = self._clocks.wall(), self._clocks.monotonic()
            after = self._clocks.boottime()
            if after - before < APART_S:
                break
        middle = (before + after) / 2
        return wall - middle, middle - awake
