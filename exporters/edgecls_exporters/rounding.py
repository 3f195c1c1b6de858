"""Round weights so that their errors cancel in what the layer computes, not each to its nearest.

Inputs of a layer are correlated: what rounding one weight adds to an output, its neighbours can
take away. Weights are rounded one column after another, and the error of each is spread over those
that are still to come, as the inputs' covariance on calibration images says. On EfficientNet-Lite0
with bounded pairs this takes a third of the divergence from fp32, on the same network with six
labels three quarters.

Source:
    E. Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
    Transformers", ICLR 2023, algorithm 1, here with convolutions of any grouping, and with the
    bound on pairs of products as a limit on each integer. The covariance, not the second moment,
    because the mean's error is taken out by ``bias_correction``.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from edgecls.errors import ExportError
from edgecls_exporters import saturation
from edgecls_exporters.layers import (
    Layer,
    attribute,
    attributes,
    folded,
    pads,
    quantized_layers,
    store,
    unfolded,
)
from edgecls_exporters.probe import Probe
from edgecls_exporters.ranges import Batches

Array = NDArray[np.float64]

# Places of an image whose inputs are taken into account: more change nothing that was seen.
PLACES = 64
# A larger reduction would need too much memory for its covariance (2304 is 42 MB); nearest stays.
LARGEST_REDUCTION = 2304
# Share of the mean variance added to each input's: what calibration never moved must not explode.
DAMPING = 0.01
# Times ten each: with the last nothing of the covariance is left.
MOST_DAMPING = 8
BLOCK = 128
"""Columns whose errors are spread together."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits that keep pairs of products in 16 bits.

    Attributes:
        peaks: Largest activation that each weight of the reduction meets: (groups, reduction).
        partner: Index of the weight that is added with it, -1 for none: (reduction,).
        limit: Largest sum of a pair.

    """

    peaks: Array
    partner: NDArray[np.intp]
    limit: int

    def largest(self, column: int, integers: Array, done: NDArray[np.bool_]) -> Array | float:
        """Return the largest integer a column may take, its partner being rounded: (groups, 1)."""
        other = int(self.partner[column])
        if other < 0 or not done[other]:
            return 127.0
        left = self.limit - self.peaks[:, None, other] * np.abs(integers[:, :, other])
        return np.minimum(127.0, np.floor(left / np.maximum(self.peaks[:, None, column], 1)))


def covariances(model: ModelProto, batches: Batches, seed: int) -> dict[str, Array]:
    """Return the covariance of each layer's inputs: (groups, reduction, reduction) by node name.

    Args:
        model: float32, of ``graph.export_graph``.
        batches: Calibration images.
        seed: Decides which places of an image are looked at.

    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = [
        node
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul")
        and node.input[1] in weights
        # A batch of weights in a MatMul is no layer of ``layers``.
        and (node.op_type != "MatMul" or len(weights[node.input[1]].dims) == 2)
    ]
    shapes = {node.name: tuple(weights[node.input[1]].dims) for node in layers}
    layers = [node for node in layers if _reduction(node, shapes[node.name]) <= LARGEST_REDUCTION]
    if not layers:
        return {}
    probe = Probe(model, sorted({node.input[0] for node in layers}))
    random = np.random.default_rng(seed)
    squares: dict[str, Array] = {}
    sums: dict[str, Array] = {}
    counts: dict[str, int] = {}
    for batch in batches("calibrating: covariances"):
        found = probe(batch)
        for node in layers:
            seen = _inputs(node, shapes[node.name], found[node.input[0]], random)
            name = node.name
            squares[name] = squares.get(name, 0) + np.matmul(seen.transpose(0, 2, 1), seen)
            sums[name] = sums.get(name, 0) + seen.sum(axis=1, dtype=np.float64)
            counts[name] = counts.get(name, 0) + seen.shape[1]
    return {name: _centred(squares[name], sums[name], counts[name]) for name in squares}


def _centred(squares: Array, sums: Array, count: int) -> Array:
    mean = sums / count
    return squares.astype(np.float64) / count - mean[:, :, None] * mean[:, None, :]


def _reduction(node: NodeProto, shape: tuple[int, ...]) -> int:
    if node.op_type == "Conv":
        return int(np.prod(shape[1:]))
    return shape[1] if attribute(node, "transB", 0) else shape[0]


def _inputs(
    node: NodeProto,
    shape: tuple[int, ...],
    values: NDArray[np.generic],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return what a layer multiplies at some places of a batch: (groups, places, reduction)."""
    if node.op_type != "Conv":
        rows = np.asarray(values, np.float32).reshape(-1, values.shape[-1])
        return rows[_some(len(rows), len(values), random)][None]
    patches = np.concatenate(
        [_patches(node, shape, image, random) for image in np.asarray(values, np.float32)]
    )
    grouped = patches.reshape(len(patches), attribute(node, "group", 1), -1)
    return np.ascontiguousarray(grouped.transpose(1, 0, 2))


def _patches(
    node: NodeProto,
    shape: tuple[int, ...],
    image: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return what a convolution covers at some places of an image: (places, channels, *kernel)."""
    spatial = len(shape) - 2
    given = attributes(node)
    strides, dilations = (given.get(key, [1] * spatial) for key in ("strides", "dilations"))
    around = pads(given, shape[2:], image.shape[1:])
    padded = np.pad(image, [(0, 0), *zip(around[:spatial], around[spatial:], strict=True)])
    spans = [(k - 1) * d + 1 for k, d in zip(shape[2:], dilations, strict=True)]
    axes = tuple(range(1, spatial + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
    windows = windows[(slice(None), *(slice(None, None, s) for s in (*strides, *dilations)))]
    size = windows.shape[1 : spatial + 1]
    rows = np.moveaxis(windows, 0, spatial)
    return rows[np.unravel_index(_some(int(np.prod(size)), 1, random), size)]


def _some(total: int, images: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Return the indices of a few places; drawn with repetition, which is fast."""
    wanted = PLACES * images
    return np.arange(total) if total <= wanted else random.integers(0, total, wanted)


def rounded(kernel: Array, scale: Array, covariance: Array, caps: Caps | None) -> Array:
    """Round one layer's weights.

    Args:
        kernel: Float weights, shape (groups, outputs, reduction).
        scale: Of each output: (groups, outputs).
        covariance: Of the inputs: (groups, reduction, reduction).
        caps: Limits on pairs; None for none.

    Returns:
        Integers in -127..127, as floats, shape of ``kernel``.

    """
    n = kernel.shape[2]
    variances = np.einsum("gkk->gk", covariance)
    # One order for all groups, those that move most first: their errors find most takers.
    order = np.argsort(-variances.mean(axis=0), kind="stable")
    spread = _spreading(covariance[:, order][:, :, order], variances)
    left, integers = kernel[:, :, order].copy(), np.zeros_like(kernel)
    done = np.zeros(n, np.bool_)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        errors = np.zeros((*kernel.shape[:2], end - begin))
        for j in range(begin, end):
            column = int(order[j])
            most = 127.0 if caps is None else caps.largest(column, integers, done)
            integers[:, :, column] = np.clip(np.round(left[:, :, j] / scale), -most, most)
            done[column] = True
            error = (left[:, :, j] - integers[:, :, column] * scale) / spread[:, None, j, j]
            left[:, :, j + 1 : end] -= error[:, :, None] * spread[:, None, j, j + 1 : end]
            errors[:, :, j - begin] = error
        left[:, :, end:] -= np.matmul(errors, spread[:, begin:end, end:])
    return integers


def _spreading(covariance: Array, variances: Array) -> Array:
    """Return the upper Cholesky factor of the inverse: how a column's error spreads.

    Sums in single precision leave a covariance that is nearly singular with eigenvalues a little
    below zero, or even a variance; then more damping is taken until there are none.
    """
    n = covariance.shape[-1]
    damping = DAMPING * np.abs(variances.mean(axis=1)) + 1e-12
    for _ in range(MOST_DAMPING):
        damped = covariance + damping[:, None, None] * np.eye(n)
        try:
            # Of the reversed matrix, so that its inverse is the wanted factor without inverting
            # the covariance itself.
            lower = np.linalg.cholesky(damped[:, ::-1, ::-1])
        except np.linalg.LinAlgError:
            damping = damping * 10
        else:
            return np.asarray(np.linalg.inv(lower[:, ::-1, ::-1]))
    raise ExportError("rounding: a layer's inputs have no covariance; are images numbers?")


def reround(
    model: ModelProto,
    original: ModelProto,
    covariances: dict[str, Array],
    largest: dict[str, NDArray[np.uint8]] | None,
) -> None:
    """Round, in place, the weights of every quantized layer whose inputs' covariance is known.

    Args:
        model: Quantized, in QDQ form, weights named ``<original name>_quantized``; its scales stay.
        original: The float model it was made from.
        covariances: As the function of that name returns them.
        largest: As ``saturation.largest_activations`` returns them, when pairs are bounded.

    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    found = quantized_layers(model)
    uses = Counter(layer.weight for layer in found)
    saturable = {layer.node.name for layer in saturation.saturable_layers(model)}
    for layer in found:
        covariance = covariances.get(layer.node.name)
        if covariance is None or uses[layer.weight] > 1:  # a shared weight meets two inputs
            continue
        kernel = numpy_helper.to_array(floats[layer.weight.removesuffix("_quantized")])
        flat = folded(layer, kernel)
        scale = numpy_helper.to_array(stored[layer.weight_scale]).astype(np.float64)
        own = np.broadcast_to(scale.ravel(), (flat.shape[0] * flat.shape[1],))
        caps = None
        if largest is not None and layer.node.name in saturable:
            seen = np.maximum(largest[layer.activation], numpy_helper.to_array(stored[layer.zero]))
            caps = _caps(layer, kernel, seen)
        integers = rounded(flat, own.reshape(flat.shape[:2]), covariance, caps)
        zero = numpy_helper.to_array(stored[layer.weight_zero])
        shifted = unfolded(layer, integers, kernel.shape) + int(zero.flat[0])
        store(stored[layer.weight], shifted.astype(zero.dtype))


def _caps(layer: Layer, kernel: NDArray[np.float32], seen: NDArray[np.uint8]) -> Caps:
    peaks = saturation.peaks(seen)
    spots = int(np.prod(kernel.shape[2:])) if layer.node.op_type == "Conv" else 1
    tiled = np.repeat(peaks.reshape(layer.groups, -1), spots, axis=1)
    n = tiled.shape[1]
    # ``folded`` keeps (channel, row, column); the kernel's loop runs over (row, column, channel).
    loop = np.arange(n).reshape(-1, spots).T.ravel()
    partner = np.full(n, -1, np.intp)
    first, second = loop[: n - n % 2 : 2], loop[1::2]
    partner[first], partner[second] = second, first
    return Caps(tiled, partner, saturation.LIMIT)
