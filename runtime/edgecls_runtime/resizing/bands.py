"""The sums of one pass of a resize, as products of small matrices that BLAS computes exactly.

A few neighbouring output lines read nearly the same input lines, so their weights make a small
dense matrix. Single precision is twice as fast as double and exact while every sum is a whole
number below 2**24, whatever the order in which BLAS adds. Weights of 22 bits times pixels of 8 are
too long for that, so each weight is cut in two: 15 bits and the 7 below. Two exact sums then make
Pillow's:

    floor((128 high + low + 2**21) / 2**22) = floor((high + floor(low / 128) + 2**14) / 2**15)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Interpolation
from edgecls_runtime.resizing.filters import PRECISION_BITS, Span, taps

Image = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

LOW_BITS = 7
# Above so many taps the sums of the low parts, each up to 64 * 255, could pass 2**24.
MOST_TAPS = 1024
# Output lines of one product. More of them mean fewer calls, and more zeros to multiply. OpenBLAS
# has fast code for so few lines; 2, 3, 5, 6, 12 and 16 were slower where the image shrinks.
BLOCK = 4
# The same where it hardly shrinks: output lines then share most of what they read.
BLOCK_NEAR_SIZE = 8
# Output lines that are rounded at once: fewer calls, and they still fit in the cache.
CHUNK = 32
# Pixels of a line that are worked on at once, which bounds the memory taken.
STRIP = 1024


@dataclass(frozen=True, slots=True)
class Band:
    """Some neighbouring output lines, ``top`` to ``bottom``, and the input lines they read.

    Attributes:
        weights: Whole numbers, shape (n_parts, bottom - top, end - first). A second part is added
            after division by 2**7 (done already) and rounding down.

    """

    top: int
    bottom: int
    first: int
    end: int
    weights: Floats


@dataclass(frozen=True, slots=True)
class Bands:
    """One axis, as bands from top to bottom.

    Attributes:
        first: The first input line that is read at all.
        end: One past the last.
        count: How many lines come out.
        unit: What 1 in the (first part of the) weights stands for, a power of 2.

    """

    first: int
    end: int
    count: int
    unit: float
    bands: tuple[Band, ...]


@lru_cache(maxsize=64)
def bands(length: float, span: Span, interpolation: Interpolation, *, exact: bool) -> Bands:
    """Return the weights that turn an axis into a span of the output axis.

    Args:
        length: Of the input axis, px, as ``filters.taps`` takes it.
        span: Wanted part of the output axis.
        interpolation: The filter; ``nearest`` has no weights.
        exact: Pillow's 22 bits a weight; otherwise 15, which is half the work.

    """
    found = taps(length, span, interpolation)
    parts, unit = _split(found.weights, exact=exact)
    made = []
    block = BLOCK if length > 1.5 * span.whole else BLOCK_NEAR_SIZE
    for top in range(0, span.count, block):
        bottom = min(top + block, span.count)
        first, end = int(found.starts[top]), int(found.ends[top:bottom].max())
        weights = np.zeros((len(parts), bottom - top, end - first), parts.dtype)
        for line in range(top, bottom):
            count = int(found.ends[line] - found.starts[line])
            at = int(found.starts[line]) - first
            weights[:, line - top, at : at + count] = parts[:, line, :count]
        made.append(Band(top, bottom, first, end, weights))
    return Bands(made[0].first, max(band.end for band in made), span.count, unit, tuple(made))


def _split(weights: NDArray[np.int64], *, exact: bool) -> tuple[Floats, float]:
    """Cut 22-bit weights into parts: (n, most) -> (n_parts, n, most), and the first part's unit."""
    if weights.shape[1] > MOST_TAPS:
        # Sums below 2**53 are exact in double precision: slow, and for extreme reductions only.
        return weights[np.newaxis].astype(np.float64), 2.0**-PRECISION_BITS
    high = (weights + (1 << LOW_BITS >> 1)) >> LOW_BITS
    low = weights - (high << LOW_BITS)
    unit = 2.0 ** (LOW_BITS - PRECISION_BITS)
    if exact and low.any():
        return np.stack([high, low / 2.0**LOW_BITS]).astype(np.float32), unit
    if not exact:
        # What rounding took from a line's sum goes to its largest weight: flat images stay flat.
        missing = round(1 / unit) - high.sum(axis=1)
        high[np.arange(len(high)), high.argmax(axis=1)] += missing
    return high[np.newaxis].astype(np.float32), unit


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Bands of one strip, converted and rounded together; arrays are views of a pass's buffers.

    Attributes:
        read: Where the input is.
        lines: The same as floats, (n_read, strip, 3).
        products: For each band its weights, the lines it reads and its sums.
        high: The sums of the first part, (n_written, strip, 3).
        low: The sums of the last part, which may be the first.
        write: Where the output goes.

    """

    read: tuple[slice, slice]
    lines: Floats
    products: tuple[tuple[Floats, Floats, Floats], ...]
    high: Floats
    low: Floats
    write: tuple[slice, slice]


class Pass:
    """Resamples the first axis of images of one width, in buffers of its own."""

    __slots__ = ("_chunks", "_low_unit", "_unit")

    def __init__(self, axis: Bands, width: int) -> None:
        """Make the buffers.

        Args:
            axis: What to do.
            width: Of the images, px.

        """
        self._unit = axis.unit
        self._low_unit = axis.unit if len(axis.bands[0].weights) == 2 else 0.0
        self._chunks = tuple(_chunks(axis, width))

    def __call__(self, image: Image, out: Image) -> None:
        """Resample an image.

        Args:
            image: uint8, shape (axis.end - axis.first, width, 3): the lines that are read.
            out: uint8, shape (axis.count, width, 3), written; its rows are contiguous.

        """
        for chunk in self._chunks:
            np.copyto(chunk.lines, image[chunk.read])
            for weights, lines, sums in chunk.products:
                np.matmul(weights, lines, out=sums)
            if self._low_unit:
                np.floor(chunk.low, out=chunk.low)
            # OpenCV rounds to the nearest, ties to even. Half a step more, and there are no ties:
            # halves are rounded up, as in Pillow. float32 holds all of this exactly.
            high, low, half_a_step = chunk.high, chunk.low, self._unit / 2
            written = out[chunk.write]
            cv2.addWeighted(high, self._unit, low, self._low_unit, half_a_step, written, cv2.CV_8U)


def _chunks(axis: Bands, width: int) -> Iterator[_Chunk]:
    """Yield what one pass does in turn, all in the same two buffers."""
    parts, block, _ = axis.bands[0].weights.shape
    size, dtype = -(-CHUNK // block), axis.bands[0].weights.dtype
    groups = [axis.bands[at : at + size] for at in range(0, len(axis.bands), size)]
    n_strips = -(-width // STRIP)
    edges = [width * number // n_strips for number in range(n_strips + 1)]
    most_lines = max(_end(group) - group[0].first for group in groups)
    most_values = 3 * -(-width // n_strips)
    read = np.empty(most_lines * most_values, dtype)
    made = np.empty(parts * size * block * most_values, dtype)
    for left, right in pairwise(edges):
        for group in groups:
            n_read, n_made = _end(group) - group[0].first, group[-1].bottom - group[0].top
            values = 3 * (right - left)
            lines = read[: n_read * values].reshape(n_read, values)
            sums = made[: parts * n_made * values].reshape(parts, n_made, values)
            yield _chunk(group, lines, sums, axis.first, slice(left, right))


def _chunk(
    group: tuple[Band, ...], lines: Floats, sums: Floats, offset: int, strip: slice
) -> _Chunk:
    first, top = group[0].first, group[0].top
    pixels = sums.reshape(*sums.shape[:2], -1, 3)
    return _Chunk(
        read=(slice(first - offset, _end(group) - offset), strip),
        lines=lines.reshape(len(lines), -1, 3),
        products=tuple(
            (
                band.weights,
                lines[band.first - first : band.end - first],
                sums[:, band.top - top : band.bottom - top],
            )
            for band in group
        ),
        high=pixels[0],
        low=pixels[-1],
        write=(slice(top, group[-1].bottom), strip),
    )


def _end(group: tuple[Band, ...]) -> int:
    return max(band.end for band in group)
