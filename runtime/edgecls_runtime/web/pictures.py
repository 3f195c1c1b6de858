"""Kept images as a browser is given them: the file as it is, or a small copy."""

from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from edgecls.errors import ImageError
from edgecls_runtime.images import read_image
from edgecls_runtime.web.live import jpeg_of

# Of the small copies of a gallery: about 2 MB.
MOST_SMALL = 128
SMALL_PX, SMALL_QUALITY = 480, 75
# Nothing else is given away, whatever a file in the folder is called.
BEGINNINGS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
LARGEST = 64 * 1_048_576


class Pictures(Protocol):
    """Where the images of verdicts are kept."""

    def find(self, verdict_id: str) -> Path | None:
        """Return the file of a verdict's image; None where none is kept."""
        ...


class NoPictures:
    """A station that keeps no images."""

    def find(self, _: str) -> Path | None:
        """Return None."""
        return None


class Given:
    """Reads kept images; used by one thread."""

    def __init__(self, pictures: Pictures) -> None:
        """Begin with nothing read."""
        self._pictures = pictures
        self._small: OrderedDict[str, bytes] = OrderedDict()

    def has(self, verdict_id: str) -> bool:
        """Return whether the image of a verdict is kept."""
        return self._pictures.find(verdict_id) is not None

    def original(self, verdict_id: str) -> tuple[str, bytes] | None:
        """Return type and bytes of an image; None where none is kept, or it is no image."""
        path = self._pictures.find(verdict_id)
        if path is None:
            return None
        try:
            with path.open("rb") as file:  # it may go at any time: a ring makes room
                data = file.read(LARGEST + 1)
        except OSError:
            return None
        kind = next((k for b, k in BEGINNINGS.items() if data.startswith(b)), None)
        return None if kind is None or len(data) > LARGEST else (kind, data)

    def small(self, verdict_id: str) -> bytes | None:
        """Return a JPEG of at most 480 px; None where none is kept, or it is no image."""
        if verdict_id in self._small:
            self._small.move_to_end(verdict_id)
            return self._small[verdict_id]
        path = self._pictures.find(verdict_id)
        if path is None:
            return None
        try:
            made = jpeg_of(read_image(path), SMALL_PX, SMALL_QUALITY)
        except ImageError:
            return None
        self._small[verdict_id] = made
        if len(self._small) > MOST_SMALL:
            self._small.popitem(last=False)
        return made
