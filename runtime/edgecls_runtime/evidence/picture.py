"""A frame as the file that is kept of it: the camera's own where it sent one, else its pixels."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ImageError, OutputError
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.images import decoded

Image = NDArray[np.uint8]
# How a file begins, and what it is called.
MAGIC = (
    (b"\xff\xd8", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"RIFF", ".webp"),
)
EXIF = b"Exif\x00\x00"
HEAD = 1 << 16


class Format(StrEnum):
    """How pixels are written of which the camera sent no file."""

    PNG = "png"  # nothing is lost
    JPEG = "jpeg"  # a tenth of the size, and another picture


@dataclass(frozen=True, slots=True)
class Picture:
    """A file, not written yet.

    Attributes:
        data: Its bytes: uint8, shape (bytes,).
        suffix: Of its name, such as ``.jpg``.
        source: ``camera`` for a file as it came; ``png`` and ``jpeg`` for pixels.
        upright: Whether an orientation that the file asks for was carried out when it was judged.
        size_px: Width and height of what was judged.

    """

    data: Image
    suffix: str
    source: str
    upright: bool
    size_px: tuple[int, int]

    def table(self) -> dict[str, object]:
        """Return what stands beside the file."""
        return {
            "sha256": hashlib.sha256(self.data.data).hexdigest(),
            "bytes": self.data.size,
            "source": self.source,
            "upright": self.upright,
            "size_px": list(self.size_px),
        }


def of(frame: Frame, how: Format, quality: int) -> Picture:
    """Return the file that is kept of a frame.

    Raises:
        OutputError: Its pixels cannot be written as an image.

    """
    height, width = frame.image.shape[:2]
    if frame.original is not None:
        data = frame.original
        return Picture(data, _suffix(data), "camera", _is_upright(frame, data), (width, height))
    suffix = ".jpg" if how is Format.JPEG else ".png"
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if how is Format.JPEG else []
    try:
        done, data = cv2.imencode(suffix, cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
    except (cv2.error, MemoryError) as error:
        raise OutputError(f"image output: {frame.camera}: {error}; its frame is not kept") from None
    if not done:
        raise OutputError(f"image output: {frame.camera}: no {how}; its frame is not kept")
    return Picture(np.asarray(data, np.uint8).reshape(-1), suffix, how, True, (width, height))


def image_of(raw: Image, where: str, *, upright: bool) -> Image:
    """Return the pixels of a kept file as they were judged: uint8 (height, width, 3), RGB.

    Raises:
        ImageError: It is damaged.

    """
    return decoded(raw, where) if upright else Coded(raw, Coding.JPEG, where)()


def _suffix(data: Image) -> str:
    begins = data[:4].tobytes()
    return next((suffix for magic, suffix in MAGIC if begins.startswith(magic)), ".img")


def _is_upright(frame: Frame, data: Image) -> bool:
    # A stream's EXIF is ignored, that of a file is carried out; few JPEGs have any.
    if EXIF not in data[:HEAD].tobytes():
        return True
    try:
        return np.array_equal(decoded(data, frame.camera), frame.image)
    except ImageError:
        return False
