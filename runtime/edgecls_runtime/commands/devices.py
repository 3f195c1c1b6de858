"""What can be used here, and why the rest cannot: providers, cameras, triggers, outputs.

    edgecls devices            all of it
    edgecls devices cameras    these alone, which is faster

Each kind is asked in a process of its own. A provider loads and runs a tiny model: "ready" is
proven, not believed. A camera, a trigger or an output says which devices it sees. The others say
which package, driver or library is missing, and the command that helps. Kinds of other packages
(entry points such as edgecls.cameras) are asked in the same way.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from edgecls import plugins
from edgecls.errors import ConfigError
from edgecls.progress import track
from edgecls_runtime import packages
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.probe import ROOMS, Probed, probe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    sections = ", ".join(ROOMS)
    parser.add_argument(
        "sections", metavar="SECTION", nargs="*", help=f"any of {sections} (default: all)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask every kind of hardware, and print what came of it."""
    for section in arguments.sections:
        if section not in ROOMS:
            raise ConfigError(f"{section}: no such section; expected any of {', '.join(ROOMS)}")
    found = asked([room for room in ROOMS if room in (arguments.sections or ROOMS)])
    carriers, clash = packages.carriers(), packages.clash("onnxruntime")
    if arguments.json:
        sections = {name: [asdict(one) for one in rows] for name, rows in found.items()}
        print_json({"engines": [asdict(one) for one in carriers], "clash": clash, **sections})
        return 0
    sys.stdout.write(
        f"engine     {', '.join(map(str, carriers)) or 'onnxruntime: not installed'}\n"
    )
    if clash:
        sys.stdout.write(f"CLASH      {clash}\n")
    for name, rows in found.items():
        sys.stdout.write(f"\n{name}\n")
        sys.stdout.writelines(_lines(rows))
    return 0


def asked(rooms: list[str]) -> dict[str, list[Probed]]:
    """Return the answers of each room's kinds."""
    wanted = [(kind, room) for room in rooms for kind in plugins.kinds(ROOMS[room])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # most of the time is the engine's start
        answers = pool.map(lambda one: probe(*one), wanted)
        rows = list(track(answers, f"devices: asking {', '.join(rooms)}", len(wanted)))
    return {
        room: [row for row, (_, its) in zip(rows, wanted, strict=True) if its == room]
        for room in rooms
    }


def _lines(rows: list[Probed]) -> list[str]:
    """Return a table, what is ready first; only the last column is as long as it likes."""
    rows = sorted(rows, key=lambda row: (not row.ready, row.kind))
    cells = [
        (row.kind, "ready" if row.ready else "no", row.package or "-", _what(row)) for row in rows
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    return [
        "  "
        + "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
        + "\n"
        for row in cells
    ]


def _what(row: Probed) -> str:
    return f"{row.what}; {', '.join(row.devices)}" if row.devices else row.what
