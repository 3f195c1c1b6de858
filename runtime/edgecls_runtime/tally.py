"""Parts counted by what became of them, for whoever asks a station: the counters always balance."""

from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.announcing.announcements import MOST_WAITING

COUNTED = (*map(str, Outcome), "missed", "error", "incident")


class Tally:
    """Counts parts and incidents; not for several threads at once."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._waiting: dict[str, None] = {}
        self.reset()

    def reset(self) -> None:
        """Begin at 0 again; those that wait still do."""
        self._counts = dict.fromkeys(COUNTED, 0)

    def expect(self, part: str) -> None:
        """Take note of a part that was announced."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting[part] = None

    def count(self, verdict: Verdict) -> None:
        """Count what became of a part."""
        self._counts[verdict.counts_as] += 1
        self._waiting.pop(verdict.part, None)

    @property
    def waiting(self) -> int:
        """Parts that were announced and have no verdict yet."""
        return len(self._waiting)

    @property
    def counts(self) -> dict[str, int]:
        """``triggers``, which is all parts and those that wait, and each of ``COUNTED``."""
        parts = sum(self._counts.values()) - self._counts["incident"]
        return {"triggers": parts + self.waiting, **self._counts}
