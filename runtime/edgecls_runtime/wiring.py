"""Settings become opened stations: the one place where all rooms meet."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from edgecls.errors import ConfigError
from edgecls.progress import tell
from edgecls_runtime import exclusive, operator_page
from edgecls_runtime.assembly import Assembled
from edgecls_runtime.capture.ahead import Ahead
from edgecls_runtime.changes import recipes
from edgecls_runtime.changes.changeover import Changeover
from edgecls_runtime.changes.control import Control
from edgecls_runtime.changes.engines import Engines
from edgecls_runtime.changes.jobs import open_job
from edgecls_runtime.changes.succession import Job, Seat, Succession
from edgecls_runtime.config import Settings
from edgecls_runtime.decision.streak import settling
from edgecls_runtime.failover import Failover
from edgecls_runtime.health.watch import Watch
from edgecls_runtime.journal import Journal
from edgecls_runtime.lines import Line
from edgecls_runtime.protocols import Camera
from edgecls_runtime.recording import Recording
from edgecls_runtime.service.attendance import Attendance
from edgecls_runtime.service.notify import Notifier
from edgecls_runtime.sources import Sources
from edgecls_runtime.standing import Rooms, Standing
from edgecls_runtime.station import Station
from edgecls_runtime.telling.chorus import Chorus
from edgecls_runtime.telling.outbox import Outbox
from edgecls_runtime.telling_outputs import telling
from edgecls_runtime.turns import Turns

# Beyond the time that a camera has for its frame, so that what it says of it is heard.
SPARE_S = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """Stations with everything they stand on; what was opened is closed by ``open_stations``.

    Attributes:
        stations: One for each camera of each station file.
        sources: Where their frames come from, and what is counted there.
        classifiers: Each once, however many stations share it.
        outboxes: Who is told.
        controls: What changes the recipe or the bundle of each station file, by its ``name``.
        journals: Where it is kept.

    """

    stations: list[Line] = field(default_factory=list)
    sources: Sources = field(default_factory=Sources)
    classifiers: list[Failover] = field(default_factory=list)
    outboxes: list[Outbox] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Process:
    """What the stations of one process are opened into.

    Attributes:
        opened: What the caller gets.
        engines: Classifiers.
        stack: Closes classifiers, outputs and journals.
        attendance: Who watches for signs of life, and looks at the machine.

    """

    opened: Opened
    engines: Engines
    stack: ExitStack
    attendance: Attendance


@contextmanager
def open_stations(
    files: Sequence[tuple[Settings, Path]],
    again: Sequence[Callable[[], Settings]] = (),
    attendance: Attendance | None = None,
) -> Iterator[Opened]:
    """Open the stations of one process; close all of it afterwards.

    Stations of the same bundle, variant and providers share one classifier.

    Args:
        files: Settings, each with what relative paths in its tables of hardware are relative to.
        again: What reads each of the files again; none where they are no files.
        attendance: Who watches for signs of life, and looks at the machine.

    Raises:
        ConfigError: Two stations have one name, or two cameras one device.
        EdgeclsError: Something cannot be opened; what was opened before is closed again.

    """
    _check(files)
    opened = Opened()
    with ExitStack() as stack, opened.sources.together:
        process = Process(
            opened,
            Engines(opened.classifiers),
            stack,
            attendance or Attendance(notifier=Notifier()),
        )
        stack.callback(process.engines.close)
        for (settings, base), reread in zip_longest(files, again):
            _open(settings, base, reread, process)
        yield opened


def _check(files: Sequence[tuple[Settings, Path]]) -> None:
    """Refuse stations that would stand in each other's way."""
    tables = [
        (settings.station_of(camera), table, base)
        for settings, base in files
        for camera, table in settings.all_cameras.items()
    ]
    names = Counter(name for settings, _ in files for name in settings.stations)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise ConfigError(
            f"name: {count} stations are called {name!r}; "
            f"expected a different name = '...' at the top of each file"
        )
    exclusive.check((f"camera {name}".strip(), table, base) for name, table, base in tables)
    exclusive.check_pins((one.name, one.trigger, one.outputs) for one, _ in files)


def _open(
    settings: Settings, base: Path, again: Callable[[], Settings] | None, process: Process
) -> None:
    """Open bundle, provider, cameras, outputs and journal of one file, in this order."""
    recipes.check_labels(settings.recipes)
    job, shared = open_job(settings, base, process.engines)
    jobs = Succession(job)
    recording = process.stack.enter_context(closing(Recording(settings, jobs)))
    outboxes: list[Outbox] = []
    announce = recording.announcing(settings.stations, outboxes)
    found, parts = process.opened.sources.open([*settings.all_cameras], settings, base, announce)
    recording.count_overrun(lambda: parts.unkept)  # those behind it have their verdict
    watches = {
        name: Watch(settings.health.expected(name, live=source.live))
        for name, source in found.items()
    }
    sources = {
        name: process.opened.sources.ahead(
            source.camera, job.seeing[name].prepare, watches[name], settings
        )
        for name, source in found.items()
    }
    # Images of a folder wait for who is told of them; a line waits for nobody.
    waits = settings.trigger is None and not any(source.live for source in found.values())
    outboxes += telling(settings.outputs, base, recording.journal, process.stack, waits=waits)
    process.opened.outboxes.extend(outboxes)
    if recording.journal is not None:
        process.opened.journals.append(recording.journal)
    station: Station[Any] = Station(
        next(iter(sources.values())),
        job.classify,
        settings.rule,
        record=recording,
        outputs=outboxes,
        timeout=settings.timeout_ms / 1000,
        max_age=settings.max_age_ms / 1000,
        turn=shared.turns,
        telling=Turns(),
        announced=settings.trigger is not None,
    )
    chorus = Chorus(outboxes)
    seated = [
        _seated(
            _beating(station, chorus, process),
            jobs,
            settings,
            name,
            source,
            watches[name],
        )
        for name, source in sources.items()
    ]
    lead = _beating(station, chorus, process) if settings.together else station
    process.opened.stations.extend(_lines(lead, seated, settings))
    control = _control(jobs, base, again, process, sources, recording)
    process.opened.controls[settings.name] = control
    cameras = {name: source.camera for name, source in found.items()}
    standing = Standing(
        Rooms(
            settings,
            jobs,
            recording,
            cameras,
            parts,
            tuple(outboxes),
            process.opened.sources,
            process.attendance.conditions,
        )
    )
    for outbox in outboxes:
        outbox.observe(standing.figures)
        outbox.take_orders(control.change_recipe_number)
    if settings.web is not None:
        page = operator_page.opened(settings, base, standing.status, control, process.stack)
        outboxes.append(page)


def _seated(  # noqa: PLR0913, PLR0917 - each of another room
    station: Station[Any],
    jobs: Succession,
    settings: Settings,
    camera: str,
    source: Camera,
    watch: Watch,
) -> Station[Any]:
    """Return the station of one camera of a file."""
    seat = Seat(jobs, camera)
    return replace(
        station,
        camera=source,
        classify=seat.classify,
        judge=seat.judge,
        fault=watch.fault,
        fingerprint=seat.fingerprint,
        settle=settling(settings.vote),
        name=camera if settings.together else settings.station_of(camera),
    )


def _lines(
    station: Station[Any], seated: Sequence[Station[Any]], settings: Settings
) -> Sequence[Line]:
    """Return what runs: a station for each camera, or one for all of them."""
    if not settings.together:
        return seated
    lead = replace(station, name=settings.name)
    wait_ms = settings.parts.wait_ms
    patience = settings.timeout_ms / 1000 + SPARE_S if wait_ms is None else wait_ms / 1000
    return [Assembled(lead, seated, settings.parts, patience)]


def _control(  # noqa: PLR0913, PLR0917 - each of another room
    jobs: Succession,
    base: Path,
    again: Callable[[], Settings] | None,
    process: Process,
    sources: Mapping[str, Camera],
    recording: Recording,
) -> Control:
    """Return what changes the recipe or the bundle of one file."""

    def follow(job: Job) -> None:
        for name, source in sources.items():
            if isinstance(source, Ahead):
                source.prepare_by(job.seeing[name].prepare)

    def say(text: str) -> None:
        tell(text)
        recording.note(text)

    changeover = Changeover(
        jobs,
        base,
        begin=lambda wanted: open_job(wanted, base, process.engines)[0],
        follow=follow,
        end=lambda job: process.engines.give_back(job.classify),
        again=again,
    )
    process.stack.enter_context(closing(changeover))
    return process.stack.enter_context(closing(Control(changeover, say)))


def _beating(station: Station[Any], chorus: Chorus, process: Process) -> Station[Any]:
    """Return a station whose signs of life reach its outputs, and whoever watches the process."""
    voices = (chorus.voice(), process.attendance.beating())
    for voice in voices:
        process.stack.callback(voice.close)

    def beat() -> None:
        for voice in voices:
            voice.beat()

    def ended() -> None:
        for voice in voices:
            voice.close()

    return replace(station, beat=beat, ended=ended)
