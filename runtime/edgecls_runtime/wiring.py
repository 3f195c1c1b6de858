"""Settings become opened stations: the one place where all rooms meet."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls.progress import tell
from edgecls.verdict import Verdict
from edgecls_runtime import exclusive
from edgecls_runtime.capture.ahead import Prepare
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.config import Settings
from edgecls_runtime.failover import Failover
from edgecls_runtime.health.watch import Watch
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.recording import Recording, fingerprints
from edgecls_runtime.sources import Source, Sources
from edgecls_runtime.station import Station
from edgecls_runtime.telling.outbox import Outbox
from edgecls_runtime.telling_outputs import telling
from edgecls_runtime.turns import Turns
from edgecls_runtime.views.looking import Looking


@dataclass(frozen=True, slots=True)
class Opened:
    """Stations with everything they stand on; what was opened is closed by ``open_stations``.

    Attributes:
        stations: One for each camera of each station file.
        sources: Where their frames come from, and what is counted there.
        classifiers: Each once, however many stations share it.
        outboxes: Who is told.

    """

    stations: list[Station[Any]] = field(default_factory=list)
    sources: Sources = field(default_factory=Sources)
    classifiers: list[Failover] = field(default_factory=list)
    outboxes: list[Outbox] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shared:
    """A classifier, and the order in which stations use it."""

    classify: Failover
    turns: Turns


@dataclass(frozen=True, slots=True)
class Process:
    """What the stations of one process are opened into.

    Attributes:
        opened: What the caller gets.
        shared: Classifiers, by what they were opened from.
        stack: Closes classifiers, outputs and journals.

    """

    opened: Opened
    shared: dict[str, Shared]
    stack: ExitStack


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
        ConfigError: Two stations have one name, or two cameras one device.
        EdgeclsError: Something cannot be opened; what was opened before is closed again.

    """
    _check(files)
    opened = Opened()
    with ExitStack() as stack, opened.sources.together:
        process = Process(opened, {}, stack)
        for settings, base in files:
            _open(settings, base, process)
        yield opened


def _check(files: Sequence[tuple[Settings, Path]]) -> None:
    """Refuse stations that would stand in each other's way."""
    tables = [
        (settings.station_of(camera), table, base)
        for settings, base in files
        for camera, table in settings.all_cameras.items()
    ]
    names = Counter(name for name, _, _ in tables)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise ConfigError(
            f"name: {count} stations are called {name!r}; "
            f"expected a different name = '...' at the top of each file"
        )
    exclusive.check((f"camera {name}".strip(), table, base) for name, table, base in tables)
    exclusive.check_pins((one.name, one.trigger, one.outputs) for one, _ in files)


def _open(settings: Settings, base: Path, process: Process) -> None:
    """Open bundle, provider, cameras, outputs and journal of one file, in this order."""
    classifier = _classifier(settings, base, process)
    # Whether views fit is known before any camera is opened.
    seeing = {name: _seeing(settings, name, classifier.classify) for name in settings.all_cameras}
    recording = process.stack.enter_context(closing(Recording(settings, classifier.classify)))
    outboxes: list[Outbox] = []
    names = [settings.station_of(camera) for camera in settings.all_cameras]
    announce = recording.announcing(names, outboxes)
    found = process.opened.sources.open([*settings.all_cameras], settings, base, announce)
    recording.count_overrun(partial(_overrun, [*found.values()]))
    watches = {
        name: Watch(settings.health.expected(name, live=source.live))
        for name, source in found.items()
    }
    sources = {
        name: process.opened.sources.ahead(
            source.camera, seeing[name].prepare, watches[name], settings
        )
        for name, source in found.items()
    }
    # Images of a folder wait for who is told of them; a line waits for nobody.
    waits = settings.trigger is None and not any(source.live for source in found.values())
    outboxes += telling(settings.outputs, base, recording.journal, process.stack, waits=waits)
    process.opened.outboxes.extend(outboxes)
    station: Station[Any] = Station(
        next(iter(sources.values())),
        classifier.classify,
        settings.rule,
        record=recording,
        outputs=outboxes,
        beat=partial(_beat, outboxes),
        timeout=settings.timeout_ms / 1000,
        max_age=settings.max_age_ms / 1000,
        turn=classifier.turns,
        telling=Turns(),
        announced=settings.trigger is not None,
    )
    process.opened.stations.extend(
        replace(
            station,
            camera=source,
            classify=seeing[name].classify,
            judge=seeing[name].judge,
            fault=watches[name].fault,
            fingerprint=fingerprints(seeing[name].prepare),
            name=settings.station_of(name),
        )
        for name, source in sources.items()
    )


def _classifier(settings: Settings, base: Path, process: Process) -> Shared:
    """Return the classifier of a file, which an earlier one may have opened."""
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    allowed = Allowed(settings.providers, settings.variant, settings.placement, base)
    key = f"{bundle.digest} {allowed}"
    if key not in process.shared:
        failover = Failover(lambda: open_classifier(bundle, allowed), tell)
        process.shared[key] = Shared(process.stack.enter_context(closing(failover)), Turns())
        process.opened.classifiers.append(failover)
    return process.shared[key]


def _seeing(settings: Settings, camera: str, classify: Failover) -> Seeing:
    """Return what sees the frames of a camera: whole, or at the places that views name."""
    if not (views := settings.views_of(camera)):
        return Seeing(classify, classify.prepare, settings.rule)
    looking = Looking(views, settings.frame_px, classify)
    return Seeing(looking, looking.prepare, settings.rule.judge_places)


def _beat(outboxes: Sequence[Outbox]) -> None:
    for outbox in outboxes:
        outbox.beat()


def _overrun(sources: Sequence[Source]) -> int:
    """Return how many parts of a file found its trigger's queue full."""
    cameras = [source.camera for source in sources]
    return sum(one.counts.overrun for one in cameras if isinstance(one, TriggeredCamera))
