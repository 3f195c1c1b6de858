"""Self-attention of one packed product -> onnxruntime's MultiHeadAttention.

Between the product that makes queries, keys and values and the one behind the heads, PyTorch's
exporter writes some twenty slices, transposes and reshapes a block. What they amount to is not read
from their attributes, which differ from version to version, but asked: the piece of graph is run on
random numbers beside the operator that shall replace it. Masks, position biases, other scales
answer differently, and stay.

``MultiHeadAttention`` is onnxruntime's own, so this is for files that it alone runs.
"""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgecls_exporters.faster.wiring import MICROSOFT, Wiring, integers
from edgecls_exporters.probe import quiet_session

HEADS_INNERMOST = [0, 2, 1, 3]
# Values are drawn from a normal distribution; both sides differ by 1e-6 where they agree.
NEAR = 1e-5
TOKENS = 7
"""Where the graph leaves their number open."""
MOST_NODES = 64
THIRDS = "attention_thirds"


@dataclass(frozen=True, slots=True)
class _Block:
    """The piece of graph between packed queries, keys and values, and what the heads see.

    Attributes:
        packed: Tensor (n, tokens, 3 * width).
        last: The node that gives (n, tokens, width).
        nodes: All of it, in the order of the graph.
        heads: How many.
        width: Of all heads together.
        tokens: As the graph fixes them.

    """

    packed: str
    last: NodeProto
    nodes: list[NodeProto]
    heads: int
    width: int
    tokens: int


def join_attention(model: ModelProto) -> int:
    """Rewrite, in place, every self-attention that answers as MultiHeadAttention does.

    Returns:
        How many there were.

    """
    wiring, count = Wiring(model), 0
    proven: set[str] = set()
    for node in [node for node in model.graph.node if node.op_type == "Softmax"]:
        block = _block(wiring, node)
        if block is None:
            continue
        form = _form(wiring, block)
        if form not in proven and not _same(wiring, block):
            continue
        proven.add(form)
        wiring.replace(block.last, _joined(wiring, block))
        count += 1
    wiring.finish()
    return count


def _block(wiring: Wiring, softmax: NodeProto) -> _Block | None:
    """Find the piece around a softmax: back to the packed tensor, forward to its last reshape."""
    product = wiring.only_reader(softmax.output[0], "MatMul")
    turned = None if product is None else wiring.only_reader(product.output[0], "Transpose")
    if turned is None or integers(turned, "perm") != HEADS_INNERMOST:
        return None
    last = wiring.only_reader(turned.output[0], "Reshape")
    if last is None:
        return None
    for first in _reshapes_behind(wiring, last):
        shape = np.ravel(wiring.value(first.input[1]))  # type: ignore[arg-type]
        size = int(shape[-1])
        width = _width(wiring, first.input[0])
        if size <= 0 or not width or width % size:
            continue
        nodes = _between(wiring, first.input[0], last)
        if nodes:
            tokens = int(shape[1]) if shape[1] > 0 else TOKENS
            return _Block(first.input[0], last, nodes, width // size, width, tokens)
    return None


def _reshapes_behind(wiring: Wiring, last: NodeProto) -> list[NodeProto]:
    """Return the reshapes by a constant to four or five axes that a node's value comes from."""
    found, waiting, seen = [], list(last.input), set[str]()
    while waiting and len(seen) <= MOST_NODES:
        node = wiring.makers.get(waiting.pop())
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        shape = wiring.value(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and shape.size in (4, 5):
            found.append(node)
        else:
            waiting += node.input
    return found


def _width(wiring: Wiring, packed: str) -> int:
    """Return a third of the last axis of a tensor that a product with a bias made; 0 if unknown."""
    added = wiring.maker(packed, "Add")
    bias = None if added is None else _bias(wiring, added)
    value = None if bias is None else wiring.value(bias)
    return 0 if value is None or value.ndim != 1 or value.size % 3 else value.size // 3


def _bias(wiring: Wiring, added: NodeProto) -> str | None:
    return next((name for name in added.input if name in wiring.constants), None)


def _between(wiring: Wiring, packed: str, last: NodeProto) -> list[NodeProto]:
    """Return the nodes from a tensor to a node; none if anything else flows in or out."""
    inside: dict[str, NodeProto] = {}
    waiting = [last]
    while waiting and len(inside) <= MOST_NODES:
        node = waiting.pop()
        inside[node.output[0]] = node
        for name in node.input:
            if name in ("", packed) or name in wiring.constants or name in inside:
                continue
            if name not in wiring.makers:
                return []
            waiting.append(wiring.makers[name])
    names = set(inside)
    for name, node in inside.items():
        if node is not last and any(r.output[0] not in names for r in wiring.readers[name]):
            return []
    if len(inside) > MOST_NODES or any(r.output[0] not in names for r in wiring.readers[packed]):
        return []
    return [node for node in wiring.model.graph.node if node.output[0] in names]


def _form(wiring: Wiring, block: _Block) -> str:
    """Describe a block up to the names of its tensors: what two alike blocks share."""
    places = {block.packed: "packed"}
    lines = []
    for node in block.nodes:
        inputs = []
        for name in node.input:
            value = wiring.value(name)
            inputs.append(places.get(name, "") if value is None else str(value.tolist()))
        for name in node.output:
            places[name] = str(len(places))
        lines.append(f"{node.op_type} {inputs} {[str(found) for found in node.attribute]}")
    return "\n".join([str((block.heads, block.width)), *lines])


def _same(wiring: Wiring, block: _Block) -> bool:
    """Run a block and its replacement on random numbers; return whether they answer alike."""
    rng = np.random.default_rng(0)
    shape = (2, block.tokens, 3 * block.width)
    values = rng.standard_normal(shape).astype(np.float32)
    answers, thirds = [], _thirds(wiring, block)
    for nodes in (block.nodes, _attending(block, block.packed, thirds)):
        read = {name for node in nodes for name in node.input}
        constants = [tensor for name, tensor in wiring.constants.items() if name in read]
        graph = helper.make_graph(
            nodes,
            "block",
            [helper.make_tensor_value_info(block.packed, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(block.last.output[0], TensorProto.FLOAT, None)],
            constants,
        )
        opsets = [*wiring.model.opset_import, helper.make_opsetid(MICROSOFT, 1)]
        piece = helper.make_model(graph, opset_imports=opsets, ir_version=wiring.model.ir_version)
        try:
            answers.append(quiet_session(piece).run(None, {block.packed: values})[0])
        except Exception:  # noqa: BLE001 - onnxruntime's own classes derive from Exception alone
            return False
    one, other = answers
    return one.shape == other.shape and float(np.abs(one - other).max()) < NEAR


def _thirds(wiring: Wiring, block: _Block) -> str:
    return wiring.add_constant(f"{THIRDS}_{block.width}", np.full(3, block.width, np.int64))


def _attending(block: _Block, packed: str, thirds: str, bias: str = "") -> list[NodeProto]:
    output = block.last.output[0]
    parts = [f"{output}/{part}" for part in ("query", "key", "value")]
    return [
        helper.make_node("Split", [packed, thirds], parts, name=f"{output}/split", axis=2),
        helper.make_node(
            "MultiHeadAttention",
            [*parts, bias] if bias else parts,
            [output],
            name=f"{output}/attention",
            domain=MICROSOFT,
            num_heads=block.heads,
        ),
    ]


def _joined(wiring: Wiring, block: _Block) -> list[NodeProto]:
    """Return the nodes that replace a block; the operator adds the bias of the product itself."""
    added = wiring.makers[block.packed]
    bias = _bias(wiring, added)
    assert bias is not None  # noqa: S101 - ``_width`` read it
    product = next(name for name in added.input if name != bias)
    return _attending(block, product, _thirds(wiring, block), bias)
