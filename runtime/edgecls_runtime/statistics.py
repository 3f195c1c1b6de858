"""What happened during a run, counted: outcomes and latencies."""

from collections import Counter, deque
from dataclasses import dataclass, field

from edgecls.metrics import percentile
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.announcing.announcements import Counts

# A station runs for months: percentiles are over the latest parts, in bounded memory.
LATEST = 10_000


@dataclass(slots=True)
class Statistics:
    """Counters of one run."""

    counted: Counter[str] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))

    def count(self, verdict: Verdict) -> None:
        """Add one verdict."""
        self.counted[verdict.counts_as] += 1
        if verdict.latency is not None:
            self.latencies.append(verdict.latency)

    def line(self) -> str:
        """Return in one line what came so far; another thread may ask."""
        found = [(what, self.counted[what]) for what in (*Outcome, Cause.MISSED, Cause.ERROR)]
        return f"{sum(n for _, n in found)} parts: " + ", ".join(f"{n} {what}" for what, n in found)

    def summary(
        self, dropped: int, reopened: int, missed: int = 0, counts: Counts | None = None
    ) -> dict[str, float | int | None]:
        """Return the figures of the run.

        Args:
            dropped: Frames that were replaced by newer ones before they were judged.
            reopened: How often a camera was lost and opened again.
            missed: Frames that were to be judged and are lost.
            counts: What became of the parts that were announced; None where none were to be.

        Returns:
            ``parts``: those that the run accounts for, which is the sum of ``pass``, ``fail``,
            ``review`` (judged, or a frame that was not fit for it), ``missed`` (no frame that may
            be judged, also those that still waited for one, and lost frames) and ``errors`` (camera
            or engine failed); ``incidents`` (reviews of no part: a trigger was lost); ``triggers``
            (parts that were announced; None where nothing announces any), ``ignored`` (what a
            trigger heard and took for no part), ``frames_dropped``, ``camera_reopened``, and
            ``latency_ms_p50``, ``_p95``, ``_p99``: milliseconds from a frame's arrival to its
            verdict, over the latest 10,000 parts; None when no frame came.

        """
        latencies = list(self.latencies)
        judged = {outcome.value: self.counted[outcome] for outcome in Outcome}
        errors = self.counted[Cause.ERROR]
        lost = max(self.counted[Cause.MISSED], missed)
        if counts is not None:  # also those whose turn did not come
            lost = max(counts.announced - sum(judged.values()) - errors, lost)
        return {
            "parts": sum(judged.values()) + lost + errors,
            **judged,
            "missed": lost,
            "errors": errors,
            "incidents": self.counted[Cause.INCIDENT],
            "triggers": counts.announced if counts else None,
            "ignored": counts.ignored if counts else None,
            "frames_dropped": dropped,
            "camera_reopened": reopened,
            **{
                f"latency_ms_p{percent}": round(1000 * percentile(latencies, percent), 2)
                if latencies
                else None
                for percent in (50, 95, 99)
            },
        }
