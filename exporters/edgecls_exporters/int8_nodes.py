"""The operators that onnxruntime computes with integers, computed here: exactly, and as the kernel.

They are those that a quantized graph consists of once onnxruntime has optimised it: QLinearConv,
QLinearMatMul, MatMulInteger, MatMulIntegerToFloat and QGemm. Each is a product of u8 activations
and s8 weights (``pair_kernel``), whose sums are then scaled back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from edgecls_exporters.layers import attributes, pads
from edgecls_exporters.pair_kernel import (
    Integers,
    Saturation,
    Sums,
    Window,
    multiply,
    reach,
    unfold,
)

Array = NDArray[Any]
# Scales sums back to what the operator gives: int32 in, the operator's type out.
Finish = Callable[[Integers], Array]

# Where an operator holds its activations and its weights.
OPERANDS = {
    "QLinearConv": (0, 3),
    "QLinearMatMul": (0, 3),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "QGemm": (0, 3),
    "ConvInteger": (0, 1),
}
# They hold products of integers too, in forms that are not read here.
UNREAD = ("DynamicQuantizeMatMul", "QAttention", "DynamicQuantizeLSTM", "QEmbedLayerNormalization")


@dataclass(frozen=True, slots=True)
class Result:
    """What one operator gave.

    Attributes:
        exact: By exact arithmetic.
        seen: By the kernel; the same array where nothing saturated.
        saturation: How often it did.
        magnitude: Sum of the magnitudes of the exact sums.
        lost: Sum of the magnitudes of what saturation took from them.

    """

    exact: Array
    seen: Array
    saturation: Saturation
    magnitude: int
    lost: int


def kind(node: NodeProto, values: list[Array | None]) -> str:
    """Say which kernel computes a node: "pairs", or the one that keeps it from saturating.

    Returns:
        "" for an operator that multiplies no 8-bit integers.

    """
    if node.op_type not in OPERANDS:
        return ""
    activations, weights = (values[i] for i in OPERANDS[node.op_type])
    assert activations is not None  # noqa: S101 - ONNX requires both
    assert weights is not None  # noqa: S101
    if node.op_type == "ConvInteger":
        return "ConvInteger"
    signs = {np.dtype(np.uint8): "u8", np.dtype(np.int8): "s8"}
    form = "".join(signs.get(v.dtype, str(v.dtype)) for v in (activations, weights))
    if form != "u8s8":
        return form
    groups = attributes(node).get("group", 1)
    if node.op_type == "QLinearConv" and weights.shape[1] == 1 and groups == len(weights):
        return "depthwise"
    return "pairs"


def run(node: NodeProto, values: list[Array | None], *, saturating: bool) -> Result:
    """Compute an operator of kind "pairs".

    Args:
        node: The operator.
        values: Its inputs; None for an optional one that is not there.
        saturating: Whether to look for saturated pairs; else ``seen`` is ``exact``.

    """
    padded = [*values, *[None] * (9 - len(values))]
    sums, finish = _RUNNERS[node.op_type](attributes(node), padded, saturating)
    exact = finish(sums.exact)
    if sums.lost is None:
        return Result(exact, exact, sums.saturation, _magnitude(sums.exact), 0)
    return Result(
        exact,
        finish(sums.exact + sums.lost),
        sums.saturation,
        _magnitude(sums.exact),
        _magnitude(sums.lost),
    )


def _magnitude(sums: Integers) -> int:
    return int(np.abs(sums).sum(dtype=np.int64))


def worst_reach(node: NodeProto, weights: NDArray[np.int8]) -> int:
    """Return the largest magnitude of a pair with any activations, in the kernel's order."""
    if node.op_type == "QLinearConv":
        return reach(_filters(weights))
    if node.op_type == "QGemm" and attributes(node).get("transB", 0):
        return reach(weights.T)
    return max(reach(matrix) for matrix in weights.reshape(-1, *weights.shape[-2:]))


def _convolve(given: dict[str, Any], values: list[Any], saturating: bool) -> tuple[Sums, Finish]:
    images, x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero, bias = values
    last = bool(given.get("channels_last", 0))
    images = np.moveaxis(images, -1, 1) if last else images
    window = _window(given, weights.shape[2:], images.shape[2:])
    groups = given.get("group", 1)
    inputs, outputs = weights.shape[1], len(weights) // groups
    zeros = np.broadcast_to(_flat(w_zero, np.int32), len(weights))
    parts, places = [], ()
    for group in range(groups):
        own = images[:, group * inputs : (group + 1) * inputs]
        chosen = slice(group * outputs, (group + 1) * outputs)
        seen = unfold(own, window, int(x_zero))
        places = seen.shape[:-1]
        rows = seen.reshape(-1, seen.shape[-1])
        offsets = (int(x_zero), zeros[chosen])
        parts.append(multiply(rows, _filters(weights[chosen]), offsets, saturating=saturating))
    scale = np.float32(x_scale) * _flat(w_scale, np.float32) / np.float32(y_scale)

    def finish(sums: Integers) -> Array:
        scaled = _requantized(sums if bias is None else sums + bias, scale, y_zero)
        laid = scaled.reshape(*places, len(weights))
        return laid if last else np.ascontiguousarray(np.moveaxis(laid, -1, 1))

    return _joined(parts), finish


def _filters(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return (outputs, channels, *kernel) as (reduction, outputs), in the kernel's order."""
    return np.moveaxis(weights, 1, -1).reshape(len(weights), -1).T


def _window(given: dict[str, Any], kernel: tuple[int, ...], image: tuple[int, ...]) -> Window:
    axes = len(kernel)
    strides = tuple(given.get("strides", [1] * axes))
    dilations = tuple(given.get("dilations", [1] * axes))
    return Window(tuple(kernel), strides, pads(given, kernel, image), dilations)


def _joined(parts: list[Sums]) -> Sums:
    """Put the outputs of all groups side by side."""
    total = sum((part.saturation for part in parts), Saturation())
    lost = None
    if total.saturated:
        lost = np.concatenate(
            [np.zeros_like(p.exact) if p.lost is None else p.lost for p in parts], axis=1
        )
    return Sums(np.concatenate([part.exact for part in parts], axis=1), lost, total)


def _matmul(
    first: Array, second: Array, zeros: tuple[Any, Any], saturating: bool
) -> tuple[Sums, tuple[int, ...]]:
    """Multiply (..., rows, reduction) by (..., reduction, outputs); return the shape as well."""
    offsets = (
        int(zeros[0]) if zeros[0] is not None else 0,
        _flat(zeros[1], np.int32) if zeros[1] is not None else np.zeros(1, np.int32),
    )
    if second.ndim == 2:
        rows = first.reshape(-1, first.shape[-1])
        shape = (*first.shape[:-1], second.shape[1])
        return multiply(rows, second, offsets, saturating=saturating), shape
    batch = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    firsts = np.broadcast_to(first, (*batch, *first.shape[-2:])).reshape(-1, *first.shape[-2:])
    seconds = np.broadcast_to(second, (*batch, *second.shape[-2:]))
    pairs = zip(firsts, seconds.reshape(-1, *second.shape[-2:]), strict=True)
    parts = [multiply(one, other, offsets, saturating=saturating) for one, other in pairs]
    joined = _joined([_turned(part) for part in parts])
    return _turned(joined), (*batch, first.shape[-2], second.shape[-1])


def _turned(sums: Sums) -> Sums:
    lost = None if sums.lost is None else sums.lost.T
    return Sums(sums.exact.T, lost, sums.saturation)


def _qlinear_matmul(_: dict[str, Any], values: list[Any], saturating: bool) -> tuple[Sums, Finish]:
    first, scale, zero, second, second_scale, second_zero, y_scale, y_zero, _unused = values
    sums, shape = _matmul(first, second, (zero, second_zero), saturating)
    factor = np.float32(scale) * _flat(second_scale, np.float32) / np.float32(y_scale)
    return sums, lambda found: _requantized(found, factor, y_zero).reshape(shape)


def _matmul_integer(_: dict[str, Any], values: list[Any], saturating: bool) -> tuple[Sums, Finish]:
    sums, shape = _matmul(values[0], values[1], (values[2], values[3]), saturating)
    return sums, lambda found: found.astype(np.int32).reshape(shape)


def _matmul_to_float(_: dict[str, Any], values: list[Any], saturating: bool) -> tuple[Sums, Finish]:
    first, second, scale, second_scale, zero, second_zero, bias = values[:7]
    sums, shape = _matmul(first, second, (zero, second_zero), saturating)
    factor = np.float32(scale) * _flat(second_scale, np.float32)
    shift = np.float32(0) if bias is None else bias
    return sums, lambda found: (found.astype(np.float32) * factor).reshape(shape) + shift


def _qgemm(given: dict[str, Any], values: list[Any], saturating: bool) -> tuple[Sums, Finish]:
    first, scale, zero, second, second_scale, second_zero, bias, y_scale, y_zero = values
    first = first.T if given.get("transA", 0) else first
    second = second.T if given.get("transB", 0) else second
    sums, _ = _matmul(first, second, (zero, second_zero), saturating)
    alpha = np.float32(given.get("alpha", 1.0))
    factor = alpha * np.float32(scale) * _flat(second_scale, np.float32)

    def finish(found: Integers) -> Array:
        whole = found if bias is None else found + bias
        if y_scale is None:
            return whole.astype(np.float32) * factor
        return _requantized(whole, factor / np.float32(y_scale), y_zero)

    return sums, finish


def _requantized(sums: Integers, scale: NDArray[np.float32], zero: Array | None) -> Array:
    """Scale sums (rows, outputs) to 8 bits: limits first, then rounding half to even, then zero."""
    zero = np.zeros((), np.uint8) if zero is None else zero
    limits, shift = np.iinfo(zero.dtype), int(zero.reshape(-1)[0])
    scaled = np.clip(sums.astype(np.float32) * scale, limits.min - shift, limits.max - shift)
    return np.asarray((np.rint(scaled).astype(np.int16) + shift).astype(zero.dtype))


def _flat(values: Array, wanted: type) -> Array:
    return np.asarray(values).reshape(-1).astype(wanted)


_RUNNERS: dict[str, Callable[[dict[str, Any], list[Any], bool], tuple[Sums, Finish]]] = {
    "QLinearConv": _convolve,
    "QLinearMatMul": _qlinear_matmul,
    "MatMulInteger": _matmul_integer,
    "MatMulIntegerToFloat": _matmul_to_float,
    "QGemm": _qgemm,
}
