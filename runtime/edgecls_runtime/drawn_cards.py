"""Pictures for a camera that has no lens: drawn test cards with sensor noise, or photos in turn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError
from edgecls_runtime.images import find_images, read_image

Image = NDArray[np.uint8]
NOISE = 3.0  # grey levels, standard deviation: a small sensor in daylight
# Each frame looks at another corner of a plane of noise that is larger by this, in pixels.
SHIFTS = 61


class Cards:
    """A card of one colour with a frame, a mark that wanders and a counter; no two are the same."""

    def __init__(self, size: tuple[int, int], colour: tuple[int, int, int], seed: int) -> None:
        """Prepare cards of ``size`` (height, width) pixels and an RGB colour."""
        height, width = size
        random = np.random.default_rng(seed)
        noise = random.normal(0, NOISE, (height + SHIFTS, width + SHIFTS, 3))
        self._noise = noise.round().astype(np.int16)
        self._card = np.full((*size, 3), colour, np.uint8)
        edge = max(min(size) // 40, 1)
        cv2.rectangle(self._card, (edge, edge), (width - edge, height - edge), (90, 90, 90), 1)

    def draw(self, number: int) -> Image:
        """Return the card of one number: uint8 (height, width, 3), RGB; always the same one."""
        height, width = self._card.shape[:2]
        down, right = number % SHIFTS, number // SHIFTS % SHIFTS
        noise = self._noise[down : down + height, right : right + width]
        image = np.asarray(cv2.add(self._card, noise, dtype=cv2.CV_8U), np.uint8)
        side = max(min(height, width) // 16, 1)
        mark = (number * side) % max(width - side, 1)
        image[side : 2 * side, mark : mark + side] = 230
        place, scale = (side, height - side), height / 600
        cv2.putText(image, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20))
        return image


class Photos:
    """Image files, one after the other, again and again."""

    def __init__(self, files: list[Path], size: tuple[int, int] | None = None) -> None:
        """Show ``files`` as they are, or scaled to ``size`` (height, width) pixels."""
        self._files, self._size = files, size

    def draw(self, number: int) -> Image:
        """Return the photo of one number: uint8 (height, width, 3), RGB.

        Raises:
            ImageError: The file is not an image.

        """
        image = read_image(self._files[number % len(self._files)])
        if self._size is None:
            return image
        height, width = self._size
        return np.asarray(cv2.resize(image, (width, height)), np.uint8)


# What is in view, in a size (height, width) px, or in the usual one.
Pictures = Callable[[tuple[int, int] | None], Cards | Photos]


def cards(
    usual: tuple[int, int],
    colour: tuple[int, int, int],
    seed: int,
    size: tuple[int, int] | None = None,
) -> Cards:
    """Return cards of a size, or of the usual one."""
    return Cards(size or usual, colour, seed)


def photos(folder: Path) -> Pictures:
    """Return what shows the photos of a folder.

    Raises:
        ConfigError: There are none.

    """
    try:
        return partial(Photos, find_images(folder))
    except ConfigError as error:
        raise ConfigError(f"camera.images: {error}") from error
