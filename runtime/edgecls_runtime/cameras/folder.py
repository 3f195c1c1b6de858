"""Images of a folder and its sub-folders: once, in the order of their paths; or as they arrive.

Each file is a part, named by its path in the folder; a file that is no image is a part to review.
"""

import os
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, ConfigError, EndOfStream, Fault, ImageError, NoPart
from edgecls.frame import Frame
from edgecls_runtime.arrivals import Arrivals, files
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.images import decoded, read_file

EXCLUSIVE = "path"
ENDS_UNLESS = "watch"
LONGEST_MS = 3_600_000
# A look at a folder of ten thousand files takes tens of milliseconds: then it is looked at less.
SHARE_OF_TIME = 0.1


class FolderCamera:
    """Delivers every file of a folder as one frame."""

    live = False

    def __init__(self, folder: Path, files: list[Path]) -> None:
        """Prepare to read ``files``, all inside ``folder``."""
        self._folder = folder
        self._files = enumerate(files)

    def read(self, timeout: float) -> Frame:
        """Return the next image.

        Raises:
            ImageError: The next file is not an image; the call after goes on behind it.
            EndOfStream: All files were read.

        """
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:  # noqa: ARG002 - a file is there or it is not
        """Return the next file, not read yet.

        Raises:
            EndOfStream: There are no more.

        """
        for number, file in self._files:
            return _undecoded(self._folder, file, number)
        raise EndOfStream(f"folder {self._folder}: every file was read")

    def close(self) -> None:
        """Do nothing; no file is held open."""


class WatchedFolder:
    """Delivers each file that arrives in a folder, once, when it is complete; never ends."""

    live = False

    def __init__(self, folder: Path, arrivals: Arrivals, poll: float) -> None:
        """Begin to look.

        Args:
            folder: What is watched; parts are named by their paths in it.
            arrivals: What has arrived there.
            poll: Seconds between two looks.

        """
        self._folder, self._arrivals, self._poll = folder, arrivals, poll
        self._files: deque[Path] = deque()
        self._count = 0
        self._due = 0.0
        self._fault: CameraError | None = None
        self._stopping = threading.Event()

    def read(self, timeout: float) -> Frame:
        """Return the next image; as ``take``, and raises ImageError for a file that is none."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next file, not read yet.

        Raises:
            NoPart: None arrived in time.
            CameraError: The folder is gone; a later call may find it again.

        """
        deadline = time.monotonic() + timeout
        while not self._files:
            self._look()
            now = time.monotonic()
            if self._files:
                break
            if now >= deadline or self._stopping.is_set():
                raise self._fault or NoPart(
                    f"folder {self._folder}: no new file within {timeout:g} s"
                )
            self._stopping.wait(min(self._due, deadline) - now)
        number, self._count = self._count, self._count + 1
        return _undecoded(self._folder, self._files.popleft(), number)

    def close(self) -> None:
        """End a wait."""
        self._stopping.set()

    def _look(self) -> None:
        began = time.monotonic()
        if began < self._due:
            return
        try:
            self._files.extend(self._arrivals.look())
            self._fault = None
        except OSError as error:
            self._fault = CameraError(
                f"folder {self._folder}: {error.strerror}; {self._count} files delivered before; "
                f"is its disk or share still there?",
                Fault.GONE,
            )
        now = time.monotonic()
        self._due = now + max(self._poll, (now - began) / SHARE_OF_TIME)


def open(
    *,
    path: Path,
    watch: bool = False,
    existing: bool = True,
    poll_ms: float = 100.0,
    settle_ms: float = 300.0,
) -> FolderCamera | WatchedFolder:
    """Open a folder.

    Args:
        path: The folder; hidden files and folders in it are left out.
        watch: Go on for ever and deliver each new file when it is complete, in order of arrival.
        existing: Of a watched folder: deliver also what is there at the start.
        poll_ms: Of a watched folder: from one look to the next.
        settle_ms: Of a watched folder: so long must a file not change to be complete.

    Raises:
        CameraError: No such folder, or, where it is not watched, no file in it.

    """
    if not path.is_dir():
        raise CameraError(
            f"folder {path}: no such folder; expected a folder of images", Fault.MISSING
        )
    if watch:
        return _watched(path, existing=existing, poll_ms=poll_ms, settle_ms=settle_ms)
    if not existing:
        raise ConfigError("camera.existing: false is for watch = true; else nothing is left")
    found = sorted(Path(file) for file, _ in files(path))
    if not found:
        raise CameraError(f"folder {path}: no files in it; expected images", Fault.MISSING)
    return FolderCamera(path, found)


def _watched(path: Path, *, existing: bool, poll_ms: float, settle_ms: float) -> WatchedFolder:
    for key, value, least in (("poll_ms", poll_ms, 1), ("settle_ms", settle_ms, 0)):
        if not least <= value <= LONGEST_MS:  # NaN compares false
            raise ConfigError(f"camera.{key}: {value:g}; expected {least} to {LONGEST_MS}")
    try:
        arrivals = Arrivals(path, settle_ms / 1000, existing=existing)
    except OSError as error:
        raise CameraError(
            f"folder {path}: {error.strerror}; may this user read it?", Fault.REFUSED
        ) from error
    return WatchedFolder(path, arrivals, poll_ms / 1000)


def _undecoded(folder: Path, file: Path, number: int) -> Undecoded:
    # A name that is not UTF-8 must not stop a journal that is.
    part = _readable(file.relative_to(folder).as_posix())
    read = _File(file, part)
    return Undecoded(
        read, number, time.monotonic(), f"folder {folder}", part, original=read.original
    )


class _File:
    """Reads a file when it is called, and keeps its bytes: it may be gone a moment later."""

    def __init__(self, path: Path, part: str) -> None:
        self._path, self._part = path, part
        self._raw: NDArray[np.uint8] | None = None

    def __call__(self) -> NDArray[np.uint8]:
        try:
            self._raw = read_file(self._path)
            return decoded(self._raw, self._path)
        except ImageError as error:
            raise ImageError(_readable(str(error)), self._part) from error

    def original(self) -> NDArray[np.uint8] | None:
        return self._raw


def _readable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "backslashreplace")
