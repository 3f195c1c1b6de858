"""Layers of a quantized model whose answer stays float: their weights as floats too.

Where nothing quantizes what a layer gives, a kernel must compute it in float. ONNX Runtime's QNN
provider then leaves the DequantizeLinear of its weights to the processor and takes the weights as
one more input of the network: Qualcomm's simulator loads such a file 30 times slower and dies of a
segmentation fault at the first image. The numbers stay the same; only the file is larger.

Source:
    Measured with onnxruntime-qnn 2.7.0: ``docs/providers.md``.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from edgecls_exporters.release import drop_unread

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
# Computed by a kernel together with the layer before them.
ACTIVATIONS = frozenset({"Clip", "Relu"})


def store_floats(model: ModelProto) -> None:
    """Write, in place, the weights and biases of such layers as they are dequantized."""
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for layer in [node for node in graph.node if node.op_type in LAYERS]:
        if _quantized(model, layer):
            continue
        for i, name in enumerate(layer.input):
            maker = makers.get(name)
            if maker is None or maker.op_type != "DequantizeLinear" or maker.input[0] not in stored:
                continue
            layer.input[i] = f"{maker.input[0]}_float"
            if layer.input[i] not in stored:
                values = _dequantized(maker, stored)
                graph.initializer.append(numpy_helper.from_array(values, layer.input[i]))
                stored[layer.input[i]] = graph.initializer[-1]
    drop_unread(model)


def _quantized(model: ModelProto, layer: NodeProto) -> bool:
    """Tell whether everything that reads a layer, behind its activation, is a QuantizeLinear."""
    users = [node for node in model.graph.node if layer.output[0] in node.input]
    if len(users) == 1 and users[0].op_type in ACTIVATIONS:
        return _quantized(model, users[0])
    return bool(users) and all(user.op_type == "QuantizeLinear" for user in users)


def _dequantized(node: NodeProto, stored: dict[str, TensorProto]) -> NDArray[np.float32]:
    """Return what a DequantizeLinear of constants gives, in the shape of its integers."""
    integers, scale, *zeros = (numpy_helper.to_array(stored[name]) for name in node.input)
    zero = zeros[0] if zeros else np.zeros_like(scale, np.int64)
    if scale.size > 1:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        shape = [1] * integers.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    whole = integers.astype(np.int64) - zero
    return np.asarray(whole.astype(np.float32) * scale, np.float32)
