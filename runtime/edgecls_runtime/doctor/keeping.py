"""What a station keeps, and the machine it stands on: nothing is written."""

import fcntl
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from edgecls.errors import OutputError
from edgecls_runtime.config import Settings
from edgecls_runtime.doctor.finding import Finding, fault, looked, not_tried, ok
from edgecls_runtime.host import readings
from edgecls_runtime.host.conditions import Conditions
from edgecls_runtime.journal import SCHEMA_VERSION, open_reader
from edgecls_runtime.journal.checking import check_end
from edgecls_runtime.journal.reading import version

# So many of a journal are read in a fraction of a second; edgecls journal verify reads all.
NEWEST = 1000
# Of an image output that does not say.
LEAST_MB = 500.0


def journal(settings: Settings) -> Iterator[Finding]:
    """Yield whether the journal can be written, and whether the one that is there holds."""
    if settings.journal is None:
        yield not_tried("journal", "the file has no [journal]: no verdict is kept")
        return
    path = settings.journal.path
    yield looked("journal", lambda: _journal(path))


def _journal(path: Path) -> Finding:
    place = _writable(path.parent, "journal")
    if not path.exists():
        return ok("journal", f"{path}: a new one; {place}")
    if not os.access(path, os.W_OK):
        raise OutputError(f"journal {path}: may not be written by this user; {_remedy(path)}")
    _require_alone(path)
    if (old := version(path)) < SCHEMA_VERSION:
        what = f"of version {old}; the station brings it up to date" if old else "empty"
        return ok("journal", f"{path}: {what}; {place}", version=old)
    with open_reader(path, is_still=True) as reader:
        found, counts = check_end(reader, NEWEST), reader.counts()
    if found.faults:
        return fault("journal", f"{path}: {found.faults[0]}; see: edgecls journal verify {path}")
    return ok(
        "journal",
        f"{path}: {counts['triggers']} parts, the newest {found.entries} entries hold; {place}",
        parts=counts["triggers"],
        head=found.head,
    )


def _require_alone(journal: Path) -> None:
    """Raise OutputError where a station is writing a journal."""
    try:
        with journal.with_name(f"{journal.name}-lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError as error:
        raise OutputError(
            f"journal {journal}: a station is writing it; end that one first, for it has the "
            f"cameras and pins too"
        ) from error


def evidence(settings: Settings, base: Path, wrong: frozenset[str]) -> Iterator[Finding]:
    """Yield whether images can be kept."""
    for number, table in enumerate(settings.outputs):
        if table.get("kind") == "image" and f"outputs[{number}]" not in wrong:
            folder, least = base / str(table["path"]), table.get("min_free_mb", LEAST_MB)
            yield looked("evidence", partial(_evidence, folder, float(str(least))))


def _evidence(folder: Path, least_mb: float) -> Finding:
    place = _writable(folder, "image output")
    free = readings.disk_free_mb(folder)
    if free is not None and free < least_mb:
        return fault(
            "evidence",
            f"image output {folder}: {free:.0f} MB free on its disk; expected {least_mb:g} "
            f"(min_free_mb); no image would be kept: free space",
        )
    return ok("evidence", f"{folder}: {place}", folder=str(folder))


def machine(settings: Settings, base: Path) -> Iterator[Finding]:
    """Yield what is wrong with the machine, or how it is."""
    kept = [] if settings.journal is None else [settings.journal.path]
    kept += [base / str(one.get("path", "")) for one in settings.outputs if one["kind"] == "image"]
    conditions = Conditions(settings.host, kept, lambda _, __: None)
    found = conditions.sample()
    for one in found:
        yield fault("machine", one.text)
    if not found:
        figures = conditions.figures
        words = [
            None
            if figures.memory_available_mb is None
            else f"{figures.memory_available_mb:.0f} of {figures.memory_total_mb:.0f} MB free",
            None if figures.temperature_c is None else f"{figures.temperature_c:.0f} C",
            None
            if figures.speed_share is None
            else f"processor at {100 * figures.speed_share:.0f} % of its frequency",
        ]
        yield ok("machine", ", ".join(filter(None, words)) or "says nothing", **figures.table())


def _writable(folder: Path, what: str) -> str:
    """Return what is free where a folder is or would be made.

    Raises:
        OutputError: It may not be written, or is no folder.

    """
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise OutputError(f"{what} {there}: is no folder; choose another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{what} {there}: may not be written by this user; {_remedy(there)}")
    free = readings.disk_free_mb(there)
    is_new = "" if folder.exists() else ", the folder is made at the start"
    return f"{free or 0:.0f} MB free{is_new}"


def _remedy(path: Path) -> str:
    return f"choose another path, or run: sudo chown $USER {path}"
