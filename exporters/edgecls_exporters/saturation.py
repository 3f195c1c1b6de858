"""Keep int8 arithmetic from overflowing on x86 processors without VNNI.

There the fast kernel multiplies u8 activations with s8 weights by ``vpmaddubsw``, which adds two
neighbouring products in 16 bits and saturates: 255 * 127 * 2 is far above 32767. The same file then
answers differently on another processor, and worse. The pass here grows each output channel's
weight scale just until no pair can saturate: a0 |w0| + a1 |w1| <= 32767, where a0 and a1 are the
largest activations that those input channels showed on calibration images. Weights lose a fraction
of a bit, the kernel keeps its full speed, and every processor computes the same.

Pairs are neighbours along the reduction, counted from its begin: kernel row, kernel column, input
channel. That order is not taken on trust: ``tests/exporters/test_saturation.py`` runs the same file
on an emulated processor without VNNI and wants the very same scores (slow), and
``pair_kernel`` is a model of the kernel, exact to the bit. Depthwise convolutions of one output a
channel take another kernel, which adds in 32 bits.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgecls_exporters.graph import INPUT
from edgecls_exporters.layers import Layer, across, quantized_layers, store
from edgecls_exporters.probe import quiet_session

LIMIT = 32767
# Activations on new images may exceed those seen in calibration by this much before a pair can
# saturate; a channel whose calibration maximum is already 255 cannot exceed it at all.
HEADROOM = 1.1

Array = NDArray[np.float64]


def saturable_layers(model: ModelProto) -> list[Layer]:
    """Return the layers that the saturating kernel runs.

    A product of two activations is none: both are u8 there, and that kernel adds in 32 bits.
    """
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return [
        layer
        for layer in quantized_layers(model)
        if layer.groups == 1
        or shapes[layer.weight][1] > 1
        or shapes[layer.weight][0] > layer.groups  # one channel a group, several outputs of it
    ]


def largest_activations(
    model: ModelProto, batches: Iterable[NDArray[np.uint8]]
) -> dict[str, NDArray[np.uint8]]:
    """Return, for each quantized tensor that a layer reads, the largest integer per channel.

    The maxima are taken inside the graph: no activation is ever stored.

    Args:
        model: Quantized, in QDQ form.
        batches: Calibration images, each uint8 (n, height, width, 3).

    Returns:
        uint8, shape (channels,), by tensor name.

    """
    probe = ModelProto()
    probe.CopyFrom(model)
    layers = {layer.activation: layer for layer in saturable_layers(model)}
    names = sorted(layers)
    if not names:  # asked for no output, onnxruntime gives every one
        return {}
    for name in names:
        _add_largest(probe, layers[name])
    session = quiet_session(probe, "none")
    found: dict[str, NDArray[np.uint8]] = {}
    for batch in batches:
        largest = session.run([f"{name}_largest" for name in names], {INPUT: batch})
        for name, values in zip(names, largest, strict=True):
            found[name] = np.maximum(found.get(name, 0), values)
    return found


def _add_largest(probe: ModelProto, layer: Layer) -> None:
    """Add the output ``<activation>_largest``: the maxima over all axes but the channels'."""
    name = layer.activation
    (dims,) = (tensor.dims for tensor in probe.graph.initializer if tensor.name == layer.weight)
    axes = [0, *range(2, len(dims))]
    if layer.node.op_type == "MatMul":  # its channels are the last axis of any number
        shape = numpy_helper.from_array(np.array([-1, dims[0]], np.int64), f"{name}_shape")
        probe.graph.initializer.append(shape)
        probe.graph.node.append(helper.make_node("Reshape", [name, shape.name], [f"{name}_flat"]))
        name, axes = f"{name}_flat", [0]
    kept = numpy_helper.from_array(np.array(axes, np.int64), f"{layer.activation}_axes")
    output = f"{layer.activation}_largest"
    probe.graph.initializer.append(kept)
    probe.graph.node.append(helper.make_node("ReduceMax", [name, kept.name], [output], keepdims=0))
    probe.graph.output.append(helper.make_tensor_value_info(output, TensorProto.UINT8, None))


def bound(
    model: ModelProto, original: ModelProto, largest: dict[str, NDArray[np.uint8]]
) -> dict[str, float]:
    """Requantize, in place, every layer whose pairs could saturate.

    Args:
        model: Quantized, in QDQ form, weights named ``<original name>_quantized``.
        original: The float model it was made from.
        largest: As ``largest_activations`` returned them.

    Returns:
        By the layer's name, the mean factor by which its weight scales grew; 1 is untouched.

    """
    floats = {t.name: t for t in original.graph.initializer if t.data_type == TensorProto.FLOAT}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = saturable_layers(model)
    kernels = {
        layer.weight: numpy_helper.to_array(floats[layer.weight.removesuffix("_quantized")])
        for layer in layers
    }
    scales = {
        layer.weight: numpy_helper.to_array(stored[layer.weight_scale]).astype(np.float64)
        for layer in layers
    }
    wanted = dict(scales)
    for layer in layers:  # one weight may serve two layers; both biases follow it
        # What pads an image is the zero point, which a channel of negative values lies below.
        seen = np.maximum(largest[layer.activation], numpy_helper.to_array(stored[layer.zero]))
        needed = _needed(layer, kernels[layer.weight], seen)
        most = needed if scales[layer.weight].size > 1 else needed.max()
        wanted[layer.weight] = np.maximum(wanted[layer.weight], most)
    grown = {}
    for layer in layers:
        scale, new = scales[layer.weight], wanted[layer.weight]
        grown[layer.node.name] = float(np.mean(new / scale))
        if not np.array_equal(new, scale):
            _requantize(layer, stored, kernels[layer.weight], scale, new)
    onnx.checker.check_model(model)
    return grown


def _needed(layer: Layer, kernel: NDArray[np.float32], seen: NDArray[np.uint8]) -> Array:
    """Return, for each output, the least weight scale at which no pair can saturate."""
    tiled = _tiled(layer, kernel, peaks(seen))
    # Rounding adds at most half a step to each of the two weights of a pair.
    return pair_peak(_rows(layer, kernel), tiled) / LIMIT * (1 + 1 / 127)


def peaks(seen: NDArray[np.uint8]) -> Array:
    """Return the largest activations to expect where these were seen."""
    return np.asarray(np.minimum(255, np.ceil(seen * HEADROOM)), np.float64)


def _rows(layer: Layer, kernel: NDArray[np.float32]) -> Array:
    """Return a kernel as (outputs, reduction), the reduction in the order of the kernel's loop."""
    if layer.node.op_type != "Conv":
        return np.asarray(kernel.T if layer.channels_last else kernel, np.float64)
    return np.moveaxis(kernel, 1, -1).reshape(len(kernel), -1).astype(np.float64)


def _tiled(layer: Layer, kernel: NDArray[np.float32], peaks: Array) -> Array:
    """Return the largest activation that each weight of ``_rows`` meets: (outputs, reduction)."""
    if layer.node.op_type != "Conv":
        return peaks[np.newaxis]
    spots = int(np.prod(kernel.shape[2:]))
    own = np.tile(peaks.reshape(layer.groups, -1), (1, spots))
    return np.repeat(own, len(kernel) // layer.groups, axis=0)


def pair_peak(weights: Array, activations: Array) -> Array:
    """Return, for each output, the largest a0 |w0| + a1 |w1| of a pair: (outputs,)."""
    products = np.abs(weights) * activations
    products = np.pad(products, ((0, 0), (0, products.shape[1] % 2)))
    return np.asarray((products[:, 0::2] + products[:, 1::2]).max(axis=1))


def _requantize(
    layer: Layer,
    stored: dict[str, TensorProto],
    kernel: NDArray[np.float32],
    scale: Array,
    wanted: Array,
) -> None:
    integers = np.clip(np.round(kernel / across(layer, kernel, wanted)), -127, 127).astype(np.int8)
    store(stored[layer.weight], integers)
    store(stored[layer.weight_scale], wanted.astype(np.float32).reshape(scale.shape))
    if layer.bias is None or layer.bias_scale is None:
        return
    bias_scale = numpy_helper.to_array(stored[layer.bias_scale]).astype(np.float64)
    values = numpy_helper.to_array(stored[layer.bias]) * bias_scale
    regrown = bias_scale * (wanted / scale)
    store(stored[layer.bias], np.round(values / regrown).astype(np.int32))
    store(stored[layer.bias_scale], regrown.astype(np.float32).reshape(bias_scale.shape))
