"""How many parts passed, by the minute, over the last day."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from edgecls_runtime.web.history import History

# A minute is the finest there is; a chart has so many points at most.
MOST_HOURS, MOST_POINTS = 24, 96
STEPS_MIN = (1, 2, 5, 10, 15)


@dataclass
class Trend:
    """Counts of the last day's minutes; of the journal only what is new is read.

    Attributes:
        history: The journal.

    """

    history: History
    _minutes: dict[str, Counter[str]] = field(default_factory=dict)
    _last: int = 0

    def points(self, hours: int) -> dict[str, object]:
        """Return the counts of the last hours.

        Returns:
            ``step_min``, ``since`` (UTC) and ``points``: for each step in which a verdict was
            recorded, ``at`` and the counts by what verdicts count as.

        Raises:
            OutputError: The journal cannot be read.

        """
        now = datetime.now(UTC)
        self._refresh(now)
        step = next(s for s in STEPS_MIN if hours * 60 / s <= MOST_POINTS)
        since = _floor(now - timedelta(hours=hours), step)
        steps: dict[str, Counter[str]] = {}
        for minute, counted in self._minutes.items():
            at = datetime.fromisoformat(minute).replace(tzinfo=UTC)
            if since <= at <= now:
                steps.setdefault(_floor(at, step).isoformat(), Counter()).update(counted)
        points = [{"at": at, **steps[at]} for at in sorted(steps)]
        return {"step_min": step, "since": since.isoformat(), "points": points}

    def _refresh(self, now: datetime) -> None:
        oldest = (now - timedelta(hours=MOST_HOURS)).isoformat(timespec="milliseconds")
        self._last, counted = self.history.minutes(self._last, oldest)
        for minute, counts_as, count in counted:
            self._minutes.setdefault(minute, Counter())[counts_as] += count
        for minute in [minute for minute in self._minutes if minute < oldest[:16]]:
            del self._minutes[minute]


def _floor(at: datetime, step: int) -> datetime:
    return at.replace(minute=at.minute - at.minute % step, second=0, microsecond=0)
