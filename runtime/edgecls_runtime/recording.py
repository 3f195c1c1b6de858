"""Verdicts become durable here, under the session line of what judged them."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

from edgecls import __version__
from edgecls.verdict import Verdict
from edgecls_runtime.announcing.announcements import Signal
from edgecls_runtime.changes.changeover import named
from edgecls_runtime.changes.succession import Succession, moment
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.config import Settings
from edgecls_runtime.credentials import hidden
from edgecls_runtime.decision import Rule
from edgecls_runtime.decision.cameras import Parts
from edgecls_runtime.decision.votes import Vote
from edgecls_runtime.journal import Journal, SessionLine
from edgecls_runtime.views.settings import View

MB = 2**20


class Told(Protocol):
    """Who wants to know of parts before they are judged."""

    def expect(self, part: str, at: float) -> None:
        """Take note of a part that was announced, at monotonic seconds."""
        ...


class Recording:
    """A journal, if one is wanted, that begins a session anew when something else judges.

    Attributes:
        journal: Where verdicts are kept; None keeps none.
        counted: What the verdicts of this run count as.

    """

    def __init__(self, settings: Settings, jobs: Succession) -> None:
        """Open the journal of a station file.

        Args:
            settings: The file.
            jobs: What judges its parts.

        Raises:
            OutputError: It cannot be opened.

        """
        self._jobs, self._job = jobs, jobs.newest
        self._judge = self._job.classify.classifier
        self.counted: Counter[str] = Counter()
        self._overrun: Callable[[], int] = lambda: 0
        self.journal: Journal | None = None
        if (wanted := settings.journal) is not None:
            self.journal = Journal(
                wanted.path,
                session_line(self._judge, self._job.settings),
                reserve=int(wanted.reserve_mb * MB),
                keep_days=wanted.keep_days,
            )

    def __call__(self, verdict: Verdict) -> Verdict:
        """Return a verdict as it is kept."""
        job = self._jobs.at(moment(verdict))
        if job is not self._job or job.classify.classifier is not self._judge:
            self._job, self._judge = job, job.classify.classifier
            if self.journal is not None:
                self.journal.begin(session_line(self._judge, job.settings))
        verdict = replace(verdict, recipe=job.settings.recipe)
        if self.journal is not None:
            verdict = self.journal.record(verdict)
        else:
            verdict = replace(verdict, bundle=named(self._judge))
        self.counted[verdict.counts_as] += 1
        return verdict

    def note(self, text: str) -> None:
        """Keep a line about the station."""
        if self.journal is not None:
            self.journal.note(text)

    def announcing(self, cameras: Sequence[str], told: Sequence[Told]) -> Callable[[Signal], None]:
        """Return what keeps a part that a trigger has announced, before it is acknowledged.

        Args:
            cameras: Names of the stations that will judge it, each for itself.
            told: Who wants to know, too; may be filled later.

        """

        def announce(signal: Signal) -> None:
            for camera in cameras:
                part = f"{camera} {signal.part}".strip()
                if self.journal is not None:
                    self.journal.announce(part, signal.at, camera)
                for one in told:
                    one.expect(part, signal.at)

        return announce

    def count_overrun(self, overrun: Callable[[], int]) -> None:
        """Say who knows how many parts found a trigger's queue full."""
        self._overrun = overrun

    def close(self) -> None:
        """End the session; closing twice is allowed."""
        if self.journal is not None:
            self.journal.close(self._overrun())


def session_line(classifier: Classifier, settings: Settings) -> SessionLine:
    """Return what judges, as the journal keeps it."""
    manifest = classifier.bundle.manifest
    tables = [hidden(table) for table in settings.all_cameras.values()]
    return SessionLine(
        bundle=f"{manifest.name} {manifest.version}",
        digest=classifier.bundle.digest,
        variant=classifier.variant.name,
        provider=classifier.provider.name,
        camera=json.dumps(tables[0] if len(tables) == 1 else tables),
        rule=json.dumps(judging(settings), default=str),
        placement=str(classifier.placement),
        recipe=settings.recipe,
        software=f"edgecls {__version__}",
    )


def judging(settings: Settings) -> dict[str, object]:
    """Return the rule, where it looks if not at whole frames, and who decides together."""
    found = _said(settings.rule)
    if settings.views:
        views = [_said(view) for view in settings.views]
        found |= {"frame_px": settings.frame_px, "views": views}
    if settings.vote != Vote():
        found["vote"] = _said(settings.vote)
    if settings.together:
        found["parts"] = _said(settings.parts)
    return found


def _said(one: Rule | View | Vote | Parts) -> dict[str, object]:
    """Return what is set of a table."""
    return {key: value for key, value in asdict(one).items() if value is not None and value != {}}
