"""Disk space that is kept free for the journal: given back when the disk is full."""

import os
from contextlib import suppress
from pathlib import Path

# Room that must be left beside the reserve before it is taken again.
MARGIN_BYTES = 8 * 2**20


class Reserve:
    """A file of zeros beside the journal."""

    def __init__(self, journal: Path, size: int) -> None:
        """Plan it; nothing is taken before ``fill``.

        Args:
            journal: What it is for.
            size: Bytes; 0 keeps none.

        """
        self.path = journal.with_name(f"{journal.name}-reserve")
        self.size = size

    @property
    def is_filled(self) -> bool:
        """Whether the space is there."""
        with suppress(OSError):
            return self.path.stat().st_size >= self.size
        return not self.size

    def fill(self) -> bool:
        """Take the space, unless the disk is too full; return whether it is there."""
        if self.is_filled:
            return True
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < self.size + MARGIN_BYTES:
            return False
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the space back; return whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True
