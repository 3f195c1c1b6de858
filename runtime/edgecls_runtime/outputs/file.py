"""Verdicts as JSON lines at the end of a file, each on the disk before the next one is told.

For whatever reads files: a shipper of logs, a share, another program. The file may be moved away,
as logrotate does: the next line begins a new one. A line that a power cut tore is ended, and its
verdict written again: whoever reads the file passes over a line that is no JSON.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from edgecls.errors import OutputError
from edgecls.verdict import Verdict
from edgecls_runtime.probe import Probed

KEEPS = True
WRITES = ("path",)
FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class FileOutput:
    """Writes one line a verdict."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        """Open the file.

        Raises:
            OutputError: It cannot be written.

        """
        self._path, self._sync = path, sync
        self._file: int | None = None
        try:
            self._reach()
        except OSError as error:
            raise self._fault(error) from error

    def send(self, verdict: Verdict) -> None:
        """Write the line of one verdict, and wait until it is on the disk.

        Raises:
            OutputError: The disk is full, or the file's folder is gone.

        """
        line = json.dumps(verdict.table()).encode() + b"\n"
        try:
            self._write(self._reach(), line)
        except OSError as error:
            self.close()
            raise self._fault(error) from error

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _reach(self) -> int:
        """Return the file that has the path now: it may have been moved away, or its folder."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file), self._path.stat()):
                    return self._file
            self.close()
        file = self._file = os.open(self._path, FLAGS, 0o644)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")
        return file

    def _write(self, file: int, line: bytes) -> None:
        size = os.fstat(file).st_size
        try:
            _write_all(file, line)
            if self._sync:
                os.fdatasync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, size)  # half a line, on a full disk
            raise

    def _fault(self, error: OSError) -> OutputError:
        return OutputError(
            f"file output {self._path}: {error.strerror or error}; "
            f"expected a file that can be written, on a disk with room"
        )


def _write_all(file: int, line: bytes) -> None:
    written = os.write(file, line)
    if written < len(line):
        raise OSError(f"only {written} of {len(line)} bytes were written")


def open(*, path: Path, sync: bool = True) -> FileOutput:
    """Append verdicts to a file.

    Args:
        path: The file; its folder must be there.
        sync: Wait for each line until it is on the disk: false is faster, and a power cut may take
            lines that count as told.

    """
    return FileOutput(path, sync=sync)


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("file", ready=True, what="JSON lines at the end of a file; part of Python")
