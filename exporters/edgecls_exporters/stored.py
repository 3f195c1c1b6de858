"""Weights kept in 8 bits and computed in float: the size of int8, the arithmetic of fp32.

A Cast and a Mul of two constants: onnxruntime computes them once, when it loads the file, and
arranges the result for its float kernels as it does any constant. A DequantizeLinear it would keep
and compute for every image.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgecls_exporters.layers import LAYERS, attribute

# Small weights gain no size that the two nodes do not take.
SMALLEST = 512


def store_weights(model: ModelProto) -> int:
    """Store, in place, every layer's float weights in 8 bits, one scale for each output channel.

    Args:
        model: Its layers read their weights as constants; those already in integers stay.

    Returns:
        How many weights there were.

    """
    graph = model.graph
    floats = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    reads = Counter(name for node in graph.node for name in node.input)
    nodes, count = [], 0
    for node in graph.node:
        weight = floats.get(node.input[1]) if node.op_type in LAYERS else None
        if weight is None or reads[weight.name] > 1 or np.prod(weight.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(weight)
        last = node.op_type == "MatMul" or (
            node.op_type == "Gemm" and not attribute(node, "transB", 0)
        )
        integers, scale = rounded(values, values.ndim - 1 if last else 0)
        names = [f"{weight.name}_{part}" for part in ("stored", "step", "cast", "restored")]
        graph.initializer.append(numpy_helper.from_array(integers, names[0]))
        graph.initializer.append(numpy_helper.from_array(scale, names[1]))
        graph.initializer.remove(weight)
        nodes.append(helper.make_node("Cast", [names[0]], [names[2]], name=names[2], to=1))
        nodes.append(helper.make_node("Mul", [names[2], names[1]], [names[3]], name=names[3]))
        node.input[1] = names[3]
        count += 1
    for made in reversed(nodes):
        graph.node.insert(0, made)
    return count


def rounded(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights to -127..127 times a scale for each place of an axis.

    Returns:
        int8 of the same shape; float32 that multiplies it, of one axis' length and ones.

    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    peaks = np.abs(values).max(axis=others, keepdims=True)
    scale = np.where(peaks > 0, peaks / 127, 1).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale
