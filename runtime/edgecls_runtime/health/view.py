"""Has the camera moved? A frame against the view that it should have, where that stays still.

Parts come and go in the view; what moved among the good frames is left out by weights. Light may
change; slow changes over the picture are taken out of both before they are compared.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Levels = NDArray[np.float32]

# The small picture of a frame is at most so long.
SMALL_PX = 192
# What is even over so many pixels of the small picture is light, not the scene.
EVEN_PX = 15


@dataclass(frozen=True, slots=True)
class Compared:
    """A frame against a reference.

    Attributes:
        shift_px: How far the still part of the view lies from where it was, in the frame's pixels.
        likeness: Correlation, -1..1, of what is still.

    """

    shift_px: float
    likeness: float


@dataclass(frozen=True, slots=True)
class View:
    """How a camera sees its place.

    Attributes:
        size: Height and width of its frames, px.
        grey: uint8, of ``small_size(*size)``: the usual grey levels.
        still: uint8, of the same shape: 255 where nothing moves, 0 where something does.

    """

    size: tuple[int, int]
    grey: Image
    still: Image


class Reference:
    """A view, made ready to compare frames with."""

    def __init__(self, view: View) -> None:
        """Prepare the filter that finds the view in a frame."""
        self.view = view
        self._weight = view.still.astype(np.float32) / 255
        self._levels = self._weight * uneven(view.grey)
        self._norm = float(np.linalg.norm(self._levels)) or 1.0
        self._factor = view.size[0] / view.grey.shape[0], view.size[1] / view.grey.shape[1]
        spectrum = np.asarray(cv2.dft(self._levels, flags=cv2.DFT_COMPLEX_OUTPUT))
        power = np.square(spectrum).sum(2, keepdims=True)
        # Wiener's filter: full weight where the view has detail, little where it has but noise.
        self._filter = spectrum / (power + power.mean())

    def compared(self, grey: Image) -> Compared:
        """Compare a frame.

        Args:
            grey: uint8, the frame's grey levels, as large as the small picture or larger.

        """
        levels = np.multiply(
            self._weight, uneven(small(grey, self.view.grey.shape)), dtype=np.float32
        )
        norm = float(np.linalg.norm(levels)) or 1.0
        likeness = float(np.vdot(levels, self._levels)) / (norm * self._norm)
        return Compared(self._shift(levels), likeness)

    def _shift(self, levels: Levels) -> float:
        spectrum = cv2.dft(levels, flags=cv2.DFT_COMPLEX_OUTPUT)
        product = cv2.mulSpectrums(spectrum, self._filter, 0, conjB=True)
        found = np.asarray(cv2.idft(product, flags=cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE))
        _, _, _, (column, row) = cv2.minMaxLoc(found)
        high, wide = found.shape
        down = _peak(found[np.arange(row - 1, row + 2) % high, column])
        right = _peak(found[row, np.arange(column - 1, column + 2) % wide])
        down += row - high * (row > high // 2)
        right += column - wide * (column > wide // 2)
        return float(np.hypot(down * self._factor[0], right * self._factor[1]))


def small_size(height: int, width: int) -> tuple[int, int]:
    """Return the height and width of the small picture of a frame."""
    factor = max(max(height, width) / SMALL_PX, 1.0)
    return max(round(height / factor), 1), max(round(width / factor), 1)


def small(grey: Image, size: tuple[int, ...]) -> Image:
    """Shrink grey levels to the small picture: uint8 of ``size`` (height, width)."""
    if grey.shape == size:
        return grey
    return np.asarray(cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def uneven(grey: Image) -> Levels:
    """Return what is left of a small picture without slow changes: float32, of its shape."""
    levels = grey.astype(np.float32)
    return levels - np.asarray(cv2.blur(levels, (EVEN_PX, EVEN_PX)), np.float32)


def _peak(three: Levels) -> float:
    """Return where a parabola through three values around a peak has its top, -0.5..0.5."""
    before, top, after = (float(value) for value in three)
    bend = before - 2 * top + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
