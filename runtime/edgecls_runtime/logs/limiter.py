"""The same text so often a minute, and a line that says how often it would have been more."""

from collections import OrderedDict
from dataclasses import dataclass

from edgecls_runtime.logs.line import Line

# So many different texts are remembered; of more the oldest is summed up early.
MOST_KINDS = 500


@dataclass(slots=True)
class _Window:
    ends: float
    written: int = 0
    held: int = 0
    last: Line | None = None


class Limiter:
    """Lets lines pass, or counts them. It has no clock of its own, and no lock."""

    def __init__(self, most: int, per: float = 60.0, kinds: int = MOST_KINDS) -> None:
        """Begin without any line.

        Args:
            most: Lines of one kind that pass in each window.
            per: Seconds of a window, from its first line on.
            kinds: How many windows there may be at once.

        """
        self._most, self._per, self._kinds = most, per, kinds
        # In the order in which they end.
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()

    def admitted(self, line: Line, now: float) -> list[Line]:
        """Return what may be written now that a line has come, at monotonic seconds."""
        lines = self.due(now)
        window = self._windows.get(line.kind)
        if window is None:
            if len(self._windows) >= self._kinds:
                lines += _summed(self._windows.popitem(last=False)[1])
            window = self._windows[line.kind] = _Window(now + self._per)
        if window.written < self._most:
            window.written += 1
            return [*lines, line]
        window.held, window.last = window.held + 1, line
        return lines

    def due(self, now: float) -> list[Line]:
        """Return the lines that sum up windows which are at their end."""
        lines: list[Line] = []
        while (ends := self.next_due()) is not None and ends <= now:
            lines += _summed(self._windows.popitem(last=False)[1])
        return lines

    def next_due(self) -> float | None:
        """Return when the next window ends; None where there is none."""
        return next(iter(self._windows.values())).ends if self._windows else None

    def rest(self) -> list[Line]:
        """Return the lines that sum up all that was held back, at the end."""
        return self.due(float("inf"))


def _summed(window: _Window) -> list[Line]:
    return [] if window.last is None else [window.last.again(window.held)]
