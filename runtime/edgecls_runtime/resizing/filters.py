"""Pillow's resampling filters, as the weights that each output pixel gives to the input pixels.

Source:
    Pillow 13.0.0, src/libImaging/Resample.c (precompute_coeffs, normalize_coeffs_8bpc).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Interpolation

Values = NDArray[np.float64]

PRECISION_BITS = 32 - 8 - 2


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
        starts: For each output pixel, its first input pixel; they never fall. int64, shape (n,).
        ends: For each, one past its last input pixel. int64, shape (n,).
        weights: In units of 2**-22, from each start on, 0 beyond each end: int64, shape (n, most).

    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    weights: NDArray[np.int64]


def taps(length: float, span: Span, interpolation: Interpolation) -> Taps:
    """Return the weights that turn an axis into a span of the output axis.

    Args:
        length: Of the input axis, px. After halving it may end inside its last pixel.
        span: Wanted part of the output axis.
        interpolation: The filter; ``nearest`` has no weights.

    """
    kernel, radius = KERNELS[interpolation]
    size, scale = math.ceil(length), length / span.whole
    if scale == 1.0:  # Pillow skips such a pass; the filters weigh the pixel itself with 1
        radius = 0.5
    stretch = max(scale, 1.0)
    support = radius * stretch
    centers = (np.arange(span.first, span.first + span.count) + 0.5) * scale
    # int() in C cuts the fraction off, as astype does.
    starts = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    ends = np.minimum((centers + support + 0.5).astype(np.int64), size)
    pixels = starts[:, np.newaxis] + np.arange((ends - starts).max())
    raw = kernel((pixels - centers[:, np.newaxis] + 0.5) * (1.0 / stretch))
    raw[pixels >= ends[:, np.newaxis]] = 0.0
    # Added one by one, as Pillow does: numpy's sum() pairs them and may round otherwise.
    total = np.cumsum(raw, axis=1)[:, -1:]
    raw = raw / np.where(total == 0.0, 1.0, total) * (1 << PRECISION_BITS)
    return Taps(starts, ends, np.trunc(raw + np.copysign(0.5, raw)).astype(np.int64))


def nearest(size: int, span: Span) -> NDArray[np.intp]:
    """Return the input pixel that Pillow's ``nearest`` picks for each pixel of a span: (n,)."""
    scale = size / span.whole
    steps = np.full(span.whole, scale)
    steps[0] = scale * 0.5
    # Pillow adds the step again and again; multiplying would round differently at the edges.
    return np.cumsum(steps).astype(np.intp)[span.first : span.first + span.count]


def _box(x: Values) -> Values:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _bilinear(x: Values) -> Values:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _hamming(x: Values) -> Values:
    # 0.54 and 0.46 in single precision, as Pillow writes them.
    window = 0.5400000214576721 + 0.46000000834465027 * _each(math.cos, math.pi * x)
    inside = np.where(np.abs(x) < 1.0, _sinc(np.abs(x)) * window, 0.0)
    return np.where(x == 0.0, 1.0, inside)  # where the window itself is not quite 1


def _bicubic(x: Values) -> Values:
    a, x = -0.5, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(x: Values) -> Values:
    return np.where((x >= -3.0) & (x < 3.0), _sinc(x) * _sinc(x / 3), 0.0)


def _sinc(x: Values) -> Values:
    angle = np.where(x == 0.0, 1.0, x * math.pi)
    return np.where(x == 0.0, 1.0, _each(math.sin, angle) / angle)


def _each(function: Callable[[float], float], x: Values) -> Values:
    """Apply the C library's function, as Pillow does: numpy's own may differ in the last bit."""
    values = np.fromiter((function(value) for value in x.ravel().tolist()), np.float64, x.size)
    return values.reshape(x.shape)


KERNELS: dict[Interpolation, tuple[Callable[[Values], Values], float]] = {
    Interpolation.BOX: (_box, 0.5),
    Interpolation.BILINEAR: (_bilinear, 1.0),
    Interpolation.HAMMING: (_hamming, 1.0),
    Interpolation.BICUBIC: (_bicubic, 2.0),
    Interpolation.LANCZOS: (_lanczos, 3.0),
}
