"""What is on this machine, where no station file is given."""

import platform
import sys
from collections.abc import Iterator

import edgecls
from edgecls_runtime import packages
from edgecls_runtime.doctor.finding import Finding, fault, not_tried, ok
from edgecls_runtime.probe import Probed


def engine() -> Iterator[Finding]:
    """Yield which Python and which packages are here."""
    version = f"Python {platform.python_version()}, edgecls {edgecls.__version__}"
    yield ok("python", f"{version}, {sys.executable}")
    carriers, clash = packages.carriers(), packages.clash("onnxruntime")
    if clash:
        yield fault("engine", clash)
    elif carriers:
        yield ok("engine", ", ".join(map(str, carriers)))
    else:
        yield fault("engine", "onnxruntime: not installed; run: pip install 'edgecls[cpu]'")


def hardware(room: str, rows: list[Probed]) -> Iterator[Finding]:
    """Yield which kinds of a room can be used, and why the others cannot.

    Args:
        room: In the singular.
        rows: What each kind said.

    """
    for row in sorted(rows, key=lambda row: (not row.ready, row.kind)):
        devices = f"; {', '.join(row.devices)}" if row.devices else ""
        text = f"{row.kind}: {row.what}{devices}"
        yield ok(room, text) if row.ready else not_tried(room, text)
    if not any(row.ready for row in rows):
        yield fault(room, "none can be used here; expected at least one; see above")
