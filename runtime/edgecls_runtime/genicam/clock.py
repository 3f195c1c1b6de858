"""A camera's own clock and frame numbers, told in ours."""

from collections import deque

# A camera's clock drifts by up to 100 millionths of a second each second: 1 ms in this time.
WINDOW_S = 10.0
# GigE Vision 1 counts frames from 1 to this, then from 1 again.
LARGEST_SHORT = 65535


class DeviceClock:
    """Turns times of a camera's clock into ours, by the quickest frame of the last seconds.

    A frame cannot arrive before it was taken, and the quickest one was hardly held up: what it took
    is taken for the distance of the two clocks. A time that comes out is never after the arrival,
    and before the truth by drift only.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._distances: deque[tuple[float, float]] = deque()  # (arrival, distance), rising
        self._last = 0.0

    def told(self, taken: float, arrived: float) -> float:
        """Return when a frame was taken, in monotonic seconds.

        Args:
            taken: Seconds on the camera's clock.
            arrived: Monotonic seconds.

        """
        if taken < self._last:  # it was set, or is another camera's
            self._distances.clear()
        self._last = taken
        distance = arrived - taken
        while self._distances and self._distances[-1][1] >= distance:
            self._distances.pop()
        self._distances.append((arrived, distance))
        while self._distances[0][0] < arrived - WINDOW_S:
            self._distances.popleft()
        return taken + self._distances[0][1]


class FrameCount:
    """Turns the numbers that a camera gives its frames into a count from 0 that leaves gaps."""

    def __init__(self) -> None:
        """Begin with the first frame that comes."""
        self._last: int | None = None
        self._number = -1

    def number(self, found: int | None) -> int:
        """Return the count of a frame.

        Args:
            found: Its number of the camera; None where it has none, as a damaged one may.

        """
        step = 1
        if found is not None and self._last is not None:
            step = found - self._last
            if step <= 0 and self._last <= LARGEST_SHORT and found + LARGEST_SHORT > self._last:
                step += LARGEST_SHORT
            # Far beyond half of what it counts to: it has begun anew.
            step = step if 0 < step < LARGEST_SHORT // 2 else 1
        if found is not None:
            self._last = found
        elif self._last is not None:
            self._last += 1
        self._number += step
        return self._number
