"""Learn from good frames of a station's cameras what is wrong with a frame, before it is judged.

    edgecls calibrate STATION.toml                      watches the station's cameras
    edgecls calibrate STATION.toml --images good        or learns from a folder of their frames

Let it see all that is normal: parts and no parts, the line running and standing, morning light and
lamps (--every-ms spreads the frames over hours). It writes limits, and the view of each camera,
into a folder beside the station file, which names it: limits = "STATION.health" under [health]
(docs/health.md). Ctrl-C writes nothing.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edgecls import progress
from edgecls.errors import CameraTimeout, ConfigError, EndOfStream, ImageError
from edgecls_runtime import cameras, config
from edgecls_runtime.capture.together import Together
from edgecls_runtime.commands import add_json, count, print_json
from edgecls_runtime.config import Settings
from edgecls_runtime.health import kept
from edgecls_runtime.health.calibration import Calibrated, Gathered
from edgecls_runtime.health.learning import FEWEST, MARGIN
from edgecls_runtime.health.lines import as_json, lines
from edgecls_runtime.protocols import Camera
from edgecls_runtime.sources import Sources

FRAMES = 300
# Each is kept as a small picture until the end: 20 kB.
MOST_FRAMES = 5000
# A camera from which nothing comes for so long is not worth waiting for.
PATIENCE_S = 30.0
LONGEST_MS = 3_600_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("station", metavar="STATION.toml", type=Path)
    parser.add_argument(
        "--frames", metavar="N", type=count, default=FRAMES, help=f"good frames (default: {FRAMES})"
    )
    parser.add_argument("--images", metavar="DIR", type=Path, help="a folder of good frames")
    parser.add_argument("--camera", metavar="NAME", help="only this one of several cameras")
    parser.add_argument(
        "--every-ms", type=float, default=0.0, help="least time between two frames (default: 0)"
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=MARGIN,
        help="how much farther than the farthest good frame a limit lies, as a share of that one's "
        f"distance from the middle (default: {MARGIN})",
    )
    parser.add_argument("--to", metavar="DIR", type=Path, help="default: STATION.health")
    parser.add_argument("--force", action="store_true", help="replace what was learned before")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Learn from each camera, then write."""
    _check(arguments)
    settings = config.read(arguments.station)
    names = _names(settings, arguments)
    folder: Path = arguments.to or arguments.station.with_suffix(".health")
    for name in names:
        file, _ = kept.files(folder, name)
        if file.exists() and not arguments.force:
            raise ConfigError(f"{file}: exists; --force replaces it")
    found = {name: _calibrated(name, settings, arguments) for name in names}
    for name, one in found.items():
        kept.write(folder, name, one.kept, one.png)
    if arguments.json:
        print_json({"folder": str(folder), "cameras": {n: as_json(c) for n, c in found.items()}})
    else:
        sys.stdout.writelines(f"{line}\n" for one in found.values() for line in lines(one))
    progress.tell(f"wrote {folder}; {_advice(settings, arguments.station, folder)}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not FEWEST <= arguments.frames <= MOST_FRAMES:
        raise ConfigError(f"--frames {arguments.frames}: expected {FEWEST} to {MOST_FRAMES}")
    if not 0 <= arguments.margin <= 100:
        raise ConfigError(f"--margin {arguments.margin:g}: expected 0 to 100")
    if not 0 <= arguments.every_ms <= LONGEST_MS:
        raise ConfigError(f"--every-ms {arguments.every_ms:g}: expected 0 to {LONGEST_MS}")


def _names(settings: Settings, arguments: argparse.Namespace) -> list[str]:
    """Return the names of the cameras to learn from."""
    names = list(settings.all_cameras)
    if arguments.camera is not None:
        if not settings.cameras:
            raise ConfigError(
                f"--camera {arguments.camera}: {arguments.station} has one camera, without a name; "
                f"leave the flag out"
            )
        if arguments.camera not in names:
            raise ConfigError(
                f"--camera {arguments.camera}: no such camera in {arguments.station}; "
                f"its cameras are {', '.join(names)}"
            )
        return [arguments.camera]
    if arguments.images is not None and len(names) > 1:
        raise ConfigError(f"--images: of which camera? say --camera with one of {', '.join(names)}")
    return names


def _calibrated(name: str, settings: Settings, arguments: argparse.Namespace) -> Calibrated:
    title = f"good frames of {name}" if name else "good frames"
    gathered = Gathered()
    with _opened(name, settings, arguments) as (camera, live):
        wanted = _taken(camera, gathered, arguments, settings.timeout_ms / 1000)
        for _ in progress.track(wanted, title, arguments.frames):
            pass
    for what, times in gathered.refused.items():
        progress.tell(f"{title}: {times} left out: {what}")
    try:
        return gathered.calibrated(arguments.margin, live=live)
    except ConfigError as error:
        raise ConfigError(f"{name or arguments.images or arguments.station}: {error}") from error


@contextmanager
def _opened(
    name: str, settings: Settings, arguments: argparse.Namespace
) -> Iterator[tuple[Camera, bool]]:
    """Open what frames come from; also say whether that is a live camera."""
    if arguments.images is not None:
        table: dict[str, object] = {"kind": "folder", "path": str(arguments.images)}
        with closing(cameras.open_table(table)) as folder:
            yield folder, False
        return
    with Together() as together:
        found, _ = Sources(together).open([name], settings, arguments.station.parent)
        yield found[name].camera, found[name].live


def _taken(
    camera: Camera, gathered: Gathered, arguments: argparse.Namespace, timeout: float
) -> Iterator[None]:
    """Take frames until there are enough good ones or the stream ends; step with each."""
    latest, due = time.monotonic(), 0.0
    while len(gathered) < arguments.frames:
        try:
            frame = camera.read(timeout)
        except EndOfStream:
            return
        except ImageError as error:
            progress.tell(f"left out: {error}")
            continue
        except CameraTimeout:
            if time.monotonic() - latest > PATIENCE_S:
                raise
            continue
        latest = time.monotonic()
        if latest < due:
            continue
        due = latest + arguments.every_ms / 1000
        before = len(gathered)
        gathered.add(frame)
        if len(gathered) > before:
            yield


def _advice(settings: Settings, station: Path, folder: Path) -> str:
    if settings.health.limits is not None and settings.health.limits.resolve() == folder.resolve():
        return f"edgecls run {station} uses it"
    try:
        path: Path | str = folder.resolve().relative_to(station.resolve().parent)
    except ValueError:
        path = folder.resolve()
    return f'to use it, write limits = "{path}" under [health] in {station}'
