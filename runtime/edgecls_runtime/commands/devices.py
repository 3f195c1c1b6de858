"""What can be used here, and why the rest cannot.

Each provider loads and runs a tiny model in a process of its own: "ready" is proven, not believed.
The others say which package, driver or library is missing, and the command that helps. Providers of
other packages (entry points of the group edgecls.providers) are asked in the same way.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from edgecls import plugins
from edgecls.progress import track
from edgecls_runtime import packages
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.probe import PROVIDERS, Probed, probe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask every kind of hardware, and print what came of it."""
    found = {name: list(ask()) for name, ask in SECTIONS.items()}
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


def _providers() -> list[Probed]:
    kinds = plugins.kinds(PROVIDERS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # most of the time is the engine's start
        return list(track(pool.map(probe, kinds), "devices: asking providers", len(kinds)))


# By the name of the section; each returns its rows.
SECTIONS: dict[str, Callable[[], list[Probed]]] = {"providers": _providers}


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
