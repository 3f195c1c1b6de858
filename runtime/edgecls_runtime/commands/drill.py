"""Try on a station what a line will see one day: expected and seen, for each fault.

    edgecls drill STATION.toml
    edgecls drill STATION.toml --only unplug --only kill
    edgecls drill STATION.toml --minutes 60       again and again, in random order
    edgecls drill --list

The station runs beside the real one, in a scratch folder: its own bundle, provider, rule, views and
health; what its camera shows, from a camera that can be taken away; a journal of its own. No pin,
PLC or broker is told anything, unless --with-outputs. The report is printed, and written as a page
to hang on the wall. The exit code is 1 when something was not as expected.
"""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from edgecls import __version__
from edgecls.bundle import Bundle
from edgecls.errors import ConfigError, DeviceError
from edgecls.progress import tell
from edgecls_runtime import config
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.config import Settings
from edgecls_runtime.drill import rounds
from edgecls_runtime.drill.fault import Outcome
from edgecls_runtime.drill.pictures import Shown, shown
from edgecls_runtime.drill.report import Report
from edgecls_runtime.drill.scene import Scene
from edgecls_runtime.drill.table import FAULTS, STEADY
from edgecls_runtime.machine import device


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("station", metavar="STATION.toml", type=Path, nargs="?")
    parser.add_argument("--list", action="store_true", help="the faults, and what is expected")
    parser.add_argument(
        "--only",
        metavar="FAULT",
        action="append",
        choices=[fault.name for fault in FAULTS],
        default=[],
        help="this one; may be given more than once",
    )
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="go on for so long (default: each fault once)"
    )
    parser.add_argument(
        "--with-outputs",
        action="store_true",
        help="tell the station's own outputs, too: pins switch, PLCs and brokers are told",
    )
    parser.add_argument(
        "--to", metavar="FILE", type=Path, help="the page (default: STATION.drill.html)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Try faults; print and write what came of them."""
    if arguments.list:
        return _list(as_json=arguments.json)
    if arguments.station is None:
        raise ConfigError("STATION.toml: required; expected a station file, or --list")
    station: Path = arguments.station
    settings = config.read(station)
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    to: Path = arguments.to or station.with_suffix(".drill.html")
    _require_writable(to)
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    faults = [f for f in FAULTS if not arguments.only or f is STEADY or f.name in arguments.only]
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="edgecls-drill-") as folder:
        scene = _scene(station, settings, Path(folder), with_outputs=arguments.with_outputs)
        try:
            for outcome in rounds.tried(scene, faults, 60 * arguments.minutes, tell):
                found[outcome.fault.name] = outcome
                tell(f"drill: {outcome.fault.name}: {outcome.result}: {outcome.seen}")
        finally:  # Ctrl-C: what was seen until then is worth knowing
            about = _about(station, settings, bundle, scene)
            report = Report(about, began_at, [*found.values()])
            _write(to, report)
            if arguments.json:
                print_json(report.table())
            else:
                sys.stdout.writelines(f"{line}\n" for line in report.lines())
            sys.stdout.flush()
    tell(f"drill: page: {to}")
    return 0 if report.is_passed else 1


def _list(*, as_json: bool) -> int:
    if as_json:
        print_json([{"fault": f.name, "done": f.done, "expected": f.expected} for f in FAULTS])
    for fault in FAULTS if not as_json else ():
        sys.stdout.write(f"{fault.name:9} {fault.done}\n{'':9}   expected: {fault.expected}\n")
    return 0


def _scene(station: Path, settings: Settings, scratch: Path, *, with_outputs: bool) -> Scene:
    """Look through each camera of a station."""
    pictures: dict[str, Shown] = {}
    for number, name in enumerate(settings.all_cameras):
        called = f"camera {name}".strip()
        tell(f"drill: {called}: a few of its pictures ...")
        folder = scratch / f"pictures {number}"
        pictures[name] = shown(station.absolute(), settings, name, folder)
        if fault := pictures[name].fault:
            tell(f"drill: {called}: {fault}; golden samples of the bundle instead")
    return Scene(station, settings, pictures, scratch, with_outputs)


def _about(station: Path, settings: Settings, bundle: Bundle, scene: Scene) -> dict[str, str]:
    manifest = bundle.manifest
    pictures = [
        f"{name} ".lstrip()
        + (f"golden samples, for {one.fault}" if one.fault else f"{one.count} of the camera's own")
        for name, one in scene.shown.items()
    ]
    kinds = [str(table.get("kind")) for table in settings.outputs]
    return {
        "station": str(station),
        "bundle": f"{manifest.name} {manifest.version}, {bundle.digest[:12]}",
        "pictures": "; ".join(pictures),
        "outputs": f"{', '.join(kinds)}: {'told' if scene.with_outputs else 'not told'}",
        "machine": f"{device()}; {os.uname().nodename}; edgecls {__version__}",
    }


def _require_writable(to: Path) -> None:
    """Say before minutes of work that its report cannot be written."""
    try:
        to.open("a", encoding="utf-8").close()
    except OSError as error:
        raise DeviceError(f"--to {to}: {error.strerror}; choose another place") from error


def _write(to: Path, report: Report) -> None:
    try:
        to.write_text(report.page(), encoding="utf-8")
    except OSError as error:
        raise DeviceError(f"--to {to}: {error.strerror}; choose another place") from error
