"""Watch a camera, judge every part, keep every verdict. Without a frame there is never a PASS.

Settings come from station files (docs/station.md), which run side by side and share a classifier
where they can; or from flags for a first try:

    edgecls run STATION.toml ...
    edgecls run --bundle bolt.bundle --camera rtsp://10.0.0.7/line --good ok

Ctrl-C and SIGTERM finish the part in hand. The exit code is 0 at the end of a folder or a video,
after --frames and after SIGTERM, and 130 after Ctrl-C. SIGHUP has the station files read again:
rule, recipes, views and bundle are changed between two parts (docs/decisions.md).
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgecls.errors import ConfigError, EdgeclsError
from edgecls_runtime import cameras, config, lines, logs, signals
from edgecls_runtime.changes.control import Control
from edgecls_runtime.commands import add_good, add_json, count
from edgecls_runtime.config import JournalSettings, Settings
from edgecls_runtime.decision import Rule
from edgecls_runtime.logs.settings import Form
from edgecls_runtime.service.attendance import Attendance
from edgecls_runtime.statistics import Statistics
from edgecls_runtime.wiring import open_stations

FLAGS = {
    "bundle": "folder made by edgecls export",
    "camera": "folder, video file, V4L2 index or device, rtsp:// or http:// address, or "
    "KIND:key=value,key=value of any kind that edgecls devices lists",
    "variant": "name of a variant (default: auto)",
    "journal": "SQLite file that keeps every verdict",
}
NUMBERS = {
    "min-score": "lowest score, 0..1, that is acted on (default: 0.9)",
    "min-margin": "smallest lead over the second label, 0..1 (default: 0.2)",
    "timeout-ms": "longest wait for a frame before the part is REVIEW (default: 1000)",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "stations",
        metavar="STATION.toml",
        type=Path,
        nargs="*",
        help="station files; without any, --bundle to --timeout-ms say what a file would",
    )
    for name, text in FLAGS.items():
        parser.add_argument(f"--{name}", help=text)
    add_good(parser)
    for name, text in NUMBERS.items():
        parser.add_argument(f"--{name}", type=float, help=text)
    parser.add_argument("--frames", metavar="N", type=count, help="stop after N parts")
    parser.add_argument(
        "--log", type=Form, choices=[*Form], help="how lines on stderr are written (default: text)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a station until it is stopped or its stream ends; print the summary."""
    again = _readers(arguments)
    try:
        files, statistics = [(read(), base) for read, base in again], Statistics()
    except EdgeclsError:  # said as the command line wants it
        logs.begin(arguments.log, [])
        raise
    logs.begin(arguments.log, [settings.log for settings, _ in files])
    reread = [read for read, _ in again if arguments.stations]
    with (
        closing(_attendance(files)) as attendance,
        signals.collected(attendance.hung_up) as received,
        open_stations(files, reread, attendance) as opened,
    ):

        def note(text: str) -> None:
            for journal in opened.journals:
                journal.note(text)

        attendance.ready(statistics.line, note, partial(_reload, opened.controls.values()))
        try:
            for verdict in lines.run(opened.stations, lambda: bool(received), arguments.frames):
                statistics.count(verdict)
            attendance.stop()
            for outbox in opened.outboxes:
                outbox.finish()
        finally:  # a full disk ends the run; what was judged before is still worth knowing
            sources = opened.sources
            summary = statistics.summary(
                sources.dropped, sources.reopened, sources.missed, sources.counts
            )
            line = json.dumps({"summary": summary}) if arguments.json else _line(summary)
            with suppress(OSError):  # stdout may be what failed
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    return 130 if signal.SIGINT in received else 0


def _attendance(files: list[tuple[Settings, Path]]) -> Attendance:
    """Return who attends to the stations of this process: one machine, one settings of it."""
    journals = [settings.journal.path for settings, _ in files if settings.journal is not None]
    return Attendance(files[0][0].host, journals)


def _reload(controls: Iterable[Control]) -> None:
    """Read the station files again, and return when that is done."""
    for answer in [control.reload() for control in controls]:
        answer.result()


def _readers(arguments: argparse.Namespace) -> list[tuple[Callable[[], Settings], Path]]:
    """Return what reads each station's settings, and what their relative paths are relative to."""
    given = [name for name in (*FLAGS, "good", *NUMBERS) if _value(arguments, name) is not None]
    if not arguments.stations:
        return [(partial(_from_flags, arguments), Path())]
    if given:
        raise ConfigError(
            f"--{given[0]}: not together with a station file; set it in {arguments.stations[0]}"
        )
    return [(partial(_from_file, path, arguments), path.parent) for path in arguments.stations]


def _from_file(path: Path, arguments: argparse.Namespace) -> Settings:
    settings = _named(config.read(path), path, arguments.stations)
    return _with_json(settings, arguments.json)


def _named(settings: Settings, path: Path, stations: list[Path]) -> Settings:
    """Return the settings of one of several files with a name: the file's, where it says none."""
    alone = settings.name or len(stations) == 1
    return settings if alone else replace(settings, name=path.stem)


def _from_flags(arguments: argparse.Namespace) -> Settings:
    for name in ("bundle", "camera", "good"):
        if not _value(arguments, name):
            raise ConfigError(f"--{name}: required without a station file")
    limits = {
        key: value
        for key in ("min_score", "min_margin")
        if (value := getattr(arguments, key)) is not None
    }
    settings = Settings(
        bundle=Path(arguments.bundle),
        camera=cameras.table(arguments.camera),
        rule=Rule(tuple(arguments.good), **limits),
        variant=arguments.variant or "auto",
        journal=JournalSettings(Path(arguments.journal)) if arguments.journal else None,
        timeout_ms=1000.0 if arguments.timeout_ms is None else arguments.timeout_ms,
    )
    return _with_json(settings, arguments.json)


def _value(arguments: argparse.Namespace, name: str) -> object:
    value = getattr(arguments, name.replace("-", "_"))
    return None if value == [] else value


def _with_json(settings: Settings, wanted: bool) -> Settings:
    """Return the settings, where it is wanted with terminal outputs that write JSON lines."""
    if not wanted:
        return settings
    outputs = tuple(
        {**table, "json": True} if table.get("kind") == "terminal" else table
        for table in settings.outputs
    )
    return replace(settings, outputs=outputs)


def _line(summary: dict[str, float | int | None]) -> str:
    latency = "no frame"
    if summary["latency_ms_p50"] is not None:
        latency = "frame to verdict p50 {} p95 {} p99 {} ms".format(
            *(summary[f"latency_ms_p{percent}"] for percent in (50, 95, 99))
        )
    announced = ""
    if summary["triggers"] is not None:
        ignored = f", {summary['ignored']} signals ignored" if summary["ignored"] else ""
        announced = f"{summary['triggers']} announced{ignored}; "
    rare = [
        f"{summary[key]} {words}"
        for key, words in (
            ("incidents", "incidents without a part; "),
            ("camera_reopened", "times a camera was reopened; "),
        )
        if summary[key]
    ]
    return (
        f"{summary['parts']} parts: {summary['pass']} PASS, {summary['fail']} FAIL, "
        f"{summary['review']} REVIEW, {summary['missed']} missed, {summary['errors']} errors; "
        f"{announced}{summary['frames_dropped']} frames dropped; {''.join(rare)}{latency}"
    )
