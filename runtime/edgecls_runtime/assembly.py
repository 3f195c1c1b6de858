"""Parts that several cameras look at: their verdicts are waited for, for a while, and become one.

A camera that says nothing of a part in time makes it a REVIEW that names it; what it says later is
counted only. Each announced part has one verdict, whatever its cameras do.
"""

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime import lines
from edgecls_runtime.decision.cameras import Parts, together
from edgecls_runtime.lines import Stop
from edgecls_runtime.station import Station

POLL_S = 0.05
# Of so many parts that are done it is known that a verdict which comes late is of one of them.
MOST_DONE = 10_000

# A part: id, moment of its announcement, and which of several that have both.
Key = tuple[str, float | None, int]


@dataclass(slots=True)
class _Open:
    """A part that waits for some of its cameras."""

    since: float
    verdicts: dict[str, Verdict] = field(default_factory=dict)


class Assembly:
    """Puts the verdicts of one part together; moments are given to it, monotonic seconds.

    Attributes:
        late: Verdicts of cameras that came when their part was done.

    """

    def __init__(self, name: str, cameras: Sequence[str], parts: Parts, patience: float) -> None:
        """Begin with no part.

        Args:
            name: Of the station; begins the ids of its parts.
            cameras: Whose verdicts make a part, in the order of the station file.
            parts: Which of them must pass.
            patience: Seconds from the first camera's verdict to the last that is waited for.

        """
        self.late = 0
        self._name, self._cameras, self._parts = name, tuple(cameras), parts
        self._patience = patience
        self._open: dict[Key, _Open] = {}
        self._done: dict[Key, set[str]] = {}
        self._incidents: dict[str, float] = {}

    def put(self, verdict: Verdict, now: float) -> list[Verdict]:
        """Take a verdict of one camera; return that of its part when it was the last."""
        camera = verdict.camera
        part = verdict.part.removeprefix(f"{camera} ")
        if verdict.cause is Cause.INCIDENT:
            return self._incident(verdict, part, now)
        key = self._key(camera, part, verdict.announced_at)
        if key in self._done:
            self._done[key].add(camera)
            self.late += 1
            return []
        one = self._open.setdefault(key, _Open(now))
        one.verdicts[camera] = verdict
        return [self._whole(key, now)] if len(one.verdicts) == len(self._cameras) else []

    def due(self, now: float) -> list[Verdict]:
        """Return the verdicts of parts that have waited long enough."""
        late = [key for key, one in self._open.items() if now - one.since >= self._patience]
        return [self._whole(key, now) for key in late]

    def rest(self, now: float) -> list[Verdict]:
        """Return the verdicts of all parts that still wait: nothing more will come."""
        return [self._whole(key, now) for key in [*self._open]]

    def _key(self, camera: str, part: str, announced_at: float | None) -> Key:
        """Return the first part of that id and moment that this camera has said nothing of."""
        number = 0
        while camera in self._heard((part, announced_at, number)):
            number += 1
        return part, announced_at, number

    def _heard(self, key: Key) -> Collection[str]:
        one = self._open.get(key)
        return self._done.get(key, ()) if one is None else one.verdicts

    def _whole(self, key: Key, now: float) -> Verdict:
        seen = self._open.pop(key).verdicts
        self._done[key] = set(seen)
        while len(self._done) > MOST_DONE:
            self._done.pop(next(iter(self._done)))
        silent = Verdict(
            Outcome.REVIEW,
            f"missed: no verdict within {self._patience:g} s of the first camera's",
            decided_at=now,
            cause=Cause.MISSED,
        )
        verdict = together({name: seen.get(name, silent) for name in self._cameras}, self._parts)
        return self._named(verdict, key[0])

    def _incident(self, verdict: Verdict, part: str, now: float) -> list[Verdict]:
        """Return what happened to the trigger of all once, not of each camera."""
        said = self._incidents.get(verdict.reason)
        self._incidents = {
            reason: at for reason, at in self._incidents.items() if now - at < self._patience
        }
        if said is not None and now - said < self._patience:
            return []
        self._incidents[verdict.reason] = now
        return [self._named(verdict, part)]

    def _named(self, verdict: Verdict, part: str) -> Verdict:
        return replace(verdict, part=f"{self._name} {part}".strip(), camera=self._name)


@dataclass(frozen=True, slots=True)
class Assembled:
    """The stations of several cameras as one, whose parts they look at together.

    Attributes:
        lead: Names, records and tells the parts; its own camera is one of ``cameras``. It gives
            signs of life of its own: cameras that go on must not hide that nobody is told.
        cameras: A station for each camera, called by its name alone.
        parts: Which of them must pass.
        patience: As of ``Assembly``, seconds.

    """

    lead: Station[Any]
    cameras: Sequence[Station[Any]]
    parts: Parts
    patience: float

    @property
    def name(self) -> str:
        """Begins the ids of its parts."""
        return self.lead.name

    def run(self, stop: Stop, parts: int | None = None) -> Iterator[Verdict]:
        """Inspect parts and yield their verdicts, each already recorded and told.

        Args:
            stop: Asked between two parts; True ends the run.
            parts: End after so many; those in hand then are finished too.

        Raises:
            OutputError: An output without which the run is over has failed.

        """
        ending = threading.Event()
        try:
            for count, whole in enumerate(self._whole(stop, ending), 1):
                if count == parts:
                    ending.set()
                yield self.lead.deliver(whole)
        finally:
            self.lead.ended()

    def _whole(self, stop: Stop, ending: threading.Event) -> Iterator[Verdict]:
        names = [station.name for station in self.cameras]
        assembly = Assembly(self.name, names, self.parts, self.patience)
        runs = [station.inspected for station in self.cameras]
        for verdict in lines.merged(runs, stop, ending, POLL_S):
            self.lead.beat()
            now = time.monotonic()
            if verdict is not None:
                yield from assembly.put(verdict, now)
            yield from assembly.due(now)
        yield from assembly.rest(time.monotonic())
