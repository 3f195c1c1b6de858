"""The only image -> tensor code in the project: exporter, evaluation and station all call it."""

import math

import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls_runtime.resampling import Span, resample

# How many times the wanted height and width an image must keep through a further halving.
# docs/preprocessing.md has what was measured at 1, 2 and 3.
KEPT = {Resampling.HALVING: 2, Resampling.COARSE: 1}


def prepare(image: NDArray[np.uint8], wanted: Preprocessing) -> NDArray[np.uint8]:
    """Scale and crop one image to the network's input; normalisation is in the graph.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        wanted: The bundle's declaration.

    Returns:
        uint8, shape (*wanted.size, 3), C-contiguous.

    Raises:
        ValueError: The image has another dtype or shape.

    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"image: {image.dtype} of shape {image.shape}; expected uint8 (height, width, 3), RGB"
        )
    scaled = scaled_size(image.shape[:2], wanted)
    rows = _window(scaled[0], wanted.size[0])
    columns = _window(scaled[1], wanted.size[1])
    halved = halvings(image.shape[:2], wanted)
    cropped = resample(image, rows, columns, wanted.interpolation, halved)
    if cropped.shape[:2] == wanted.size:
        return cropped
    canvas = np.empty((*wanted.size, 3), np.uint8)
    canvas[:] = wanted.fill
    top, left = ((w - c) // 2 for w, c in zip(wanted.size, cropped.shape[:2], strict=True))
    canvas[top : top + cropped.shape[0], left : left + cropped.shape[1]] = cropped
    return canvas


def scaled_size(size: tuple[int, ...], wanted: Preprocessing) -> tuple[int, int]:
    """Return the (height, width), px, that an image of ``size`` is scaled to before the crop.

    Source:
        torchvision ``Resize(int)`` cuts the long side's fraction off; timm ``ResizeKeepRatio``,
        used for letterboxes and for networks that are not square, rounds it (half to even).
    """
    height, width = size
    tall, wide = wanted.resize_size
    if wanted.resize is Resize.STRETCH:
        return tall, wide
    if wanted.resize is Resize.SHORTEST and tall == wide:
        if width <= height:
            return math.floor(tall * height / width), tall
        return tall, math.floor(tall * width / height)
    bound = min if wanted.resize is Resize.SHORTEST else max
    ratio = bound(height / tall, width / wide)
    # A thread of an image may round to nothing; one pixel is the least that can be shown.
    return max(round(height / ratio), 1), max(round(width / ratio), 1)


def halvings(size: tuple[int, ...], wanted: Preprocessing) -> int:
    """Return how often an image of ``size`` (height, width), px, is halved before the filter.

    Both sides are halved as often: one that needs it less, in a ``stretch``, decides.
    """
    if wanted.resampling is Resampling.EXACT or wanted.interpolation is Interpolation.NEAREST:
        return 0
    wanted_size = scaled_size(size, wanted)
    spare = min(have // want for have, want in zip(size, wanted_size, strict=True))
    return max((spare // KEPT[wanted.resampling]).bit_length() - 1, 0)


def _window(scaled: int, size: int) -> Span:
    """Return the centre ``size`` pixels of an axis, or all of it when it is shorter.

    Source:
        torchvision ``center_crop`` begins at ``int(round((scaled - size) / 2.0))``.
    """
    if scaled <= size:
        return Span(scaled, 0, scaled)
    return Span(scaled, round((scaled - size) / 2.0), size)
