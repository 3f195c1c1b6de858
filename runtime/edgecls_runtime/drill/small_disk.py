"""A disk that is full, without filling anybody's: one of a few MB, or a limit to one process."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

BALLAST = "ballast"
BLOCK = b"\0" * 4096


class Disk(Protocol):
    """A disk that can be filled.

    Attributes:
        how: What it is, for the report.

    """

    how: str

    def fill(self, process: int) -> None:
        """Leave no room to a process, by its id."""
        ...

    def free(self, process: int) -> None:
        """Give the room back."""
        ...


class SmallDisk:
    """A disk in memory, of a few MB."""

    def __init__(self, folder: Path) -> None:
        """Use a mounted one."""
        self.folder = folder
        self.how = "a disk of its own in memory"

    def fill(self, _: int) -> None:
        """Write a file until there is no room."""
        file = os.open(self.folder / BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            with suppress(OSError):
                while True:
                    os.write(file, BLOCK)
        finally:
            os.close(file)

    def free(self, _: int) -> None:
        """Remove that file."""
        (self.folder / BALLAST).unlink(missing_ok=True)


class Limit:
    """A limit to the size of every file that one process writes: nothing can be written then."""

    how = (
        "a limit to the size of its files (a disk of its own, and with it the reserve, needs root)"
    )

    def fill(self, process: int) -> None:
        """Let no file of it grow, nor anything be written behind its first page."""
        _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (len(BLOCK), most))

    def free(self, process: int) -> None:
        """Take the limit away."""
        _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk at a folder, meanwhile; None where that is not allowed.

    Args:
        folder: Empty.
        size_mb: Its size.

    """
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "drill", str(folder)]
    if not _done(mount):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily, where something still has a file open: it goes with the last of them.
        if not _done(["umount", str(folder)]):
            _done(["umount", "-l", str(folder)])


def _done(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - ours
    except OSError:
        return False
