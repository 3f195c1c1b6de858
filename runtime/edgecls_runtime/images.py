"""Image files -> RGB arrays: the only decoder in the project, for folders and for measuring alike.

The pixels are those that Pillow's ``convert("RGB")`` gives: grey becomes three equal channels,
transparency is dropped, 16 bits become the upper 8. An EXIF orientation is carried out, so a photo
is seen upright, as the person who labelled it saw it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError, ImageError

TIFF = (b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file of a data folder; ``label`` is the name of its folder, None in a flat folder."""

    path: Path
    label: str | None


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """Read an image file.

    Returns:
        uint8, shape (height, width, 3), RGB.

    Raises:
        ImageError: The file is missing, empty, truncated or not an image.

    """
    return decoded(read_file(path), path)


def read_file(path: Path | str) -> NDArray[np.uint8]:
    """Return the bytes of a file, uint8, shape (bytes,), at least one.

    Raises:
        ImageError: The file is missing or empty.

    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}; expected an image file") from error
    if raw.size == 0:
        raise ImageError(f"{path}: empty file; expected an image")
    return raw


def decoded(raw: NDArray[np.uint8], where: Path | str) -> NDArray[np.uint8]:
    """Return the image of a file's bytes: uint8, shape (height, width, 3), RGB.

    Raises:
        ImageError: They are truncated, or no image; the message begins with ``where``.

    """
    image = _decoded(raw)
    if image is None:
        raise ImageError(f"{where}: not an image, or a damaged one; expected JPEG, PNG, TIFF, BMP")
    if _is_clear_tiff(raw):
        raise ImageError(f"{where}: a TIFF with transparency; save it without, or as PNG")
    return image


def _decoded(raw: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    try:
        decoded = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # larger than OpenCV allows, for one
        return None
    return None if decoded is None else np.asarray(decoded, np.uint8)


def _is_clear_tiff(raw: NDArray[np.uint8]) -> bool:
    """Return whether this is a TIFF with transparency, which OpenCV mixes into the colours."""
    if raw[:4].tobytes() not in TIFF:
        return False
    found = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    return found is not None and found.ndim == 3 and found.shape[2] == 4


def find_images(folder: Path) -> list[Path]:
    """Return the files directly in a folder, hidden ones aside, in the order of their names.

    Raises:
        ConfigError: No such folder, or nothing in it.

    """
    if not folder.is_dir():
        found = "not a folder" if folder.exists() else "no such folder"
        raise ConfigError(f"{folder}: {found}; expected a folder of images")
    files = _files(folder)
    if not files:
        raise ConfigError(f"{folder}: no files in it; expected images")
    return files


def _files(folder: Path) -> list[Path]:
    return [f for f in sorted(folder.iterdir()) if f.is_file() and not f.name.startswith(".")]


def find_labelled(folder: Path) -> list[Labelled]:
    """Return the files of ``folder/<label>/*``, or of a flat folder without labels.

    Raises:
        ConfigError: No such folder, or no file in it or in its folders.

    """
    if not folder.is_dir():
        return [Labelled(path, None) for path in find_images(folder)]
    labels = [f for f in sorted(folder.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    if not labels:
        return [Labelled(path, None) for path in find_images(folder)]
    found = [Labelled(path, label.name) for label in labels for path in _files(label)]
    if not found:
        raise ConfigError(f"{folder}: no files in its folders; expected images")
    return found


def label_names(data: list[Labelled]) -> tuple[str, ...]:
    """Return the labels of a data folder, sorted, as torchvision's ImageFolder numbers them."""
    return tuple(sorted({item.label for item in data if item.label is not None}))


def readable(
    data: Iterable[Labelled], skipped: list[str]
) -> Iterator[tuple[Labelled, NDArray[np.uint8]]]:
    """Yield every item with its image; append the message of each unreadable one to ``skipped``."""
    for item in data:
        try:
            image = read_image(item.path)
        except ImageError as error:
            skipped.append(str(error))
            continue
        yield item, image
