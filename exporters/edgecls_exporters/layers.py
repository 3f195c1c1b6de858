"""The layers of a quantized model (QDQ form) whose integers our passes read and rewrite."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
"""Operators with weights: what nearly all of a network's time and size go into."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A quantized Conv, Gemm or MatMul: its node and the tensors that hold its integers.

    Attributes:
        node: As it stands in the quantized model.
        activation: u8 input.
        zero: Zero point of the input.
        weight: s8 kernel, or u8.
        weight_scale: One, or one per output channel.
        weight_zero: Zero point of the kernel: 0 for s8, the middle for u8.
        bias: s32, or None.
        bias_scale: Likewise.
        float_bias: The bias of a scheme that keeps it float, or what an Add puts on a product.

    """

    node: NodeProto
    activation: str
    zero: str
    weight: str
    weight_scale: str
    weight_zero: str
    bias: str | None
    bias_scale: str | None
    float_bias: str | None = None

    @property
    def groups(self) -> int:
        """Groups of a convolution; 1 elsewhere."""
        return attribute(self.node, "group", 1)

    @property
    def channels_last(self) -> bool:
        """Whether the kernel is (inputs, outputs), as in MatMul."""
        return self.node.op_type != "Conv" and not attribute(self.node, "transB", 0)


def quantized_layers(model: ModelProto) -> list[Layer]:
    """Return every Conv, Gemm and MatMul of an activation and a constant weight, both integers."""
    makers = {output: node for node in model.graph.node for output in node.output}
    stored = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    readers = _readers(model)

    def integers(name: str) -> NodeProto | None:
        maker = makers.get(name)
        return maker if maker is not None and maker.op_type == "DequantizeLinear" else None

    layers = []
    for node in model.graph.node:
        if node.op_type not in LAYERS:
            continue
        activation, weight = integers(node.input[0]), integers(node.input[1])
        if activation is None or weight is None or weight.input[0] not in stored:
            continue
        if node.op_type == "MatMul" and len(stored[weight.input[0]]) != 2:
            continue
        bias = integers(node.input[2]) if len(node.input) > 2 else None
        layers.append(
            Layer(
                node,
                activation.input[0],
                activation.input[2],
                weight.input[0],
                weight.input[1],
                weight.input[2],
                bias.input[0] if bias is not None else None,
                bias.input[1] if bias is not None else None,
                _float_bias(node, stored[weight.input[0]], readers, stored),
            )
        )
    return layers


def _readers(model: ModelProto) -> dict[str, list[NodeProto]]:
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _float_bias(
    node: NodeProto,
    kernel: tuple[int, ...],
    readers: dict[str, list[NodeProto]],
    stored: dict[str, tuple[int, ...]],
) -> str | None:
    """Return the float constant that is added to each channel of a layer's output."""
    if len(node.input) > 2:
        return node.input[2] if node.input[2] in stored else None
    tensor = node.output[0]
    while len(users := readers.get(tensor, [])) == 1:  # through the rounding of the output
        (user,) = users
        if user.op_type == "Add":
            own = (name for name in user.input if stored.get(name) == kernel[-1:])
            return next((name for name in own if len(readers[name]) == 1), None)
        if user.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            return None
        tensor = user.output[0]
    return None


def folded(layer: Layer, kernel: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return a kernel as (groups, outputs of a group, reduction of channel, row, column)."""
    if layer.node.op_type == "Conv":
        return kernel.reshape(layer.groups, len(kernel) // layer.groups, -1).astype(np.float64)
    return np.asarray(kernel.T if layer.channels_last else kernel, np.float64)[np.newaxis]


def unfolded(
    layer: Layer, values: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Undo ``folded``."""
    if layer.node.op_type == "Conv":
        return np.asarray(values.reshape(shape))
    return np.asarray(values[0].T if layer.channels_last else values[0])


def across(
    layer: Layer, kernel: NDArray[np.generic], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shape one value per output channel (or one for all) so that it multiplies the kernel."""
    axis = kernel.ndim - 1 if layer.channels_last else 0
    return values.reshape([-1 if i == axis else 1 for i in range(kernel.ndim)])


def store(tensor: TensorProto, values: NDArray[np.generic]) -> None:
    """Replace a constant's values, keeping its name."""
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def pads(given: dict[str, Any], kernel: tuple[int, ...], image: tuple[int, ...]) -> tuple[int, ...]:
    """Return how a convolution pads an image: before each spatial axis, then behind each.

    Args:
        given: Its attributes, with ``pads``, or with ``auto_pad``, as exporters other than
            PyTorch's write it.
        kernel: Lengths of the kernel's spatial axes.
        image: Likewise, px.

    """
    automatic = given.get("auto_pad", b"NOTSET").decode()
    if not automatic.startswith("SAME"):
        return tuple(given.get("pads", [0] * 2 * len(kernel)))
    ones = [1] * len(kernel)
    strides, dilations = given.get("strides", ones), given.get("dilations", ones)
    wanted = [
        max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        for size, k, s, d in zip(image, kernel, strides, dilations, strict=True)
    ]
    less, more = [w // 2 for w in wanted], [w - w // 2 for w in wanted]
    return (*less, *more) if automatic == "SAME_UPPER" else (*more, *less)


def attribute(node: NodeProto, name: str, default: int) -> int:
    """Return an integer attribute of a node."""
    return next((a.i for a in node.attribute if a.name == name), default)


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return all attributes of a node by name."""
    return {found.name: helper.get_attribute_value(found) for found in node.attribute}
