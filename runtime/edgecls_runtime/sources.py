"""The cameras of a station file, what announces their parts, and what prepares their frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from edgecls.progress import tell
from edgecls_runtime import cameras, triggers
from edgecls_runtime.announcing.announcements import Announcements, Counts, Signal
from edgecls_runtime.announcing.forked import Fork
from edgecls_runtime.announcing.written import Written
from edgecls_runtime.capture.ahead import PATIENCE_S, Ahead, Prepare
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.together import Together
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.config import Settings
from edgecls_runtime.health.watch import Watch
from edgecls_runtime.protocols import Camera, Counting, Trigger


@dataclass(frozen=True, slots=True)
class Source:
    """A camera with its parts announced.

    Attributes:
        camera: Where its frames come from.
        live: Whether they are new.

    """

    camera: Camera
    live: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What is known of the parts that are announced to the cameras of one file.

    Attributes:
        counters: Cameras that wait for parts; of those that look at the same ones, the first.
        trigger: What announces them; None where a line of the camera does, or nothing.

    """

    counters: Sequence[TriggeredCamera | LiveCamera]
    trigger: Trigger | None

    @property
    def counts(self) -> Counts | None:
        """What became of them; None where nothing announces any."""
        return sum((one.counts for one in self.counters), Counts()) if self.counters else None

    @property
    def unkept(self) -> int:
        """Those that found the trigger's own queue full, and were written down nowhere."""
        if not isinstance(self.trigger, Counting):
            return 0
        return self.trigger.heard.overrun * len(self.counters)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the frames of all stations of a process come from.

    Attributes:
        together: Closes all of it.
        cameras: Live cameras, for their counters.
        parts: Those of each file.
        prepared: What prepares frames, for its counters.

    """

    together: Together = field(default_factory=Together)
    cameras: list[LiveCamera] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)
    prepared: list[Ahead] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before they were judged."""
        prepared = sum(one.dropped for one in self.prepared)
        return prepared + sum(one.dropped for one in self.cameras)

    @property
    def reopened(self) -> int:
        """How often a camera was lost and opened again."""
        return sum(camera.reopened for camera in self.cameras)

    @property
    def counts(self) -> Counts | None:
        """What became of the parts that were announced; None where nothing announces any."""
        found = [counts for parts in self.parts if (counts := parts.counts) is not None]
        return sum(found, Counts()) if found else None

    @property
    def missed(self) -> int:
        """Frames of cameras that nothing triggers, which were to be judged and are lost."""
        return sum(one.missed for one in self.cameras if one.keep is not Keep.TRIGGERED)

    def open(
        self,
        names: Sequence[str],
        settings: Settings,
        base: Path,
        keep: Callable[[Signal], object] = lambda _: None,
    ) -> tuple[dict[str, Source], Parts]:
        """Open cameras of a station file, and what announces their parts.

        Args:
            names: Of the cameras.
            settings: The file.
            base: What relative paths in it are relative to.
            keep: Writes each part down that is announced, before that is acknowledged.

        Raises:
            EdgeclsError: Something cannot be opened; what was is closed by ``together``.

        """
        found: dict[str, Source] = {}
        for name in names:
            camera = cameras.open_table(settings.all_cameras[name], base, settings.capture)
            self.together.add(camera)
            if isinstance(camera, LiveCamera):
                self.cameras.append(camera)
            found[name] = Source(camera, isinstance(camera, LiveCamera))
        trigger = None
        if settings.trigger is not None:
            trigger, heard = self._triggers(settings.trigger, base, len(found), keep)
            for one, (name, source) in zip(heard, list(found.items()), strict=True):
                found[name] = self._triggered(source, one, settings)
        counters = [source.camera for source in found.values() if _waits_for_parts(source.camera)]
        parts = Parts(counters[: 1 if settings.together else None], trigger)
        self.parts.append(parts)
        return found, parts

    def ahead(self, camera: Camera, prepare: Prepare, watch: Watch, settings: Settings) -> Camera:
        """Return the camera with its frames prepared ahead; as it is where that is not wanted."""
        if not settings.prepare_threads:
            return camera
        ahead = Ahead(
            camera,
            prepare,
            # Shared out: more frames under way than there are cores only grow old together.
            workers=max(settings.prepare_threads // len(settings.all_cameras), 1),
            timeout=settings.timeout_ms / 1000,
            patience=min(PATIENCE_S, settings.max_age_ms / 2000),
            measure=None if watch.is_idle else watch.measured,
        )
        self.prepared.append(ahead)
        self.together.add(ahead, instead_of=camera)
        return ahead

    def _triggered(self, source: Source, trigger: Trigger, settings: Settings) -> Source:
        """Return a camera that takes a frame of each part."""
        camera = TriggeredCamera(
            source.camera,
            trigger,
            settings.capture,
            settings.timeout_ms / 1000,
            tell,
            frames=settings.vote.frames,
        )
        self.together.add(camera, instead_of=source.camera)
        return Source(camera, source.live)

    def _triggers(
        self,
        table: Mapping[str, object],
        base: Path,
        count: int,
        keep: Callable[[Signal], object],
    ) -> tuple[Trigger, Sequence[Trigger]]:
        """Return a trigger, opened once, and what each of several cameras hears of it."""
        trigger = triggers.open_table(table, base)
        if isinstance(trigger, Announcements):
            trigger.keep(keep)
        else:
            trigger = Written(trigger, keep)
        if count == 1:
            return trigger, (trigger,)
        fork = Fork(trigger, count)
        self.together.add(fork)
        return trigger, fork.ways


def _waits_for_parts(camera: Camera) -> TypeGuard[TriggeredCamera | LiveCamera]:
    """Return whether each frame of a camera is a part: one was announced, or its own line fired."""
    if isinstance(camera, LiveCamera):
        return camera.keep is Keep.TRIGGERED
    return isinstance(camera, TriggeredCamera)
