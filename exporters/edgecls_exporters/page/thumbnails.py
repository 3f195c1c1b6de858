"""Small copies of images, to stand inside the page itself."""

import base64
import io
from pathlib import Path

from PIL import Image

from edgecls.errors import ImageError
from edgecls_exporters.page.markup import Html, element
from edgecls_runtime.images import read_image

SIDE = 160
# 24 changed images and 8 golden ones must leave most of a megabyte to the rest of the page.
MOST_BYTES = 10_000
QUALITIES = (80, 65, 45, 25)


def read(files: dict[str, Path]) -> dict[str, bytes]:
    """Read and shrink image files to JPEGs of ``SIDE`` px at most; leave out what cannot be read.

    Args:
        files: Where each image is, by the name that the page has for it.

    """
    found = {}
    for name, path in files.items():
        try:
            image = Image.fromarray(read_image(path))
        except ImageError:
            continue  # the page says so in its place
        image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
        found[name] = _jpeg(image)
    return found


def _jpeg(image: Image.Image) -> bytes:
    """Return an image at the best quality that keeps to ``MOST_BYTES``, or at the lowest."""
    packed = b""
    for quality in QUALITIES:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality, optimize=True)
        packed = stream.getvalue()
        if len(packed) <= MOST_BYTES:
            break
    return packed


def picture(jpeg: bytes | None, what: str) -> Html:
    """Return an image as part of the page, or a frame that says it is missing."""
    if jpeg is None:
        return element("div", "no image", class_="missing")
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    return element("img", src=source, alt=what, loading="lazy", decoding="async")
