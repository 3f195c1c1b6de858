"""The view that a camera should have, and what in it stays still, from good frames."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls_runtime.health.view import Reference, View, uneven

Image = NDArray[np.uint8]
Levels = NDArray[np.float32]

# Frames that it is learned from at most, spread over all.
MOST = 300
# A pixel is still when it keeps its place in the usual picture, in all but one of so many frames,
# within grey levels that lie between these two, or within twice what the quietest quarter does.
ALL_BUT = 0.95
QUIET, RESTLESS = 4.0, 8.0
# What moves is kept away from by so many pixels of the small picture.
EDGE_PX = 5
# With less than that still, or with good frames less alike, a view says nothing.
LEAST_STILL, LEAST_ALIKE = 0.05, 0.7


def learned_view(frames: list[Image], size: tuple[int, int]) -> tuple[View | None, str]:
    """Learn the view of a camera.

    Args:
        frames: Small pictures of good frames, uint8 grey, all of one shape.
        size: Height and width of the frames themselves, px.

    Returns:
        The view, or None and why there is none.

    """
    some = frames[:: -(-len(frames) // MOST)]
    levels = np.stack([_equal(uneven(frame)) for frame in some])
    usual = np.median(levels, axis=0)
    restless = np.quantile(np.abs(levels - usual), ALL_BUT, axis=0)
    limit = np.clip(2 * np.quantile(restless, 0.25), QUIET, RESTLESS)
    still = cv2.erode((restless <= limit).astype(np.uint8), np.ones((EDGE_PX, EDGE_PX), np.uint8))
    share = float(still.mean())
    if share < LEAST_STILL:
        return None, f"{100 * share:.0f} % of the view stays still, too little to notice a move"
    weight = cv2.GaussianBlur(255 * still, (0, 0), 2)
    grey = np.median(np.stack(some), axis=0).astype(np.uint8)
    view = View(size, grey, np.asarray(weight, np.uint8))
    reference = Reference(view)
    alike = float(np.median([reference.compared(frame).likeness for frame in some]))
    if alike < LEAST_ALIKE:
        return None, "what stays still has too little detail to notice a move"
    return view, ""


def _equal(levels: Levels) -> Levels:
    """Return levels as under the same light: the spread of most pixels is that of the light."""
    spread = float(np.median(np.abs(levels)))
    return levels * np.float32(SPREAD / max(spread, 1e-3))


# Of a picture's uneven levels; any would do, but for what QUIET means.
SPREAD = 6.0
