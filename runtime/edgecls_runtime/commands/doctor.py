"""Is everything here, and right? Open all of a station, judge one part, tell nobody.

    edgecls doctor STATION.toml    room by room: "ok", or the fault and what to do
    edgecls doctor                 what is on this machine: packages, providers, cameras

Nothing is written, nothing is kept, and outputs are not opened: that would drive pins. What they
stand on is looked at; --open-outputs opens and closes them too. Run it while the line stands: a
part that a trigger announces meanwhile is judged by nobody. Exit code 0: all is well; 1: something
is not; 2: the station file is wrong.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecls_runtime.commands import add_json, devices, print_json
from edgecls_runtime.doctor import here
from edgecls_runtime.doctor.examination import examined
from edgecls_runtime.doctor.finding import Finding, State

MARKS = {State.OK: "ok", State.FAULT: "FAULT", State.NOT_TRIED: "-"}
WIDTH = max(map(len, MARKS.values()))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "station",
        metavar="STATION.toml",
        type=Path,
        nargs="?",
        help="station file; without one: what is on this machine",
    )
    parser.add_argument(
        "--open-outputs",
        action="store_true",
        help="open and close outputs too: pins go to their safe state, others see us come and go",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look into every room, and say what is there as it is found."""
    found = []
    for finding in _findings(arguments):
        found.append(finding)
        if not arguments.json:
            sys.stdout.writelines(f"{line}\n" for line in _lines(finding))
            sys.stdout.flush()  # a camera may take seconds
    code = _code(found)
    if arguments.json:
        station = arguments.station and str(arguments.station)
        print_json({"station": station, "well": not code, "rooms": [one.table() for one in found]})
    return code


def _findings(arguments: argparse.Namespace) -> Iterator[Finding]:
    if arguments.station is not None:
        yield from examined(arguments.station, opens_outputs=arguments.open_outputs)
        return
    yield from here.engine()
    rows = devices.asked(["providers", "cameras"])
    yield from here.hardware("provider", rows["providers"])
    yield from here.hardware("camera", rows["cameras"])


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{MARKS[finding.state]:{WIDTH}}  {finding.room}: {finding.text}"
    for line in finding.lines:
        yield f"{'':{WIDTH}}    {line}"


def _code(found: list[Finding]) -> int:
    faults = [one for one in found if one.state is State.FAULT]
    if any(one.is_file for one in faults):
        return 2
    return 1 if faults else 0
