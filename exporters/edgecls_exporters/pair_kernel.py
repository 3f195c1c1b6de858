"""A model, exact to the bit, of the int8 kernel that adds pairs of products in 16 bits.

On x86 processors without VNNI onnxruntime multiplies u8 with s8 by ``vpmaddubsw``: the products of
two neighbours along the reduction are added in 16 bits and saturate at 32767 and -32768; the pairs
are then added in 32 bits. Pairs are (0, 1), (2, 3), ... counted from the begin of the reduction,
which is the input row of a matrix product and (kernel row, kernel column, input channel) of a
convolution, of each of its groups by itself; a last single product stands alone. The kernel sees
the stored integers: zero points are subtracted afterwards, in 32 bits, and what pads an image is
the zero point.

``tests/exporters/test_pair_kernel.py`` compares every integer with onnxruntime on an emulated
processor without VNNI. What does not saturate there:

- both u8 (other kernels, which widen to 16 bits first);
- both s8, stored as such (QLinearConv, QGemm ...). In QDQ form onnxruntime turns s8 activations
  into u8 on x86 before it chooses a kernel, and those do saturate;
- s8 activations with u8 weights, and ConvInteger, whose weights are the first operand;
- depthwise convolutions of one output a channel (a kernel of its own, adding in 32 bits).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIGHEST, LOWEST = 32767, -32768

BLOCK = 1 << 22  # numbers of an operand held as floats at a time: 16 MB
EXACT_SUMS = 256  # products, each at most 255 * 255, whose sum stays below 2^24

Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Saturation:
    """How often a layer, or several runs of it, saturated.

    Attributes:
        pairs: Pairs of products that were added.
        saturated: Pairs whose sum did not fit 16 bits.
        outputs: Sums that were computed.
        touched: Sums that came out changed.
        worst: Largest magnitude of a pair's true sum; 0 when none saturated.

    """

    pairs: int = 0
    saturated: int = 0
    outputs: int = 0
    touched: int = 0
    worst: int = 0

    def __add__(self, other: "Saturation") -> "Saturation":
        return Saturation(
            self.pairs + other.pairs,
            self.saturated + other.saturated,
            self.outputs + other.outputs,
            self.touched + other.touched,
            max(self.worst, other.worst),
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """A product in 32 bits: (rows, outputs).

    Attributes:
        exact: As arithmetic has it; zero points subtracted.
        lost: What the kernel adds to it by saturating; None where no pair did.
        saturation: How often it did.

    """

    exact: Integers
    lost: Integers | None
    saturation: Saturation


def multiply(
    activations: NDArray[np.uint8],
    weights: NDArray[np.int8],
    zeros: tuple[int, Integers],
    *,
    saturating: bool = True,
) -> Sums:
    """Multiply as the kernel does, block by block: a wide layer is never held in floats whole.

    Args:
        activations: uint8, (rows, reduction), in the kernel's order.
        weights: int8, (reduction, outputs).
        zeros: Zero points of the activations, and of the weights: one, or one an output.
        saturating: Whether to look for saturated pairs.

    """
    shape = (len(activations), weights.shape[1])
    exact, lost, found = np.zeros(shape, np.int32), np.zeros(shape, np.int32), Saturation()
    offsets = np.broadcast_to(zeros[1], shape[1])
    for columns in _blocks(shape[1], len(weights)):
        part = weights[:, columns]
        for rows in _blocks(shape[0], len(weights)):
            seen = activations[rows]
            exact[rows, columns] = _product(seen, part, zeros[0], offsets[columns])
            if saturating:
                lost[rows, columns], occurred = loss(seen, part)
                found += occurred
    return Sums(exact, lost if found.saturated else None, found)


def _blocks(length: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(width, 1))
    return (slice(start, start + step) for start in range(0, length, step))


def _product(
    activations: NDArray[np.uint8], weights: NDArray[np.int8], zero: int, zeros: Integers
) -> Integers:
    """Multiply in the float unit, in parts so short that every sum is exact there."""
    first = activations.astype(np.float32) - np.float32(zero)
    second = weights.astype(np.float32) - zeros.astype(np.float32)
    sums = np.zeros((len(first), second.shape[1]), np.int32)
    for start in range(0, len(second), EXACT_SUMS):
        part = slice(start, start + EXACT_SUMS)
        sums += (first[:, part] @ second[part]).astype(np.int32)
    return sums


def loss(activations: NDArray[np.uint8], weights: NDArray[np.int8]) -> tuple[Integers, Saturation]:
    """Return what saturation adds to the exact product, and how often it occurred.

    Only pairs that can saturate with the largest activations of their columns are computed, so
    that a layer in which few can costs little more than its exact product.

    Args:
        activations: uint8, (rows, reduction), in the kernel's order.
        weights: int8, (reduction, outputs).

    Returns:
        int32, (rows, outputs), and the counts.

    """
    first, second = _halves(activations.T)
    above, below = (half.astype(np.int32) for half in _halves(weights))
    rows, outputs = len(activations), weights.shape[1]
    reachable = _reachable((first.max(axis=1), second.max(axis=1)), (above, below))
    added = np.zeros((rows, outputs), np.int32)
    saturated, worst = 0, 0
    for pair in np.flatnonzero(reachable.any(axis=1)):
        chosen = np.flatnonzero(reachable[pair])
        sums = np.outer(first[pair].astype(np.int32), above[pair, chosen])
        sums += np.outer(second[pair].astype(np.int32), below[pair, chosen])
        lost = np.clip(sums, LOWEST, HIGHEST) - sums
        if count := int(np.count_nonzero(lost)):
            saturated += count
            worst = max(worst, int(np.abs(sums).max()))
            added[:, chosen] += lost
    touched = int(np.count_nonzero(added))
    return added, Saturation(len(first) * rows * outputs, saturated, rows * outputs, touched, worst)


def reach(weights: NDArray[np.int8]) -> int:
    """Return the largest magnitude that a pair can have with any activations: u8 goes to 255."""
    largest = 0
    for columns in _blocks(weights.shape[1], len(weights)):
        above, below = (half.astype(np.int64) for half in _halves(weights[:, columns]))
        high = np.maximum(above, 0) + np.maximum(below, 0)
        low = np.maximum(-above, 0) + np.maximum(-below, 0)
        largest = max(largest, int(high.max()), int(low.max()))
    return 255 * largest


def _halves(values: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Split the first axis into the first and the second of each pair, the last made complete."""
    if len(values) % 2:
        values = np.concatenate([values, np.zeros_like(values[:1])])
    return values[0::2], values[1::2]


def _reachable(
    largest: tuple[NDArray[np.generic], NDArray[np.generic]],
    weights: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> NDArray[np.bool_]:
    """Return which pairs reach beyond 16 bits when each activation is at most its largest."""
    first, second = (peak.astype(np.int32)[:, np.newaxis] for peak in largest)
    above, below = weights
    high = first * np.maximum(above, 0) + second * np.maximum(below, 0)
    low = first * np.minimum(above, 0) + second * np.minimum(below, 0)
    return np.asarray((high > HIGHEST) | (low < LOWEST))


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution moves over its input; one number a spatial axis, ``pads`` as in ONNX."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]


def unfold(images: NDArray[np.uint8], window: Window, fill: int) -> NDArray[np.uint8]:
    """Lay out what each place of a convolution sees, in the kernel's order.

    Args:
        images: uint8, (n, channels, *spatial).
        window: Its movement.
        fill: What pads the image: the zero point.

    Returns:
        uint8, (n, *places, reduction), the reduction being (*kernel, channels).

    """
    spatial = images.ndim - 2
    margins = list(zip(window.pads[:spatial], window.pads[spatial:], strict=True))
    padded = np.pad(images, [(0, 0), (0, 0), *margins], constant_values=fill)
    spans = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    axes = tuple(range(2, images.ndim))
    seen = np.lib.stride_tricks.sliding_window_view(padded, spans, axes)
    steps = [slice(None), slice(None), *(slice(None, None, s) for s in window.strides)]
    seen = seen[(*steps, *(slice(None, None, d) for d in window.dilations))]
    order = [0, *range(2, 2 * spatial + 2), 1]  # n, places, kernel, channels
    ordered = seen.transpose(order)
    return ordered.reshape(*ordered.shape[: spatial + 1], -1)
