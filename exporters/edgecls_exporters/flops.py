"""What each node of a graph costs, so that a device can say how much of a network it accelerates.

A device has no parser of ONNX graphs; the table travels in the file's own metadata.
"""

import math

import onnx
from onnx import GraphProto, ModelProto, NodeProto


def flops(model: ModelProto) -> dict[str, int]:
    """Return the operations of each convolution and matrix product for one image, by node name.

    A multiplication and its addition count as two. Other nodes cost next to nothing and are left
    out, and so is a node whose shapes nobody can infer.
    """
    one = ModelProto()
    one.CopyFrom(model)
    for value in (*one.graph.input, *one.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del one.graph.value_info[:]  # of any number of images
    # Data, because networks reshape to shapes that they compute.
    shapes = _shapes(onnx.shape_inference.infer_shapes(one, data_prop=True).graph)
    costs = {node.name: _cost(node, shapes) for node in model.graph.node if node.name}
    return {name: cost for name, cost in costs.items() if cost}


def _cost(node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Return 2 x the output's elements x the products that each is a sum of."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    made, taken = shapes.get(node.output[0]), shapes.get(node.input[0])
    weight = shapes.get(node.input[1])
    if not made or not taken or not weight:
        return 0
    if node.op_type == "Conv":  # weight: (out, in / group, *kernel)
        return 2 * math.prod(made) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":  # weight: (in, out / group, *kernel)
        return 2 * math.prod(taken) * math.prod(weight[1:])
    turned = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
    return 2 * math.prod(made) * taken[-2 if turned else -1]


def _shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by its name, where it is known."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        if sides and all(sides):
            shapes[value.name] = sides
    return shapes
