"""Images of a folder and its sub-folders, once, in the order of their paths.

Each file is a part, named by its path in the folder; a file that is no image is a part to review.
"""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import CameraError, EndOfStream, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.images import read_image

EXCLUSIVE = "path"


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
            # A name that is not UTF-8 must not stop a journal that is.
            part = _readable(file.relative_to(self._folder).as_posix())
            decode = partial(_decoded, file, part)
            return Undecoded(decode, number, time.monotonic(), f"folder {self._folder}", part)
        raise EndOfStream(f"folder {self._folder}: every file was read")

    def close(self) -> None:
        """Do nothing; no file is held open."""


def open(*, path: Path) -> FolderCamera:
    """Open a folder.

    Args:
        path: The folder; hidden files and folders in it are left out.

    Raises:
        CameraError: No such folder, or no file in it.

    """
    if not path.is_dir():
        raise CameraError(f"folder {path}: no such folder; expected a folder of images")
    files = sorted(_files(path, set()))
    if not files:
        raise CameraError(f"folder {path}: no files in it; expected images")
    return FolderCamera(path, files)


def _files(folder: Path, visited: set[Path]) -> Iterator[Path]:
    """Yield files, through links too, but no folder twice: a link may lead back up."""
    if folder.resolve() in visited:
        return
    visited.add(folder.resolve())
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(entry, visited)
        elif entry.is_file():
            yield entry


def _decoded(file: Path, part: str) -> NDArray[np.uint8]:
    try:
        return read_image(file)
    except ImageError as error:
        raise ImageError(_readable(str(error)), part) from error


def _readable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "backslashreplace")
