"""Squeeze-and-excite gates spread over the image before they multiply it.

onnxruntime's layout of channels in blocks has a product of two tensors of one shape, and none that
repeats (n, c, 1, 1) over (n, c, h, w): the image would be reordered before and after each gate. A
Resize to the nearest neighbour, which repeats the one value, stays in the layout.

Not for integers, whose product does repeat, nor for files that other engines read: to them the
Resize is one more operator.
"""

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgecls_exporters.faster.wiring import Wiring, shapes

GATES = ("HardSigmoid", "Sigmoid")

Shapes = dict[str, list[int | str]]


def spread_gates(model: ModelProto) -> int:
    """Rewrite, in place, every product of an image and a gate that a convolution made.

    Returns:
        How many there were.

    """
    wiring, known, count = Wiring(model), shapes(model), 0
    for node in [node for node in model.graph.node if node.op_type == "Mul"]:
        for image, gate in (node.input, reversed(node.input)):
            if _is_gate(wiring, known, image, gate):
                _spread(wiring, node, image, gate, known[image])
                count += 1
                break
    wiring.finish()
    return count


def _is_gate(wiring: Wiring, known: Shapes, image: str, gate: str) -> bool:
    whole, one = known.get(image, []), known.get(gate, [])
    if len(whole) != 4 or one != [*whole[:2], 1, 1] or whole[2:] == [1, 1]:
        return False
    if not all(isinstance(size, int) for size in whole[1:]):
        return False
    maker = wiring.makers.get(gate)
    if maker is None or maker.op_type not in GATES:
        return False
    return wiring.maker(maker.input[0], "Conv") is not None


def _spread(wiring: Wiring, node: NodeProto, image: str, gate: str, shape: list[int | str]) -> None:
    height, width = (int(size) for size in shape[2:])
    scales = np.array([1, 1, height, width], np.float32)
    name = wiring.add_constant(f"spread_{height}x{width}", scales)
    spread = f"{gate}/spread"
    resize = helper.make_node(
        "Resize",
        [gate, "", name],
        [spread],
        name=spread,
        mode="nearest",
        # The one combination that onnxruntime's layout takes over.
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    product = helper.make_node("Mul", [image, spread], list(node.output), name=node.name)
    wiring.replace(node, [resize, product])
    # Inference loses the open batch in a Resize; onnxruntime compares the shapes by these names.
    info = helper.make_tensor_value_info(spread, 1, shape)
    wiring.model.graph.value_info.append(info)
