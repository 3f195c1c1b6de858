"""A view's picture, taken out of frames of one size: cropped or warped, masked, cut into tiles."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError, ImageError
from edgecls_runtime.images import read_image
from edgecls_runtime.views import tiles
from edgecls_runtime.views.place import Place
from edgecls_runtime.views.region import Matrix, Region, region
from edgecls_runtime.views.settings import View

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

TURNS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}
# Grey levels of a mask below this are hidden: a brush leaves soft edges.
SEEN = 128
# One batch for all: 1024 images of 224 px are 154 MB.
MOST_PLACES = 1024


@dataclass(frozen=True, slots=True)
class Cut:
    """One view on frames of one size.

    Attributes:
        region: Where it looks.
        warp: From the middle of each pixel of the picture to the frame, (3, 3); None for a crop.
        hidden: uint8 (height, width) of the picture, not 0 where it is hidden; None hides nothing.
        fill: uint8 like the picture, of what hides it; None as above.
        places: In the order of ``windows``.
        windows: Rows and columns of the picture for each place.

    """

    region: Region
    warp: Matrix | None
    hidden: Image | None
    fill: Image | None
    places: tuple[Place, ...]
    windows: tuple[tuple[slice, slice], ...]

    def buffer(self) -> Image | None:
        """Return memory for one picture; None where the frame's own will do."""
        if self.warp is None and not self.region.quarters and self.hidden is None:
            return None
        return np.empty((*self.region.size, 3), np.uint8)

    def pictures(self, image: Image, buffer: Image | None) -> Iterator[Image]:
        """Yield each place's pixels.

        Args:
            image: uint8, shape (height, width, 3), of the size that this was made for.
            buffer: Of ``buffer()``; the pixels lie in it, or in ``image``.

        """
        picture = image if buffer is None else buffer
        if self.warp is not None:
            size = self.region.size[::-1]
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            # The outermost half pixel has only one neighbour: it is repeated, not mixed with black.
            edge = cv2.BORDER_REPLICATE
            cv2.warpPerspective(image, self.warp, size, picture, flags, edge)
        elif self.region.crop is not None:
            cropped = image[self.region.crop]
            if self.region.quarters:
                cv2.rotate(cropped, TURNS[self.region.quarters], picture)
            elif buffer is None:
                picture = cropped
            else:
                np.copyto(picture, cropped)
        if self.hidden is not None and self.fill is not None:
            cv2.copyTo(self.fill, self.hidden, picture)
        for window in self.windows:
            yield picture[window]


def cut(view: View, frame_px: tuple[int, int], fill: Rgb) -> Cut:
    """Return how a view is taken out of frames of one size.

    Args:
        view: What is looked at.
        frame_px: Width and height of the frames, px.
        fill: What hides a masked pixel, unless the view says.

    Raises:
        ConfigError: It does not fit the frame, or its mask does not fit it.

    """
    found = region(view, frame_px)
    hidden = None if view.mask is None else _hidden(view, found.size)
    colour = None
    if hidden is not None:
        colour = np.full((*found.size, 3), view.mask_rgb or fill, np.uint8)
    named = {
        name: window
        for name, window in _windows(view, found.size).items()
        if hidden is None or not hidden[window].all()
    }
    places = tuple(
        Place(name, found.outline(c.start, r.start, c.stop, r.stop), view.good)
        for name, (r, c) in named.items()
    )
    warp = None if found.crop is not None else _between_middles(found.to_frame)
    return Cut(found, warp, hidden, colour, places, tuple(named.values()))


def _between_middles(to_frame: Matrix) -> Matrix:
    """Return the same map for OpenCV, whose 0, 0 is the middle of the first pixel."""
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = 0.5, -0.5
    return np.asarray(back @ to_frame @ there)


def _windows(view: View, size: tuple[int, int]) -> dict[str, tuple[slice, slice]]:
    """Return the rows and columns of each place by its name, row by row."""
    if view.tile_px is None:
        return {view.name: (slice(0, size[0]), slice(0, size[1]))}
    tile, overlap = view.tile_px, tiles.overlap_px(view.overlap, view.tile_px)
    try:
        tops, lefts = (tiles.starts(side, tile, overlap) for side in size)
    except ConfigError as error:
        raise ConfigError(f"{view.where}: {error}") from error
    if len(tops) * len(lefts) > MOST_PLACES:
        raise ConfigError(
            f"{view.where}: {len(tops) * len(lefts)} tiles; expected at most {MOST_PLACES}; "
            f"make them larger"
        )
    return {
        f"{view.name} {column},{row}": (slice(top, top + tile), slice(left, left + tile))
        for row, top in enumerate(tops, 1)
        for column, left in enumerate(lefts, 1)
    }


def _hidden(view: View, size: tuple[int, int]) -> Image:
    """Return 255 where the mask hides the picture, uint8 (height, width)."""
    assert view.mask is not None  # noqa: S101 - asked by the caller
    try:
        mask = read_image(view.mask)
    except ImageError as error:
        raise ConfigError(f"{view.where}: mask {error}") from error
    if mask.shape[:2] != size:
        raise ConfigError(
            f"{view.where}: mask {view.mask} is {mask.shape[1]} x {mask.shape[0]} px; expected "
            f"{size[1]} x {size[0]}, as large as what the view shows"
        )
    hidden = np.where(mask.max(axis=2) < SEEN, np.uint8(255), np.uint8(0))
    if hidden.all():
        raise ConfigError(f"{view.where}: mask {view.mask} hides everything; black is hidden")
    return hidden
