"""A picture as characters, for a terminal that shows colours but no images, as over SSH.

Each character is an upper half block: its foreground is one pixel, its background the one below.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK, PLAIN = "▀", "\033[0m"
# The six steps of each colour in the palette of 256 that every terminal has.
STEPS = np.array([0, 95, 135, 175, 215, 255])

Image = NDArray[np.uint8]


def lines(image: Image, columns: int, rows: int, *, all_colours: bool) -> list[str]:
    """Return a picture as lines of text with colours, as large as fits.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        columns: Characters that there is room for in a line; one is as wide as a pixel.
        rows: Lines that there is room for; each has two rows of pixels.
        all_colours: Whether the terminal shows 24 bits, or a palette of 256 colours.

    """
    height, width = image.shape[:2]
    scale = min(columns / width, 2 * rows / height)
    size = max(1, round(width * scale)), 2 * max(1, round(height * scale / 2))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    codes = _codes(small) if all_colours else _palette(small)
    return [_line(codes[row], codes[row + 1]) for row in range(0, size[1], 2)]


def _line(upper: list[str], lower: list[str]) -> str:
    """Return one line; a colour that stays is not said again."""
    said, before = "", ("", "")
    for top, bottom in zip(upper, lower, strict=True):
        said += f"\033[38;{top}m" * (top != before[0]) + f"\033[48;{bottom}m" * (
            bottom != before[1]
        )
        said += BLOCK
        before = top, bottom
    return said + PLAIN


def _codes(image: Image) -> list[list[str]]:
    return [[f"2;{r};{g};{b}" for r, g, b in row] for row in image.tolist()]


def _palette(image: Image) -> list[list[str]]:
    """Return the nearest colours of the palette's cube of 6 x 6 x 6."""
    nearest = np.abs(image[..., None] - STEPS).argmin(-1)
    numbers = 16 + nearest @ np.array([36, 6, 1])
    return [[f"5;{number}" for number in row] for row in numbers.tolist()]
