"""What people say of kept pictures, as the page shows it and writes it down.

The file is that of ``evidence/relabels.py``, to which other programs may add as well.
"""

from collections.abc import Mapping
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.announcing import part_ids
from edgecls_runtime.evidence import relabels

LONGEST = 64


class Labels:
    """The labels of one folder of evidence; used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Begin with what was said before; the file may not exist yet."""
        self._folder = folder
        self._file = folder / relabels.FILE
        self._read_at: tuple[int, int] | None = None
        self._said: dict[str, str] = {}

    def all(self) -> Mapping[str, str]:
        """Return what parts really were, by the ids of their verdicts."""
        self._refresh()
        return self._said

    def say(self, verdict_id: str, label: str, by: str) -> None:
        """Write down what a part really was; an empty label takes it back.

        Raises:
            ConfigError: It cannot be a label.
            OutputError: It cannot be written.

        """
        if label and (wrong := fault(label)):
            raise ConfigError(f"label: {wrong}")
        relabels.add(self._folder, verdict_id, label, by)

    def _refresh(self) -> None:
        try:
            found = self._file.stat()
        except OSError:
            return
        if (now := (found.st_mtime_ns, found.st_size)) != self._read_at:
            kept = relabels.read(self._folder)
            self._said = {verdict_id: said.label for verdict_id, said in kept.items()}
            self._read_at = now


def fault(label: str) -> str:
    """Return why a text cannot be a label, which is the name of a folder; empty where it can."""
    if label != label.strip():
        return "begins or ends with a blank"
    if len(label) > LONGEST:
        return f"{len(label)} characters; expected at most {LONGEST}"
    if label.startswith(".") or "/" in label or "\\" in label:
        return "begins with a dot or holds a slash; expected what a folder can be called"
    return part_ids.fault(label)
