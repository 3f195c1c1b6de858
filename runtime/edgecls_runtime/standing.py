"""How the stations of one file stand at a moment: for the operator's page and for metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgecls.verdict import Cause, Outcome
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.changes.changeover import named
from edgecls_runtime.changes.succession import Succession
from edgecls_runtime.config import Settings
from edgecls_runtime.figures import Figures
from edgecls_runtime.host.conditions import Conditions
from edgecls_runtime.journal.schema import now
from edgecls_runtime.protocols import Camera
from edgecls_runtime.recording import Recording
from edgecls_runtime.sources import Parts, Sources
from edgecls_runtime.telling.outbox import Outbox
from edgecls_runtime.web.status import Balance, Health, State, Status

MB = 2**20


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the stations of one file stand on.

    Attributes:
        settings: The file.
        jobs: What judges.
        recording: What was judged.
        cameras: By name.
        parts: Those that are announced.
        outboxes: Who is told.
        sources: Of the process.
        conditions: Of the machine.

    """

    settings: Settings
    jobs: Succession
    recording: Recording
    cameras: Mapping[str, Camera]
    parts: Parts
    outboxes: Sequence[Outbox]
    sources: Sources
    conditions: Conditions


class Standing:
    """Asked by any thread."""

    def __init__(self, rooms: Rooms) -> None:
        """Begin with a run."""
        self._rooms, self._started_at = rooms, now()

    def status(self) -> Status:
        """Return it as the operator's page shows it."""
        rooms, job = self._rooms, self._rooms.jobs.newest
        classifier = job.classify.classifier
        return Status(
            station=rooms.settings.name,
            started_at=self._started_at,
            bundle=named(classifier),
            recipe=job.settings.recipe,
            labels=classifier.bundle.labels,
            provider=f"{classifier.variant.name} on {classifier.provider.name}",
            placement=str(classifier.placement),
            balance=self._balance(),
            health=tuple(self._health()),
        )

    def figures(self) -> Figures:
        """Return it as metrics, by the names of ``figures.MEANINGS``."""
        rooms = self._rooms
        states = [outbox.state for outbox in rooms.outboxes]
        classifier = rooms.jobs.newest.classify.classifier
        host = rooms.conditions.figures
        counts = rooms.parts.counts
        return {
            "triggers": counts.announced if counts else None,
            "ignored": counts.ignored if counts else None,
            "frames_dropped": rooms.sources.dropped,
            "camera_reopened": rooms.sources.reopened,
            "output_up": {one.name: float(not one.fault) for one in states},
            "output_waiting": {one.name: one.backlog for one in states},
            "output_told": {one.name: one.told for one in states},
            "output_late": {one.name: one.late for one in states},
            "output_failed": {one.name: one.failed for one in states},
            "output_dropped": {one.name: one.dropped for one in states},
            "placement_share": {classifier.provider.name: classifier.placement.flops_share or 0.0},
            "disk_free_bytes": {path: MB * free for path, free in host.disk_free_mb.items()},
            "temperature_celsius": host.temperature_c,
            "memory_available_bytes": host.memory_available_mb and MB * host.memory_available_mb,
            "speed_share": host.speed_share,
        }

    def _balance(self) -> Balance:
        found = self._rooms.recording.counted
        counts = self._rooms.parts.counts
        missed = found[Cause.MISSED] + (counts.overrun if counts else 0)
        judged = sum(found[outcome] for outcome in Outcome) + found[Cause.ERROR] + missed
        triggers = max(counts.announced, judged) if counts else judged
        return Balance(
            triggers=triggers,
            passed=found[Outcome.PASS],
            failed=found[Outcome.FAIL],
            review=found[Outcome.REVIEW],
            missed=missed,
            error=found[Cause.ERROR],
            waiting=triggers - judged,
            incidents=found[Cause.INCIDENT],
        )

    def _health(self) -> Iterator[Health]:
        rooms = self._rooms
        for name, camera in rooms.cameras.items():
            fault = camera.fault if isinstance(camera, LiveCamera) else ""
            yield _health("camera", name or "camera", fault, "frames come")
        failover = rooms.jobs.newest.classify
        running = f"{failover.classifier.variant.name} on {failover.classifier.provider.name}"
        yield _health("provider", failover.classifier.provider.name, failover.fault, running)
        for state in (outbox.state for outbox in rooms.outboxes):
            waiting = f"; {state.backlog} to be told" if state.backlog else ""
            yield _health("output", state.name, state.fault, f"told {state.told} times{waiting}")
        if (journal := rooms.recording.journal) is not None:
            well = f"{journal.recorded} verdicts of this run"
            yield _health("journal", journal.path.name, journal.fault, well)
        for condition in rooms.conditions.now:
            yield Health("machine", condition.name, State.WARNING, condition.text)


def _health(kind: str, name: str, fault: str, well: str) -> Health:
    return Health(kind, name, State.FAULT if fault else State.OK, fault or well)
