"""From a driver's time stamp to monotonic seconds, where the stamp is to be trusted."""

import time

# A stamp that is further away says another clock's time, or none. Long exposures begin earlier; and
# drivers that count frames instead of looking at a clock run ahead of it.
OLDEST_S = 5.0
NEWEST_S = 1.0


class SensorClock:
    """Finds out at the first frame by which clock a driver stamps, and stays with it.

    Linux's drivers stamp by CLOCK_MONOTONIC, some by CLOCK_BOOTTIME (which goes on while the
    machine sleeps); webcams are known whose stamps are those of no clock.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._decided = False
        self._ahead: float | None = None
        self._last = float("-inf")

    def when(self, stamp: float, arrived: float) -> float:
        """Return when a frame was taken, in monotonic seconds; at the latest when it arrived.

        Args:
            stamp: The driver's, in seconds.
            arrived: Monotonic seconds.

        """
        if not self._decided:
            self._decided, self._ahead = True, _ahead(stamp, arrived)
        taken = arrived if self._ahead is None else min(stamp - self._ahead, arrived)
        # A clock that steps back is not one.
        self._last = taken if taken > self._last else arrived
        return self._last


def _ahead(stamp: float, arrived: float) -> float | None:
    """Return the seconds that the driver's clock is ahead of ours; None where it is another one."""
    now = time.monotonic()
    for clock in (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME):
        ahead = time.clock_gettime(clock) - now
        if -NEWEST_S <= arrived - (stamp - ahead) <= OLDEST_S:
            return ahead if clock == time.CLOCK_BOOTTIME else 0.0
    return None
