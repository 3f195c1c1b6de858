"""Graphs as the engine optimised them for this processor, kept from one start to the next.

A session optimises its graph each time it is built, which takes time and leaves the weights in
memory twice. The optimised graph gives the same bytes and needs neither. It stands in the user's
cache folder: deleting it, or a disk that is full or read-only, costs that time and nothing else.
"""

import hashlib
import os
import platform
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgecls.bundle import sha256
from edgecls_runtime import machine, user_cache

# A build machine loads many models once; without a limit each of them would stay for good.
MOST_BYTES = 512 << 20
# Older than this, a file that was being written has nobody who still writes it.
ABANDONED_S = 3600.0
PART_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Optimised:
    """The place of one optimised graph.

    The name of its file holds the check sum of its content, so that one rename puts both in place
    and a file that a power cut damaged does not fit its own name.

    Attributes:
        folder: Where the graphs of all models stand.
        key: SHA-256, hex, of all that the graph depends on.

    """

    folder: Path
    key: str

    def found(self) -> Path | None:
        """Return the file of an earlier start; None if there is none, or a damaged one."""
        for file in self._files():
            with suppress(OSError):
                if file.name == self._name(file):
                    os.utime(file)  # the graphs that are in use stay longest
                    return file
        return None

    def forget(self) -> None:
        """Delete what is there, so that it is built anew."""
        for file in self._files():
            with suppress(OSError):
                file.unlink()

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Give a file to write the graph to, and put it in place if nothing was raised.

        Raises:
            OSError: The folder cannot be written to.

        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / f"{self.key}.{os.getpid()}.{threading.get_ident()}.part"
        file.touch(mode=0o600)
        try:
            yield file
            with suppress(OSError):
                self._put(file)
        finally:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def _put(self, file: Path) -> None:
        with file.open("rb") as written:
            os.fsync(written.fileno())  # a full disk may say so only here
        if not 0 < file.stat().st_size <= MOST_BYTES // 2:
            return
        self.forget()
        file.replace(self.folder / self._name(file))
        _prune(self.folder)

    def _files(self) -> list[Path]:
        try:
            return list(self.folder.glob(f"{self.key}.*.onnx"))
        except OSError:
            return []

    def _name(self, file: Path) -> str:
        found = 0
        with file.open("rb") as opened:
            while part := opened.read(PART_BYTES):
                found = zlib.crc32(part, found)
        return f"{self.key}.{found:08x}.onnx"


def of(model: Path, *settings: str) -> Optimised | None:
    """Return the place of a model's optimised graph; None where there is no folder for it.

    Args:
        model: The file as the exporter wrote it.
        settings: What else the graph depends on: the engine's version and its options.

    """
    try:
        folder = user_cache.folder("graphs")
        parts = [sha256(model), *settings, platform.machine(), *sorted(machine.instructions())]
    except OSError:  # no home, or no such file, which the engine says better
        return None
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Optimised(folder, key)


def _prune(folder: Path) -> None:
    """Delete the graphs that were not used for longest, and files that nobody goes on writing."""
    room = MOST_BYTES
    stats = [(file.stat(), file) for file in folder.iterdir()]
    for stat, file in sorted(stats, key=lambda found: found[0].st_mtime, reverse=True):
        if file.suffix == ".part":
            if time.time() - stat.st_mtime > ABANDONED_S:
                file.unlink(missing_ok=True)
        elif (room := room - stat.st_size) < 0:
            file.unlink(missing_ok=True)
