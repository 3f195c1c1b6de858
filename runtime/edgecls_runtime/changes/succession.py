"""What judges a part is what was valid when it was announced, also while it is being replaced.

So a change comes between two parts, for all cameras at the same one, however long they wait.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from edgecls.frame import Frame
from edgecls.verdict import Verdict
from edgecls_runtime import fingerprint
from edgecls_runtime.capture.ahead import Prepare, PreparedFrame
from edgecls_runtime.config import Settings
from edgecls_runtime.failover import Failover


@dataclass(frozen=True, slots=True)
class Seeing:
    """How the frames of one camera become verdicts."""

    classify: Callable[[Frame], Any]
    prepare: Prepare
    judge: Callable[[Any], Verdict]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What judges: the settings, opened.

    Attributes:
        settings: With the recipe's rule and bundle.
        classify: The bundle.
        seeing: By camera.

    """

    settings: Settings
    classify: Failover
    seeing: Mapping[str, Seeing]


class Succession:
    """The jobs of one station file, one after the other; any thread may ask."""

    def __init__(self, first: Job) -> None:
        """Begin with a job that judges whatever came before, too."""
        self._changing = threading.Lock()
        self._jobs: list[tuple[float, Job]] = [(float("-inf"), first)]

    @property
    def newest(self) -> Job:
        """What judges parts that are announced now."""
        return self._jobs[-1][1]

    @property
    def classifiers(self) -> set[Failover]:
        """Those that may still be asked."""
        with self._changing:
            return {job.classify for _, job in self._jobs}

    def __len__(self) -> int:
        """Return how many jobs may still be asked for."""
        return len(self._jobs)

    def at(self, moment: float) -> Job:
        """Return what judges a part that was announced at a moment, monotonic seconds."""
        with self._changing:
            return next(
                (job for since, job in reversed(self._jobs) if since <= moment), self._first
            )

    def follow(self, job: Job) -> None:
        """Have a job judge every part that is announced from now on."""
        with self._changing:
            self._jobs.append((time.monotonic(), job))

    def retire(self) -> Job:
        """Return the oldest job, which nobody is given any more."""
        with self._changing:
            return self._jobs.pop(0)[1]

    @property
    def _first(self) -> Job:
        return self._jobs[0][1]


class Seat:
    """One camera's place at a station whose job may change: classifies, then judges."""

    def __init__(self, jobs: Succession, camera: str) -> None:
        """Sit down."""
        self._jobs, self._camera = jobs, camera

    def classify(self, frame: Frame) -> tuple[Seeing, Any]:
        """Classify a frame by the job of its part; return what judges it, and the answer."""
        seeing = self._seeing(frame)
        return seeing, seeing.classify(_for(frame, seeing))

    def judge(self, answered: tuple[Seeing, Any]) -> Verdict:
        """Judge what ``classify`` returned."""
        seeing, answer = answered
        return seeing.judge(answer)

    def fingerprint(self, frame: Frame) -> str:
        """Return what tells the pixels that the network got of a frame from all others."""
        seeing = self._seeing(frame)
        frame = _for(frame, seeing)
        with suppress(Exception):  # what cannot be prepared was not judged
            if isinstance(frame, PreparedFrame):
                return fingerprint.of(frame.prepared)
            return fingerprint.of(seeing.prepare(frame.image, None))
        return ""

    def _seeing(self, frame: Frame) -> Seeing:
        return self._jobs.at(moment(frame)).seeing[self._camera]


def moment(seen: Frame | Verdict) -> float:
    """Return the moment that says by which job a part is judged, monotonic seconds."""
    if seen.announced_at is not None:
        return seen.announced_at
    if seen.captured_at is not None:
        return seen.captured_at
    assert isinstance(seen, Verdict)  # noqa: S101 - a frame was captured
    return seen.decided_at


def _for(frame: Frame, seeing: Seeing) -> Frame:
    """Return a frame that this job can classify: as it is where another one has prepared it."""
    if not isinstance(frame, PreparedFrame) or frame.by in (None, seeing.prepare):
        return frame
    return Frame(**{one.name: getattr(frame, one.name) for one in fields(Frame)})
