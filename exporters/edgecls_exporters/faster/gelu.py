"""GELU's two last products in the order in which onnxruntime knows it for one operator.

PyTorch writes x * (0.5 * (1 + erf(x / sqrt(2)))). onnxruntime fuses (x * (1 + erf(...))) * 0.5 when
it loads a file, and computes five operators of the other. A half is a power of two: both give the
same bits.
"""

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgecls_exporters.faster.wiring import Wiring

HALF = 0.5


def reorder_gelu(model: ModelProto) -> int:
    """Rewrite, in place, every GELU of the first form; standard operators stay standard.

    Returns:
        How many there were.

    """
    wiring, count = Wiring(model), 0
    for node in [node for node in model.graph.node if node.op_type == "Erf"]:
        count += _reordered(wiring, node)
    wiring.finish()
    return count


def _reordered(wiring: Wiring, erf: NodeProto) -> bool:
    divided = wiring.maker(erf.input[0], "Div")
    added = wiring.only_reader(erf.output[0], "Add")
    halved = None if added is None else wiring.only_reader(added.output[0], "Mul")
    last = None if halved is None else wiring.only_reader(halved.output[0], "Mul")
    if divided is None or added is None or halved is None or last is None:
        return False
    x = divided.input[0]
    half = next((name for name in halved.input if name != added.output[0]), "")
    value = wiring.value(half)
    if value is None or value.size != 1 or float(np.ravel(value)[0]) != HALF:
        return False
    if x not in last.input:
        return False
    names = (halved.output[0], last.output[0])
    first = helper.make_node("Mul", [x, added.output[0]], [names[0]], name=halved.name)
    second = helper.make_node("Mul", [names[0], half], [names[1]], name=last.name)
    wiring.replace(halved, [first])
    wiring.replace(last, [second])
    return True
