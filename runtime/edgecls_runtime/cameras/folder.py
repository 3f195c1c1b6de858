"""Images of a folder and its sub-folders, once, in the order of their paths.

Each file is a part, named by its path in the folder; a file that is no image is a part to review.
"""

import time
from pathlib import Path

from edgecls.errors import CameraError, EndOfStream, ImageError
from edgecls.frame import Frame
from edgecls_runtime.images import read_image


class FolderCamera:
    """Delivers every file of a folder as one frame."""

    live = False

    def __init__(self, folder: Path, files: list[Path]) -> None:
        """Prepare to read ``files``, all inside ``folder``."""
        self._folder = folder
        self._files = enumerate(files)

    def read(self, timeout: float) -> Frame:  # noqa: ARG002 - a file is there or it is not
        """Return the next image.

        Raises:
            ImageError: The next file is not an image; the call after goes on behind it.
            EndOfStream: All files were read.

        """
        for number, file in self._files:
            part = file.relative_to(self._folder).as_posix()
            try:
                image = read_image(file)
            except ImageError as error:
                raise ImageError(str(error), part) from error
            return Frame(image, number, time.monotonic(), f"folder {self._folder}", part)
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
    files = [f for f in sorted(path.rglob("*")) if f.is_file() and not _hidden(f, path)]
    if not files:
        raise CameraError(f"folder {path}: no files in it; expected images")
    return FolderCamera(path, files)


def _hidden(file: Path, folder: Path) -> bool:
    return any(name.startswith(".") for name in file.relative_to(folder).parts)
