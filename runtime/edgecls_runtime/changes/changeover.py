"""A station file's recipe or bundle is changed between two parts, or not at all.

What is asked for is opened and proven while the old one judges. The old one is kept for as long as
a part that was announced before may take; then it is closed.
"""

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.changes.control import Running
from edgecls_runtime.changes.succession import Job, Succession
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.config import Settings

# In memory at a time: the newest, and those whose last parts are on their way.
MOST_BUNDLES = 3
SPARE_S = 1.0
# Keys of a station file that are changed while it runs; the others need a restart.
CHANGED = ("rule", "bundle", "recipe", "recipes", "views", "frame_px")


class Changeover:
    """What ``Control`` changes."""

    def __init__(  # noqa: PLR0913 - each a word of its own
        self,
        jobs: Succession,
        base: Path,
        *,
        begin: Callable[[Settings], Job],
        follow: Callable[[Job], object],
        end: Callable[[Job], object],
        again: Callable[[], Settings] | None = None,
    ) -> None:
        """Change nothing yet.

        Args:
            jobs: What judges; changed by this alone.
            base: What the path of a bundle is relative to.
            begin: Opens and proves a job.
            follow: Called when a job judges.
            end: Closes one that judges no more.
            again: Reads the station file; None where there is none.

        """
        self._jobs, self._base = jobs, base
        self._begin, self._follow, self._end, self._again = begin, follow, end, again
        self._timers: list[threading.Timer] = []

    @property
    def running(self) -> Running:
        """What judges now."""
        job = self._jobs.newest
        settings, classifier = job.settings, job.classify.classifier
        return Running(
            settings.recipe, tuple(settings.recipes), named(classifier), classifier.bundle.path
        )

    def change_recipe(self, name: str) -> str:
        """Judge by another recipe; as ``Changeable``."""
        return self._change(self._jobs.newest.settings.with_recipe(name))

    def change_bundle(self, path: Path) -> str:
        """Judge with another bundle; as ``Changeable``."""
        return self._change(replace(self._jobs.newest.settings, bundle=self._base / path))

    def reload(self) -> str:
        """Judge as the station file says now; as ``Changeable``."""
        if self._again is None:
            raise ConfigError("no station file; what flags say is changed by a restart")
        wanted, now = self._again(), self._jobs.newest.settings
        others = [one.name for one in fields(Settings) if one.name not in CHANGED]
        differ = [key for key in others if getattr(wanted, key) != getattr(now, key)]
        if differ:
            raise ConfigError(
                f"{', '.join(differ)}: changed in the file; only {', '.join(CHANGED)} can be "
                f"changed while the station runs; restart it"
            )
        return self._change(wanted)

    def close(self) -> None:
        """Forget what is to be closed later: whoever opened it closes it now."""
        for timer in self._timers:
            timer.cancel()

    def _change(self, wanted: Settings) -> str:
        before = self._jobs.newest
        job = self._begin(wanted)
        if (job.settings, job.classify) == (before.settings, before.classify):
            self._end(job)
            return f"{named(job.classify.classifier)} judges as before"
        if len({*self._jobs.classifiers, job.classify}) > MOST_BUNDLES:
            self._end(job)
            raise ConfigError(
                f"parts of {MOST_BUNDLES} bundles are still on their way; expected at most so many "
                f"in memory; ask again in some seconds"
            )
        self._jobs.follow(job)
        self._follow(job)
        self._later(wanted)
        recipe = f"recipe {wanted.recipe}, " if wanted.recipe else ""
        return f"{recipe}{named(job.classify.classifier)} judges from now on"

    def _later(self, settings: Settings) -> None:
        """Close the job before when the last part that was announced in its time is done."""
        capture = settings.capture
        longest_ms = capture.delay_ms + capture.window_ms + settings.max_age_ms
        seconds = (longest_ms + 2 * settings.timeout_ms) / 1000 + SPARE_S
        timer = threading.Timer(seconds, lambda: self._end(self._jobs.retire()))
        timer.daemon = True
        self._timers = [one for one in self._timers if one.is_alive()]
        self._timers.append(timer)
        timer.start()


def named(classifier: Classifier) -> str:
    """Return name, version and first 12 digits of the digest of a classifier's bundle."""
    manifest = classifier.bundle.manifest
    return f"{manifest.name} {manifest.version} {classifier.bundle.digest[:12]}"
