"""Settings become opened stations: the one place where all rooms meet."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecls import plugins
from edgecls.bundle import Bundle
from edgecls.frame import Frame
from edgecls.progress import tell
from edgecls.verdict import Verdict
from edgecls_runtime import cameras, triggers
from edgecls_runtime.announcements import Counts
from edgecls_runtime.capture.ahead import PATIENCE_S, Ahead, Prepare
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.config import Settings
from edgecls_runtime.credentials import hidden
from edgecls_runtime.failover import Failover
from edgecls_runtime.forked import Fork
from edgecls_runtime.health.watch import Watch
from edgecls_runtime.journal import Journal, SessionLine
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.protocols import Camera, Output, Trigger
from edgecls_runtime.station import Station
from edgecls_runtime.turns import Turns
from edgecls_runtime.views.looking import Looking


@dataclass(frozen=True, slots=True)
class Opened:
    """Stations with everything they stand on; what was opened is closed by ``open_stations``.

    Attributes:
        stations: One for each camera of each station file.
        cameras: Live cameras, for their counters.
        triggered: Cameras whose parts are announced, for their counters.
        ahead: What prepares frames, for its counters.
        classifiers: Each once, however many stations share it.

    """

    stations: list[Station[Any]] = field(default_factory=list)
    cameras: list[LiveCamera] = field(default_factory=list)
    triggered: list[TriggeredCamera] = field(default_factory=list)
    ahead: list[Ahead] = field(default_factory=list)
    classifiers: list[Failover] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before they were judged."""
        prepared = sum(one.dropped for one in self.ahead)
        return prepared + sum(one.dropped for one in self.cameras)

    @property
    def reopened(self) -> int:
        """How often a camera was lost and opened again."""
        return sum(camera.reopened for camera in self.cameras)

    @property
    def counts(self) -> Counts | None:
        """What became of the parts that were announced; None where nothing announces any."""
        lines = [one.counts for one in self.cameras if one.keep is Keep.TRIGGERED]
        found = [*lines, *(one.counts for one in self.triggered)]
        return sum(found, Counts()) if found else None

    @property
    def missed(self) -> int:
        """Frames of cameras that nothing triggers, which were to be judged and are lost."""
        return sum(one.missed for one in self.cameras if one.keep is not Keep.TRIGGERED)


@dataclass(frozen=True, slots=True)
class Shared:
    """A classifier, and the order in which stations use it."""

    classify: Failover
    turns: Turns


@dataclass(frozen=True, slots=True)
class Seeing:
    """How the frames of one camera become verdicts."""

    classify: Callable[[Frame], Any]
    prepare: Prepare
    judge: Callable[[Any], Verdict]


@contextmanager
def open_stations(files: Sequence[tuple[Settings, Path]]) -> Iterator[Opened]:
    """Open the stations of one process; close all of it afterwards.

    Stations of the same bundle, variant and providers share one classifier.

    Args:
        files: Settings, each with what relative paths in its tables of hardware are relative to.

    Raises:
        EdgeclsError: Something cannot be opened; what was opened before is closed again.

    """
    opened, shared = Opened(), dict[str, Shared]()
    with ExitStack() as stack:
        for settings, base in files:
            _open(settings, base, opened, shared, stack)
        yield opened


def _open(
    settings: Settings, base: Path, opened: Opened, shared: dict[str, Shared], stack: ExitStack
) -> None:
    """Open bundle, provider, cameras, outputs and journal of one file, in this order."""
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    allowed = Allowed(settings.providers, settings.variant, settings.placement, base)
    key = f"{bundle.digest} {allowed}"
    if key not in shared:
        failover = Failover(lambda: open_classifier(bundle, allowed), tell)
        shared[key] = Shared(stack.enter_context(closing(failover)), Turns())
        opened.classifiers.append(failover)
    classifier = shared[key]
    # Whether views fit is known before any camera is opened.
    seeing = {name: _seeing(settings, name, classifier.classify) for name in settings.all_cameras}
    found = open_cameras([*settings.all_cameras], base, settings, opened, stack)
    watches = {
        name: Watch(settings.health.expected(name, live=source.live))
        for name, source in found.items()
    }
    sources = {
        name: _ahead(source.camera, seeing[name].prepare, watches[name], settings, opened, stack)
        for name, source in found.items()
    }
    outputs: list[Output] = [
        stack.enter_context(
            closing(plugins.open_table("edgecls_runtime.outputs", table, "outputs", base))
        )
        for table in settings.outputs
    ]
    telling = Turns()
    station: Station[Any] = Station(
        next(iter(sources.values())),
        classifier.classify,
        settings.rule,
        outputs=outputs,
        timeout=settings.timeout_ms / 1000,
        max_age=settings.max_age_ms / 1000,
        turn=classifier.turns,
        telling=telling,
    )
    if settings.journal is not None:
        record = _Recorder(settings.journal.path, classifier.classify, settings)
        stack.enter_context(closing(record))
        station = replace(station, record=record)
    opened.stations.extend(
        replace(
            station,
            camera=source,
            classify=seeing[name].classify,
            judge=seeing[name].judge,
            fault=watches[name].fault,
            name=f"{name} " if name else "",
        )
        for name, source in sources.items()
    )


def _seeing(settings: Settings, camera: str, classify: Failover) -> Seeing:
    """Return what sees the frames of a camera: whole, or at the places that views name."""
    if not (views := settings.views_of(camera)):
        return Seeing(classify, classify.prepare, settings.rule)
    looking = Looking(views, settings.frame_px, classify)
    return Seeing(looking, looking.prepare, settings.rule.judge_places)


@dataclass(frozen=True, slots=True)
class Source:
    """A camera with its parts announced, and whether it is a live one, whose frames are new."""

    camera: Camera
    live: bool


def open_cameras(
    names: Sequence[str], base: Path, settings: Settings, opened: Opened, stack: ExitStack
) -> dict[str, Source]:
    """Open cameras of a station file, and what announces their parts.

    Raises:
        ConfigError: A table is wrong.
        DeviceError: A camera or the trigger cannot be opened.

    """
    found: dict[str, Camera] = {}
    for name in names:
        camera = cameras.open_table(settings.all_cameras[name], base, settings.capture)
        found[name] = stack.enter_context(closing(camera))
    live = {name: one for name, one in found.items() if isinstance(one, LiveCamera)}
    opened.cameras.extend(live.values())
    heard = _listening(found, settings, base, opened, stack)
    return {name: Source(camera, name in live) for name, camera in heard.items()}


def _listening(
    found: dict[str, Camera], settings: Settings, base: Path, opened: Opened, stack: ExitStack
) -> dict[str, Camera]:
    """Return the cameras with their parts announced by the trigger of the file, if it has one."""
    if settings.trigger is None:
        return found
    trigger = stack.enter_context(closing(triggers.open_table(settings.trigger, base)))
    ways: list[Trigger] = [trigger]
    if len(found) > 1:
        ways = [*stack.enter_context(closing(Fork(trigger, len(found)))).ways]
    timeout = settings.timeout_ms / 1000
    listening: dict[str, Camera] = {}
    for (name, camera), way in zip(found.items(), ways, strict=True):
        triggered = TriggeredCamera(camera, way, settings.capture, timeout, tell)
        opened.triggered.append(triggered)
        listening[name] = stack.enter_context(closing(triggered))
    return listening


def _ahead(  # noqa: PLR0913, PLR0917 - what one is made of
    camera: Camera,
    prepare: Prepare,
    watch: Watch,
    settings: Settings,
    opened: Opened,
    stack: ExitStack,
) -> Camera:
    """Return the camera with its frames prepared ahead; as it is where that is not wanted."""
    if not settings.prepare_threads:
        return camera

    ahead = Ahead(
        camera,
        prepare,
        workers=settings.prepare_threads,
        timeout=settings.timeout_ms / 1000,
        patience=min(PATIENCE_S, settings.max_age_ms / 2000),
        measure=None if watch.is_idle else watch.measured,
    )
    opened.ahead.append(ahead)
    return stack.enter_context(closing(ahead))


class _Recorder:
    """A journal that begins a session anew when another provider or variant judges."""

    def __init__(self, path: Path, classify: Failover, settings: Settings) -> None:
        self._classify, self._settings = classify, settings
        self._judge = classify.classifier
        self._journal = Journal(path, _session_line(self._judge, settings))

    def __call__(self, verdict: Verdict) -> None:
        if self._classify.classifier is not self._judge:
            self._judge = self._classify.classifier
            self._journal.begin(_session_line(self._judge, self._settings))
        self._journal.record(verdict)

    def close(self) -> None:
        self._journal.close()


def _session_line(classifier: Classifier, settings: Settings) -> SessionLine:
    manifest = classifier.bundle.manifest
    tables = [hidden(table) for table in settings.all_cameras.values()]
    return SessionLine(
        bundle=f"{manifest.name} {manifest.version}",
        digest=classifier.bundle.digest,
        variant=classifier.variant.name,
        provider=classifier.provider.name,
        camera=json.dumps(tables[0] if len(tables) == 1 else tables),
        rule=json.dumps(_judging(settings), default=str),
        placement=str(classifier.placement),
    )


def _judging(settings: Settings) -> dict[str, object]:
    """Return the rule, and where it looks if not at whole frames."""
    if not settings.views:
        return asdict(settings.rule)
    views = [
        {key: value for key, value in asdict(view).items() if value is not None}
        for view in settings.views
    ]
    return {**asdict(settings.rule), "frame_px": settings.frame_px, "views": views}
