"""Which part of a frame a view shows, and how its picture lies on it: geometry, no pixels.

Points are corners of pixels: the frame reaches from (0, 0) to (width, height), and the middle of
its first pixel is (0.5, 0.5).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError
from edgecls.verdict import Outline
from edgecls_runtime.views.settings import MOST_PX, View

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Rounding of a turned rectangle, px: what lies so little outside lies on the edge.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Region:
    """A view on frames of one size.

    Attributes:
        size: Of the picture, (height, width), px, upright.
        to_frame: From the picture's points to the frame's, homogeneous, (3, 3).
        crop: Rows and columns of the frame, where the picture is whole pixels of it; else None.
        quarters: How often such a crop is turned anticlockwise by 90 degrees, 0..3.

    """

    size: tuple[int, int]
    to_frame: Matrix
    crop: tuple[slice, slice] | None
    quarters: int = 0

    def outline(self, left: float, top: float, right: float, bottom: float) -> Outline:
        """Return where a rectangle of the picture lies in the frame."""
        corners = _rectangle(left, top, right, bottom)
        (a, b, c, d) = cv2.perspectiveTransform(corners[np.newaxis], self.to_frame)[0].tolist()
        return (a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1])


def region(view: View, frame_px: tuple[int, int]) -> Region:
    """Return where a view looks in frames of one size.

    Args:
        view: What is looked at.
        frame_px: Width and height of the frames, px.

    Raises:
        ConfigError: It lies outside of the frame, or is no area that can be looked at.

    """
    turned = round(view.rotate_deg / 90)
    tilt = view.rotate_deg - 90 * turned
    if view.corners is not None:
        corners = np.array(view.corners, np.float64)
        _require_area(view, corners)
        size = view.size_px or _sides(corners)
    else:
        x, y, width, height = view.roi or (0, 0, *frame_px)
        corners = _tilted(_rectangle(x, y, x + width, y + height), tilt)
        corners = np.roll(corners, -turned, axis=0)
        size = (height, width) if turned % 2 else (width, height)
    _require_inside(view, corners, frame_px)
    if size[0] * size[1] > MOST_PX:
        raise ConfigError(f"{view.where}: {size[0]} x {size[1]} px; expected at most {MOST_PX} px")
    picture = _rectangle(0, 0, *size).astype(np.float32)
    to_frame = np.asarray(
        cv2.getPerspectiveTransform(picture, corners.astype(np.float32)), np.float64
    )
    crop = None
    if view.corners is None and not tilt:
        crop = (slice(y, y + height), slice(x, x + width))
    return Region((size[1], size[0]), to_frame, crop, turned % 4)


def _rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _tilted(corners: Points, degrees: float) -> Points:
    """Turn points clockwise around their middle (y points down)."""
    if not degrees:
        return corners
    angle, middle = math.radians(degrees), corners.mean(axis=0)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray((corners - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle)


def _sides(corners: Points) -> tuple[int, int]:
    """Return the width and height, px, of the longer of opposite sides."""
    top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return max(round(max(top, bottom)), 1), max(round(max(right, left)), 1)


def _require_area(view: View, corners: Points) -> None:
    """Refuse corners that cross, fall together, or run anticlockwise and would mirror the part."""
    if not np.isfinite(corners).all():
        raise ConfigError(f"{view.where}: corners {_shown(corners)}; expected numbers")
    ahead = np.roll(corners, -1, axis=0) - corners
    behind = np.roll(ahead, 1, axis=0)
    turns = behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0]
    if (turns < 0).all():
        raise ConfigError(
            f"{view.where}: corners {_shown(corners)} run anticlockwise, which shows a mirror "
            f"image; expected the part's own top left first, then clockwise"
        )
    if not (turns > ROUNDING).all():
        raise ConfigError(
            f"{view.where}: corners {_shown(corners)} are no four-sided area; expected the part's "
            f"own top left first, then clockwise"
        )


def _require_inside(view: View, corners: Points, frame_px: tuple[int, int]) -> None:
    if (corners >= -ROUNDING).all() and (corners <= np.add(frame_px, ROUNDING)).all():
        return
    what = f"roi {list(view.roi)}" if view.roi is not None else f"corners {_shown(corners)}"
    turned = f" turned by {view.rotate_deg:g} degrees" if view.rotate_deg else ""
    low, high = corners.min(axis=0), corners.max(axis=0)
    raise ConfigError(
        f"{view.where}: {what}{turned} reaches from {low[0]:g}, {low[1]:g} to {high[0]:g}, "
        f"{high[1]:g}, beyond the frame of {frame_px[0]} x {frame_px[1]} px; expected inside it"
    )


def _shown(corners: Points) -> str:
    return str([[round(x, 1), round(y, 1)] for x, y in corners.tolist()])
