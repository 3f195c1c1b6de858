"""What people say that a part really was: one file in the folder of the evidence.

Each line of ``relabels.jsonl`` is a JSON object ``{"id", "label", "at", "by"}``. It is only ever
added to; the last line of an id holds, and an empty label takes the earlier ones back.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecls.errors import ConfigError, OutputError

FILE = "relabels.jsonl"
MOST_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Relabel:
    """One person's word about one part.

    Attributes:
        id: Of the verdict, as the journal wrote it.
        label: What the part really was; empty takes back what was said before.
        at: UTC, ISO 8601 with milliseconds.
        by: Who said it; empty where nobody is known.

    """

    id: str
    label: str
    at: str
    by: str = ""


def add(folder: Path, verdict_id: str, label: str, by: str = "") -> Relabel:
    """Write down what a part really was; it survives a power cut once this has returned.

    Threads and processes may add to one file.

    Raises:
        ConfigError: There is no id, or a text is longer than any label.
        OutputError: It cannot be written.

    """
    for name, text in (("id", verdict_id), ("label", label), ("by", by)):
        if len(text) > MOST_CHARACTERS:
            raise ConfigError(
                f"relabel: {name} of {len(text)} characters; expected at most {MOST_CHARACTERS}"
            )
    if not verdict_id:
        raise ConfigError("relabel: no id; expected that of a verdict")
    said = Relabel(verdict_id, label, datetime.now(UTC).isoformat(timespec="milliseconds"), by)
    try:
        _append(folder / FILE, json.dumps(asdict(said)) + "\n")
    except OSError as error:
        raise OutputError(
            f"relabels {folder / FILE}: {error.strerror or error}; {verdict_id} is not relabelled"
        ) from error
    return said


def read(folder: Path, skipped: list[str] | None = None) -> dict[str, Relabel]:
    """Return what holds of each part, by the id of its verdict; nothing where nobody said a word.

    Args:
        folder: Of the evidence.
        skipped: Gets one message for each line that cannot be read.

    Raises:
        OutputError: The file is there and cannot be read.

    """
    path = folder / FILE
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OutputError(f"relabels {path}: {error.strerror}; may this user read it?") from error
    found: dict[str, Relabel] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        said = _said(line)
        if said is None:
            if skipped is not None:
                skipped.append(f"{path}:{number}: no relabel; expected id, label, at and by")
        elif said.label:
            found[said.id] = said
        else:
            found.pop(said.id, None)
    return found


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(handle).st_size
        # A line that a power cut tore must not take this one with it.
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (("\n" if torn else "") + line).encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _said(line: bytes) -> Relabel | None:
    try:
        table = json.loads(line)
        said = Relabel(**table)
    except (ValueError, TypeError):
        return None
    return said if all(isinstance(text, str) for text in asdict(said).values()) else None
