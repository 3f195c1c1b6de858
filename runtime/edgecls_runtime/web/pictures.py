"""Kept images as a browser is given them: the file as it is, or a small copy."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from edgecls.errors import ImageError
from edgecls_runtime.images import read_image
from edgecls_runtime.web.live import jpeg_of

# Of the small copies of a gallery: about 2 MB.
MOST_SMALL = 128
MOST_PATHS = 4096
SMALL_PX, SMALL_QUALITY = 480, 75
LARGE_PX, LARGE_QUALITY = 4096, 92
# Nothing else is given away, whatever a file in the folder is called.
BEGINNINGS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
LARGEST = 64 * 1_048_576


class Image(Protocol):
    """One kept image."""

    @property
    def path(self) -> Path:
        """The file."""
        ...


class Pictures(Protocol):
    """Where the images of verdicts are kept, as ``evidence.reading.Evidence`` has them."""

    def find(self, verdict_id: str) -> Path | None:
        """Return the file of a verdict's image; None where none is kept."""
        ...

    def all(self) -> Mapping[str, Image]:
        """Return everything by the id of its verdict."""
        ...


class NoPictures:
    """A station that keeps no images."""

    def find(self, _: str) -> Path | None:
        """Return None."""
        return None

    def all(self) -> Mapping[str, Image]:
        """Return nothing."""
        return {}


class Given:
    """Reads kept images; one thread at a time."""

    def __init__(self, pictures: Pictures) -> None:
        """Begin with nothing read."""
        self._pictures = pictures
        self._small: OrderedDict[str, bytes] = OrderedDict()
        self._paths: OrderedDict[str, Path] = OrderedDict()

    def kept(self, verdict_ids: Iterable[str]) -> set[str]:
        """Return of which verdicts an image is kept; the folder is looked at once for all."""
        everything = self._pictures.all()
        found = {one: everything[one].path for one in verdict_ids if one in everything}
        self._paths.update(found)
        while len(self._paths) > MOST_PATHS:
            self._paths.popitem(last=False)
        return set(found)

    def original(self, verdict_id: str) -> tuple[str, bytes] | None:
        """Return type and bytes of an image; None where none is kept, or it is no image."""
        path = self._path(verdict_id)
        if path is None:
            return None
        try:
            with path.open("rb") as file:  # it may go at any time: a ring makes room
                data = file.read(LARGEST + 1)
        except OSError:
            return None
        kind = next((k for b, k in BEGINNINGS.items() if data.startswith(b)), None)
        if kind is not None and len(data) <= LARGEST:
            return kind, data
        # What a browser does not show, as TIFF, is given as JPEG.
        made = self._made(path, LARGE_PX, LARGE_QUALITY)
        return None if made is None else ("image/jpeg", made)

    def small(self, verdict_id: str) -> bytes | None:
        """Return a JPEG of at most 480 px; None where none is kept, or it is no image."""
        if verdict_id in self._small:
            self._small.move_to_end(verdict_id)
            return self._small[verdict_id]
        path = self._path(verdict_id)
        made = None if path is None else self._made(path, SMALL_PX, SMALL_QUALITY)
        if made is not None:
            self._small[verdict_id] = made
            if len(self._small) > MOST_SMALL:
                self._small.popitem(last=False)
        return made

    def _path(self, verdict_id: str) -> Path | None:
        known = self._paths.get(verdict_id)
        return known if known is not None and known.is_file() else self._pictures.find(verdict_id)

    def _made(self, path: Path, widest: int, quality: int) -> bytes | None:
        try:
            return jpeg_of(read_image(path), widest, quality)
        except ImageError:
            return None
