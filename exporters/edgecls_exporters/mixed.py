"""What stays float because integers do not make it faster on onnxruntime's CPU kernels.

Measured by ``scripts/bench_surgery.py``. A network is of one of three kinds:

- **Attention** (more products than convolutions, with LayerNormalization between them). LayerNorm,
  GELU, softmax and sums have slow integer kernels or none; the products of activations are a small
  part. Integers are for the products with weights, whose results stay float: nothing is rounded
  twice.
- **HardSwish** behind many small convolutions. It has no integer kernel: each is computed in float
  between two roundings, and a product of integers. With few multiplications integers cannot win
  that back (MobileNetV3-small; in MobileNetV3-large they do). Integers are for the layers behind
  the last pooling, which wait for their weights to come from memory; the others are stored in 8
  bits and compute in float.
- **Everything else** is integers throughout.
"""

from collections.abc import Collection

from onnx import ModelProto, NodeProto

from edgecls_exporters.flops import flops
from edgecls_exporters.layers import LAYERS
from edgecls_exporters.release import drop_unread

POOLINGS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"})
# onnxruntime's scale their sums to float by themselves. Its convolutions need rounded results: with
# a float one they compute in float.
PRODUCTS = frozenset({"Gemm", "MatMul"})
# onnxruntime writes HardSwish as HardSigmoid and a product when it simplifies a graph.
HARD = ("HardSwish", "HardSigmoid")
# MobileNetV3-small has 28 with its gates, for 53 convolutions.
HARD_SHARE = 0.25
# Multiplications of a convolution, on average: 1.1e6 in MobileNetV3-small, 3.5e6 in -large.
FEW_MULTIPLICATIONS = 2e6


def operators(graph: ModelProto) -> str:
    """Return the ``Plan.operators`` with which a float graph is fastest in integers."""
    kinds = [node.op_type for node in graph.graph.node]
    convolutions = kinds.count("Conv")
    if "LayerNormalization" in kinds and kinds.count("MatMul") > convolutions:
        return "weights"
    hard = sum(map(kinds.count, HARD)) >= HARD_SHARE * convolutions
    if convolutions and hard and _multiplications(graph) < FEW_MULTIPLICATIONS * convolutions:
        return "head"
    return "all"


def _multiplications(graph: ModelProto) -> float:
    """Return the multiplications of all convolutions for one image; open shapes count as none."""
    convolutions = {node.name for node in graph.graph.node if node.op_type == "Conv"}
    return sum(cost for name, cost in flops(graph).items() if name in convolutions) / 2


def float_layers(graph: ModelProto, plan: str) -> list[str]:
    """Return the names of layers that a plan leaves in float.

    Args:
        graph: float32.
        plan: As ``Plan.operators``.

    """
    stored = {tensor.name for tensor in graph.graph.initializer}
    layers = [node for node in graph.graph.node if node.op_type in LAYERS]
    if plan == "weights":
        return [node.name for node in layers if node.input[1] not in stored]
    if plan == "head":
        behind = _behind_pooling(graph)
        return [node.name for node in layers if node.name not in behind]
    return []


def _behind_pooling(graph: ModelProto) -> set[str]:
    """Return the names of the nodes between the last pooling, or flattening, and the scores."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    found: set[str] = set()
    waiting: list[NodeProto | None] = [makers.get(graph.graph.output[0].name)]
    while waiting:
        node = waiting.pop()
        if node is None or node.op_type in POOLINGS or node.name in found:
            continue
        found.add(node.name)
        waiting += [makers.get(name) for name in node.input]
    return found


def free_results(model: ModelProto, kinds: Collection[str], integers: Collection[str]) -> None:
    """Let, in place, the results of integer layers go on in float, where no integers want them.

    Args:
        model: Quantized, in QDQ form.
        kinds: Of layers whose kernels write floats.
        integers: Operators that read integers.

    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    free = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        rounding = makers.get(node.input[0])
        product = None if rounding is None else makers.get(rounding.input[0])
        if rounding is None or product is None or product.op_type not in kinds:
            continue
        if all(reader.op_type not in integers for reader in readers.get(node.output[0], [])):
            free[node.output[0]] = rounding.input[0]
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in free and name not in outputs:
                node.input[index] = free[name]
    drop_unread(model)
