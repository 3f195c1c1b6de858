"""Whether the wall clock may be believed when something is to be removed by its age."""

JUMP_S = 60.0
# Long enough for somebody to set it right.
DISTRUST_S = 86_400.0


class SteadyClock:
    """Notices that the wall clock was set, by one that nobody can set."""

    def __init__(self, wall: float, monotonic: float) -> None:
        """Begin to trust it.

        Args:
            wall: Seconds, by the clock that may be set.
            monotonic: Seconds, at the same moment.

        """
        self._offset = wall - monotonic
        self._trusted_at = monotonic

    def is_steady(self, wall: float, monotonic: float) -> bool:
        """Return whether it was not set for a day; arguments are as at the beginning."""
        offset = wall - monotonic
        if abs(offset - self._offset) > JUMP_S:
            self._trusted_at = monotonic + DISTRUST_S
        self._offset = offset
        return monotonic >= self._trusted_at
