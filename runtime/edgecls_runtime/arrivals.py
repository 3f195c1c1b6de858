"""Which files of a folder are new and complete: what a watched folder delivers.

A file is complete when its size and its time have not changed for a while and, where the system
can tell, nobody has it open for writing. It is known again by its content, not only by its name:
what is renamed after it was delivered is not new, and what is written anew under a name is.

Plain looking again and again, for it also sees what another machine writes to a network share.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Programs that fetch or save files give them their right name when they are whole.
UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", "~")


class Content(NamedTuple):
    """What tells one content of a file from another."""

    inode: int
    size: int
    changed: int  # nanoseconds, by the clock of whoever wrote it


class Arrivals:
    """Looks at a folder and remembers what it has given."""

    def __init__(self, folder: Path, settle: float, *, existing: bool = True) -> None:
        """Begin to watch.

        Args:
            folder: With its sub-folders.
            settle: Seconds for which a file must not change.
            existing: Whether files that are there now shall be given.

        Raises:
            OSError: The folder cannot be read.

        """
        self._folder, self._settle = folder, settle
        self._known: set[tuple[object, ...]] = set()
        self._waiting: dict[str, tuple[Content, float]] = {}
        if not existing:
            for path, stat in files(folder):
                self._known.update(_keys(path, _content(stat)))

    def look(self) -> list[Path]:
        """Return the files that are complete since the last look, in the order of their arrival.

        Raises:
            OSError: The folder cannot be read; nothing is forgotten meanwhile.

        """
        now = time.monotonic()
        complete: list[tuple[int, str]] = []
        waiting: dict[str, tuple[Content, float]] = {}
        known: set[tuple[object, ...]] = set()
        found = dict(files(self._folder))
        for path, stat in found.items():
            content = _content(stat)
            keys = _keys(path, content)
            if self._known.isdisjoint(keys):
                before, since = self._waiting.get(path, (content, now))
                since = since if before == content else now
                if path.endswith(UNFINISHED):
                    continue
                if now - since < self._settle or is_being_written(path):
                    waiting[path] = (content, since)
                    continue
                complete.append((stat.st_ctime_ns, path))
            known.update(keys)
        self._waiting = waiting
        if found:  # a share that is not mounted is an empty folder; it comes back as it was
            self._known = known
        return [Path(path) for _, path in sorted(complete)]


def files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files of a folder and its sub-folders, but nothing hidden.

    Links are followed, and no folder is looked into twice: a link may lead back up.

    Raises:
        OSError: A folder cannot be read.

    """
    visited: set[tuple[int, int]] = set()
    folders = [os.fspath(folder)]
    while folders:
        here = folders.pop()
        try:
            stat = os.stat(here)  # noqa: PTH116 - thousands of files: paths as text
            if (stat.st_dev, stat.st_ino) in visited:
                continue
            visited.add((stat.st_dev, stat.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        folders.append(entry.path)
                    elif entry.is_file() and (found := _stat(entry)):
                        yield entry.path, found
        except FileNotFoundError:
            if here == os.fspath(folder):
                raise  # a sub-folder may go while it is looked at


def is_being_written(path: str) -> bool:
    """Return whether anybody here has a file open for writing; False where that cannot be told.

    Source:
        fcntl(2), "Leases": a read lease is refused with EAGAIN while a file is open for writing.
        Network file systems, and files of somebody else, give no lease.
    """
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - not on every system

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Who opens it meanwhile has this process told, by a signal that would end it but for this.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(file)
    return False


def _stat(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat()
    except FileNotFoundError:  # it was moved away since
        return None


def _content(stat: os.stat_result) -> Content:
    return Content(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _keys(path: str, content: Content) -> tuple[tuple[object, ...], ...]:
    """Return by what a file is known: its name, and its inode, each with what its content was."""
    named = (path, content.size, content.changed)
    # Some file systems have no inodes.
    return (named, tuple(content)) if content.inode else (named,)
