"""When a frame of a stream was taken, by the time that the sender wrote on it.

A frame that was held back anywhere, in a socket, a switch or a decoder, comes late and looks new.
The sender's clock (presentation time, pts) tells: the frame that came with the smallest difference
between our clock and the sender's was held back least; every other one is older by what it exceeds
this by. So a frame is taken at its pts plus the lowest difference seen.
"""

# How fast the two clocks may part: quartz keeps 100 ppm, a camera that calls 29.97 Hz 30 Hz 1000.
DRIFT = 0.002


class PtsClock:
    """Follows the clock of one stream."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lowest = self._arrived = self._pts = 0.0
        self._frames = 0
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether frames come as they are taken: False in what a sender had stored when it began.

        The first frame says nothing; while the difference falls from frame to frame, frames come
        faster than they were taken.
        """
        return self._settled

    def captured_at(self, pts: float, arrived: float) -> float:
        """Return when a frame was taken, monotonic seconds: at most ``arrived``.

        Args:
            pts: Presentation time, seconds of any clock. One that goes back begins anew.
            arrived: Monotonic seconds.

        """
        offset, step = arrived - pts, pts - self._pts
        if not self._frames or step < 0:
            self._frames, self._settled, self._lowest = 0, False, offset
        else:
            risen = self._lowest + DRIFT * (arrived - self._arrived)
            self._settled = self._settled or offset > self._lowest - step / 2
            self._lowest = min(offset, risen)
        self._frames += 1
        self._pts, self._arrived = pts, arrived
        return pts + self._lowest
