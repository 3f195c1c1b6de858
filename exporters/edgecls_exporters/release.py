"""Return some layers of a quantized model to float."""

from collections.abc import Collection

import onnx
from onnx import ModelProto


def release(model: ModelProto, original: ModelProto, names: Collection[str]) -> ModelProto:
    """Return a quantized model in which some layers compute in float.

    A released layer reads its input before it is rounded. Between a DequantizeLinear and a
    QuantizeLinear onnxruntime would quantize its float weights again by itself, one scale for all
    channels (its ``WeightBiasQuantization``), and nobody would be told.

    Args:
        model: Quantized, in QDQ form; stays as it is.
        original: The float model it was made from.
        names: Of the layers' nodes.

    """
    released = ModelProto()
    released.CopyFrom(model)
    graph = released.graph
    makers = {output: node for node in graph.node for output in node.output}
    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    sources = {node.name: node for node in original.graph.node}
    stored = {tensor.name for tensor in graph.initializer}
    for node in [node for node in graph.node if node.name in names]:
        reader = makers.get(node.input[0])
        if reader is not None and reader.op_type == "DequantizeLinear":
            node.input[0] = makers[reader.input[0]].input[0]
        for i, name in enumerate(sources[node.name].input):
            if i == 0 or name not in floats:
                continue
            node.input[i] = f"{name}_float"
            if node.input[i] not in stored:
                copy = graph.initializer.add()
                copy.CopyFrom(floats[name])
                copy.name = node.input[i]
                stored.add(copy.name)
    drop_unread(released)
    onnx.checker.check_model(released)
    return released


def drop_unread(model: ModelProto) -> None:
    """Remove nodes and constants that nothing reads any more."""
    graph = model.graph
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    kept.reverse()
    del graph.node[:]
    graph.node.extend(kept)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in wanted]:
        graph.initializer.remove(tensor)
