"""A mean over the image -> GlobalAveragePool.

onnxruntime keeps tensors between convolutions in blocks of channels. A pooling knows that layout,
ReduceMean does not: around it everything is reordered twice, in every squeeze-and-excite block.
Among integers the pooling has an integer kernel; ReduceMean is computed in float.
"""

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgecls_exporters.faster.wiring import Wiring, shapes
from edgecls_exporters.layers import attribute

IMAGE_AXES = 4


def pool_means(model: ModelProto) -> int:
    """Rewrite, in place, every mean over height and width of a tensor of four axes.

    Returns:
        How many there were.

    """
    wiring, known = Wiring(model), shapes(model)
    found = [
        node
        for node in model.graph.node
        if node.op_type == "ReduceMean"
        and len(known.get(node.input[0], [])) == IMAGE_AXES
        and _axes(wiring, node) == {2, 3}
    ]
    for node in found:
        wiring.replace(node, _pooled(node))
    wiring.finish()
    return len(found)


def _axes(wiring: Wiring, node: NodeProto) -> set[int]:
    """Return the axes that a mean goes over, in 0..3; empty where they are not known."""
    values = wiring.value(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    return set() if values is None else {int(axis) % IMAGE_AXES for axis in np.ravel(values)}


def _pooled(node: NodeProto) -> list[NodeProto]:
    (output,) = node.output
    if attribute(node, "keepdims", 1):
        return [helper.make_node("GlobalAveragePool", [node.input[0]], [output], name=node.name)]
    kept = f"{output}/pooled"
    return [
        helper.make_node("GlobalAveragePool", [node.input[0]], [kept], name=node.name),
        helper.make_node("Flatten", [kept], [output], name=f"{node.name}/flat", axis=1),
    ]
