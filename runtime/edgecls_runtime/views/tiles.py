"""A large image as tiles of one size that cover it wholly, its edges included: pure arithmetic."""

import math

from edgecls.errors import ConfigError


def overlap_px(overlap: float, tile: int) -> int:
    """Return how many pixels neighbouring tiles share at least.

    Args:
        overlap: Below 1 a share of the tile, from 1 on pixels.
        tile: Side of a tile, px.

    """
    return math.ceil(overlap * tile) if overlap < 1 else math.ceil(overlap)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where the tiles of one axis begin, px: as few as will do, and evenly spread.

    The first begins at 0, the last ends at ``length``, and neighbours share ``overlap`` or more.

    Args:
        length: Of the axis, px.
        tile: Side of a tile, px; at most ``length``.
        overlap: Least that two neighbours share, px; below ``tile``.

    Raises:
        ConfigError: The image is smaller than a tile, which would be seen at another scale.

    """
    if length < tile:
        raise ConfigError(f"{length} px are less than a tile of {tile} px; expected a smaller tile")
    count = math.ceil((length - overlap) / (tile - overlap)) if length > tile else 1
    spare = length - tile
    return [spare * number // max(count - 1, 1) for number in range(count)]
