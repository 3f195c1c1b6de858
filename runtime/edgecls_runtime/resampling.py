"""Pillow's antialiased resize, to the bit, without Pillow.

A network answers differently when its images are resized by another rule than in training, and
training resizes with Pillow (timm and torchvision both do). This is the same arithmetic: filter
weights rounded to 22 bits, two passes, each rounded to 8 bits. All sums are integers below 2**53
in units of 2**-22, so float64 BLAS computes them exactly, whatever the order of its additions.
Only the pixels that the crop keeps are computed, which makes it faster than Pillow itself.

A large image may be halved first, by means of 2x2 pixels: faster by far, and no longer exact.

Source:
    Pillow 13.0.0, src/libImaging/Resample.c (precompute_coeffs, normalize_coeffs_8bpc,
    ImagingResampleInner). The tests compare every filter with Pillow, byte for byte. Pillow before
    13 always makes the horizontal pass first; 13 turns the order where the height shrinks by more
    than twice as many pixels as the width, which changes some bytes by one grey level.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Interpolation

Image = NDArray[np.uint8]

PRECISION_BITS = 32 - 8 - 2
# Values worked on at once: their float64 fit in the cache, which also bounds the memory taken.
STRIP = 1024


@dataclass(frozen=True, slots=True)
class Span:
    """Part of one output axis: pixels ``first`` to ``first + count`` of an axis ``whole`` long."""

    whole: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Taps:
    """Weights of one axis.

    Attributes:
        first: The first input pixel that is used at all.
        end: One past the last.
        starts: For each output pixel, its first input pixel, counted from ``first``.
        weights: For each output pixel, one float64 weight per input pixel from there on.

    """

    first: int
    end: int
    starts: tuple[int, ...]
    weights: tuple[NDArray[np.float64], ...]


def resample(
    image: Image, rows: Span, columns: Span, interpolation: Interpolation, halvings: int = 0
) -> Image:
    """Resize an image as Pillow does and return one window of the result.

    Args:
        image: uint8, shape (height, width, 3).
        rows: Wanted rows of the resized image.
        columns: Wanted columns of the resized image.
        interpolation: Pillow's filter of that name.
        halvings: How often the image is halved before the filter; 0 gives Pillow's bytes. The
            filter then reads a part of the halved image that may end inside a pixel, as Pillow's
            ``reducing_gap`` does, so nothing shifts.

    Returns:
        uint8, shape (rows.count, columns.count, 3), C-contiguous.

    """
    height, width = image.shape[:2]
    if interpolation is Interpolation.NEAREST:
        return np.ascontiguousarray(image[np.ix_(_nearest(height, rows), _nearest(width, columns))])
    block = 1 << halvings
    tall, wide = height / block, width / block
    down, across = taps(tall, rows, interpolation), taps(wide, columns, interpolation)
    # The vertical pass reads only these rows and columns, so the horizontal pass makes no others.
    image = image[down.first * block : down.end * block, across.first * block : across.end * block]
    for number in range(halvings):
        # Every second time halves are rounded down, on the negative: the image grows no brighter.
        image = ~halved(~image) if number % 2 else halved(image)
    shrink = math.ceil(tall) - rows.whole
    if shrink > 0 and shrink > 2 * (math.ceil(wide) - columns.whole):
        image = _weigh(image, down)
        return _turned(_weigh(_turned(image), across))
    return _weigh(_turned(_weigh(_turned(image), across)), down)


def halved(image: Image) -> Image:
    """Return the means of 2x2 pixels, halves rounded up: (h, w, 3) -> (ceil(h/2), ceil(w/2), 3).

    A last row or column without a partner stands for itself.
    """
    bottom, right = image.shape[0] % 2, image.shape[1] % 2
    if bottom or right:
        image = np.asarray(
            cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8
        )
    size = (image.shape[1] // 2, image.shape[0] // 2)
    # At exactly one half OpenCV has fast code for this, (a + b + c + d + 2) >> 2.
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=64)
def taps(length: float, span: Span, interpolation: Interpolation) -> Taps:
    """Return the weights that turn an axis into a span of the output axis.

    Args:
        length: Of the input axis, px. After halving it may end inside its last pixel.
        span: Wanted part of the output axis.
        interpolation: The filter.

    """
    kernel, radius = KERNELS[interpolation]
    size, scale = math.ceil(length), length / span.whole
    if scale == 1.0:  # Pillow skips such a pass; the filters weigh the pixel itself with 1
        radius = 0.5
    stretch = max(scale, 1.0)
    support = radius * stretch
    centers = [(out + 0.5) * scale for out in range(span.first, span.first + span.count)]
    starts = [max(int(center - support + 0.5), 0) for center in centers]
    ends = [min(int(center + support + 0.5), size) for center in centers]
    weights = []
    for center, start, end in zip(centers, starts, ends, strict=True):
        raw = np.array([kernel((x - center + 0.5) * (1.0 / stretch)) for x in range(start, end)])
        raw = raw / (raw.sum() or 1.0) * (1 << PRECISION_BITS)
        weights.append(np.trunc(raw + np.copysign(0.5, raw)) / (1 << PRECISION_BITS))
    first = min(starts)
    return Taps(first, max(ends), tuple(start - first for start in starts), tuple(weights))


def _weigh(image: Image, taps: Taps) -> Image:
    """Resample the first axis: uint8 (n, m, 3) -> uint8 (len(taps.starts), m, 3)."""
    lines = image.reshape(len(image), -1)
    result = np.empty((len(taps.starts), lines.shape[1]), np.uint8)
    # One pair of buffers for all strips: fresh memory from the system costs more than the sums.
    width = min(STRIP, lines.shape[1])
    strip, sums = np.empty((len(lines), width)), np.empty((len(result), width))
    for left in range(0, lines.shape[1], width):
        count = min(width, lines.shape[1] - left)
        strip[:, :count] = lines[:, left : left + count]
        for start, weights, out in zip(taps.starts, taps.weights, sums, strict=True):
            np.dot(weights, strip[start : start + weights.size], out=out)
        sums += 0.5
        result[:, left : left + count] = np.clip(sums, 0, 255, out=sums)[:, :count]
    return result.reshape(-1, *image.shape[1:])


def _turned(image: Image) -> Image:
    """Swap rows and columns, into fresh memory: OpenCV does it in blocks, numpy would not."""
    return np.asarray(cv2.transpose(image), np.uint8)


def _nearest(size: int, span: Span) -> NDArray[np.intp]:
    scale = size / span.whole
    steps = np.full(span.whole, scale)
    steps[0] = scale * 0.5
    # Pillow adds the step again and again; multiplying would round differently at the edges.
    return np.cumsum(steps).astype(np.intp)[span.first : span.first + span.count]


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def _bilinear(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _hamming(x: float) -> float:
    x = abs(x)
    if x == 0 or x >= 1:
        return 1.0 if x == 0 else 0.0
    # 0.54 and 0.46 in single precision, as Pillow writes them.
    return _sinc(x) * (0.5400000214576721 + 0.46000000834465027 * math.cos(math.pi * x))


def _bicubic(x: float) -> float:
    a, x = -0.5, abs(x)
    if x < 1:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


KERNELS: dict[Interpolation, tuple[Callable[[float], float], float]] = {
    Interpolation.BOX: (_box, 0.5),
    Interpolation.BILINEAR: (_bilinear, 1.0),
    Interpolation.HAMMING: (_hamming, 1.0),
    Interpolation.BICUBIC: (_bicubic, 2.0),
    Interpolation.LANCZOS: (_lanczos, 3.0),
}
