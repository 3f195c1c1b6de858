"""Tell frames that were held back somewhere from frames that have just come.

A stream that falls silent leaves frames in decoders and sockets. They come out when it goes on or
ends, all at once, and look new although they show the past. After a silence frames are let go
until one comes after a wait like the waits before.
"""

SILENCE_S = 0.5
LEARNED = 5
# A camera may change its pace for good, as in the dark: the usual wait follows within a few frames.
SHARE = 0.2
LONGEST_S = 2.0


class Backlog:
    """Follows the waits for the frames of one stream."""

    def __init__(self) -> None:
        """Know nothing yet: the first frames teach the usual wait."""
        self._usual = 0.0
        self._frames = 0
        self._behind = False

    def holds(self, waited: float) -> bool:
        """Return whether a frame that came after ``waited`` seconds may show the past."""
        usual, self._frames = self._usual, self._frames + 1
        share = max(SHARE, 1 / self._frames)
        if self._frames <= LEARNED:
            self._usual += share * (min(waited, LONGEST_S) - usual)
            return False
        if waited > max(SILENCE_S, 4 * usual):
            self._behind = True
        elif not self._behind or waited > usual / 4:
            self._behind = False
        if not self._behind or waited > SILENCE_S:
            self._usual += share * (min(waited, LONGEST_S) - usual)
        return self._behind
