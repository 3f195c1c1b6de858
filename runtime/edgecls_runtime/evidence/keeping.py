"""A folder of images that never outgrows its quota: room is made before a byte is written.

An image is written beside its place under another name and renamed when it is whole, so that a
crash leaves no half of one. Nothing is synced: a power cut may cost the last images, which the
journal's verdicts outlive.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import OutputError
from edgecls_runtime.evidence.names import DAY, NAME, Place
from edgecls_runtime.evidence.picture import Picture
from edgecls_runtime.evidence.relabels import FILE as RELABELS
from edgecls_runtime.evidence.ring import Entry, Ring

MODE, FOLDER_MODE = 0o640, 0o750
BLOCK = 4096
# Relabels are written by others; so much may come between two images.
SPARE = 16 * BLOCK
WRITING, LOCK = ".writing", ".lock"
# A disk that has just enough room again would stop evidence with the next image.
ENOUGH_AGAIN = 1.1


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept.

    Attributes:
        quota: Bytes of all files, in whole blocks of the disk.
        most_per_label: Images of one label that count as one thing.
        min_free: Bytes that stay free on the disk.

    """

    quota: int
    most_per_label: int
    min_free: int


class Keeping:
    """The folder of the evidence, open to be written; by one process at a time.

    Attributes:
        folder: Its path.

    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Open or make a folder. What is in it is looked at when the first image comes.

        Raises:
            OutputError: It cannot be written, or somebody else writes it.

        """
        self.folder, self._limits = folder, limits
        self._ring: Ring | None = None
        self._is_stopped = False
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        except OSError as error:
            raise self._error(error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in (WRITING, f"{WRITING}.json"):
                (folder / name).unlink(missing_ok=True)
        except BlockingIOError:
            self.close()
            raise OutputError(
                f"image output {folder}: another output writes there; give each its own path"
            ) from None
        except OSError as error:
            self.close()
            raise self._error(error) from error

    def keep(self, place: Place, picture: Picture, table: dict[str, object]) -> bool:
        """Write an image and what stands beside it; return whether it is kept.

        A pass for which other images than passes would have to go is not.

        Args:
            place: Where; what is there already stays as it is.
            picture: The file.
            table: What stands beside it, as JSON.

        Raises:
            OutputError: The disk is nearly full, or cannot be written.

        """
        try:
            path = self.folder / place.path
            if path.exists():
                return True
            text = json.dumps(table, ensure_ascii=False).encode("utf-8", "replace")
            size = _blocks(picture.data.size) + _blocks(len(text))
            self._require_free(size)
            if not self._make_room(place, size):
                return False
            self._write_both(path, picture, text)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise self._error(error) from error
        self._counted().add((place.counts_as, place.label), place.path, size)
        return True

    def close(self) -> None:
        """Let go of the folder; closing twice is allowed."""
        handle, self._lock = self._lock, -1
        if handle >= 0:
            os.close(handle)

    def _counted(self) -> Ring:
        """Return what is kept; the folder itself knows."""
        if self._ring is None:
            ring = Ring(self._limits.quota, self._limits.most_per_label)
            for place, size in sorted(_found(self.folder), key=lambda one: one[0].key):
                ring.add((place.counts_as, place.label), place.path, size)
            self._ring = ring
        return self._ring

    def _make_room(self, place: Place, size: int) -> bool:
        ring, group = self._counted(), (place.counts_as, place.label)
        ring.quota = self._limits.quota - self._relabels()
        if not ring.fits(group, size):
            if size > ring.quota:
                raise OutputError(
                    f"image output {self.folder}: an image of {size / 2**20:.1f} MB; expected at "
                    f"most quota_mb, {self._limits.quota / 2**20:g}; it is not kept"
                )
            return False
        while (entry := ring.oldest(group, size)) is not None:
            self._remove(entry)
            ring.remove(entry)
        return True

    def _relabels(self) -> int:
        with suppress(FileNotFoundError):
            return _blocks((self.folder / RELABELS).stat().st_size) + SPARE
        return SPARE

    def _remove(self, entry: Entry) -> None:
        path = self.folder / entry.path
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.json").unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
                folder.rmdir()

    def _require_free(self, size: int) -> None:
        if not self._limits.min_free:
            return
        disk, ring = os.statvfs(self.folder), self._counted()
        free = disk.f_bavail * disk.f_frsize
        size -= max(ring.used + size - ring.quota, 0)  # others go for it
        wanted = self._limits.min_free * (ENOUGH_AGAIN if self._is_stopped else 1.0)
        self._is_stopped = free - size < wanted
        if self._is_stopped:
            raise OutputError(
                f"image output {self.folder}: {free / 2**20:.0f} MB free on its disk; expected "
                f"{wanted / 2**20:.0f} (min_free_mb); no image is kept until there is room"
            )

    def _write_both(self, path: Path, picture: Picture, text: bytes) -> None:
        for folder in (path.parent.parent.parent, path.parent.parent, path.parent):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        beside = path.with_name(f"{path.name}.json")
        self._write(text, beside, f"{WRITING}.json")
        try:
            self._write(picture.data.data, path, WRITING)  # last: what has an image is whole
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise

    def _write(self, data: "bytes | memoryview", path: Path, name: str) -> None:
        """Write a file under another name, and rename it when it is whole."""
        unfinished = self.folder / name
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
        try:
            try:
                os.fchmod(handle, MODE)  # whatever the umask
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
            finally:
                os.close(handle)
            unfinished.rename(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _error(self, error: OSError) -> OutputError:
        advice = {
            errno.ENOSPC: "free space; no image is kept until there is room",
            errno.EDQUOT: "free space; no image is kept until there is room",
        }.get(error.errno or 0, "may this user write there?")
        found = error.strerror or str(error)
        return OutputError(f"image output {self.folder}: {found}; {advice}")


def _blocks(size: int) -> int:
    """Return what a file takes of the disk."""
    return -(-size // BLOCK) * BLOCK


def _found(folder: Path) -> Iterator[tuple[Place, int]]:
    """Yield every image that is there; take away what a crash left without one."""
    for place in places(folder):
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder / place)}
        day, counts_as, label = place.split("/")
        for name, size in sizes.items():
            beside = name.removesuffix(".json")
            if beside != name:
                if beside not in sizes and NAME.fullmatch(beside):
                    (folder / place / name).unlink(missing_ok=True)
            elif NAME.fullmatch(name) and not size:  # a power cut left the name alone
                for empty in (name, f"{name}.json"):
                    (folder / place / empty).unlink(missing_ok=True)
            elif NAME.fullmatch(name):
                both = _blocks(size) + _blocks(sizes.get(f"{name}.json", 0))
                yield Place(day, counts_as, label, name), both


def places(folder: Path) -> Iterator[str]:
    """Yield the folders of images, as ``day/counts_as/label``; others' folders are left alone."""
    for day in _folders(folder):
        if DAY.fullmatch(day):
            for what in _folders(folder / day):
                for label in _folders(folder / day / what):
                    yield f"{day}/{what}/{label}"


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):  # its last image has just gone
        return []
