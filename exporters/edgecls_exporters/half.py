"""fp32 ONNX -> fp16 ONNX: half the size, for kernels that compute in half precision.

The face stays: uint8 in, float32 scores out. What half precision cannot hold stays float32:

- **the softmax or sigmoid at the end**, so that scores keep their digits;
- **means over an image**, whose sum passes 65504 long before their result does;
- **weights and activations beyond 65504 / 2**, the latter as seen on images. onnxruntime's CPU
  computes half-precision operators in float32 without rounding between them, so an overflow
  does not show there: it must be found before (``ranges.extremes``, ``rounded``).

The rewriting is onnxruntime's own (``transformers.float16``), which also casts between the parts.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from edgecls.errors import ExportError
from edgecls_exporters.face import OUTPUT
from edgecls_exporters.ranges import Range

# Half of what half precision can hold: other images may reach further than those that were seen.
LIMIT = float(np.finfo(np.float16).max) / 2
# With more of the weights left in float32, the file is no half of the other.
MOST_FLOAT = 0.5
# They add up a whole image, in half precision on some kernels.
SUMS = ("GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare")
# onnxruntime's own list keeps these in float32 for want of a kernel in old opsets; ours is newer.
HALF_ALREADY = ("Min", "Max")


def to_half(model: ModelProto, seen: Mapping[str, Range]) -> ModelProto:
    """Return a graph of ``graph.export_graph`` with half-precision weights and activations.

    Args:
        model: float32; stays as it is.
        seen: Smallest and largest value of each tensor by its name, as ``ranges.extremes`` found
            them on images. A tensor that is not in it is trusted to be small.

    Raises:
        ExportError: So much has to stay float32 that the file is no half of the other.

    """
    kept = float_nodes(model, seen)
    copy = ModelProto()
    copy.CopyFrom(model)
    half: ModelProto = convert_float_to_float16(
        copy,
        keep_io_types=True,
        op_block_list=[op for op in DEFAULT_OP_BLOCK_LIST if op not in HALF_ALREADY],
        node_block_list=sorted(kept),
    )
    _join(half, kept)
    del half.graph.value_info[:]  # not kept in step with the casts
    OnnxModel(half).topological_sort(is_deterministic=True)  # casts were put behind everything
    onnx.checker.check_model(half, full_check=True)
    share = _float_bytes(half) / max(_float_bytes(model), 1)
    if share > MOST_FLOAT:
        raise ExportError(
            f"fp16: values beyond {LIMIT:.0f} keep {len(kept)} of {len(model.graph.node)} "
            f"operators and {100 * share:.0f} % of the weights in float32; use fp32 or int8"
        )
    return half


def float_nodes(model: ModelProto, seen: Mapping[str, Range]) -> set[str]:
    """Return the names of the operators that half precision would spoil; ``seen`` as above."""
    # Put so that NaN is loud as well.
    loud = {name for name, (low, high) in seen.items() if not -LIMIT <= low <= high <= LIMIT}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            if values.size and not np.abs(values).max() <= LIMIT:
                loud.add(tensor.name)
    heads = _heads(model)
    return {
        node.name
        for node in model.graph.node
        if node.op_type in SUMS
        or node.name in heads
        or not loud.isdisjoint([*node.input, *node.output])
    }


def _join(half: ModelProto, kept: set[str]) -> None:
    """Let float32 operators hand each other float32: the rewriting casts to float16 in between."""
    graph = half.graph
    makers = {output: node for node in graph.node for output in node.output}
    joined = {}
    for back in [node for node in graph.node if node.op_type == "Cast"]:
        down = makers.get(back.input[0])
        if down is None or down.op_type != "Cast" or down.input[0] not in makers:
            continue
        if makers[down.input[0]].name in kept:
            joined[back.output[0]] = down.input[0]
    for back in [node for node in graph.node if node.output[0] in joined]:
        graph.node.remove(back)
    scores = joined.pop(OUTPUT, None)
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                source = joined.get(name, name)
                names[index] = OUTPUT if source == scores else source
    read = {name for node in graph.node for name in node.input} | {OUTPUT}
    for down in [node for node in graph.node if node.op_type == "Cast"]:
        if down.output[0] not in read:
            graph.node.remove(down)


def _float_bytes(model: ModelProto) -> int:
    tensors = (t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    return sum(4 * int(np.prod(tensor.dims)) for tensor in tensors)


def _heads(model: ModelProto) -> set[str]:
    """Return what makes scores of logits: from the last Softmax or Sigmoid on."""
    makers = {output: node for node in model.graph.node for output in node.output}
    heads: set[str] = set()
    waiting: list[NodeProto | None] = [makers.get(OUTPUT)]
    while waiting:
        node = waiting.pop()
        if node is None or node.op_type in ("Conv", "Gemm", "MatMul"):
            continue
        heads.add(node.name)
        if node.op_type not in ("Softmax", "Sigmoid"):
            waiting += [makers.get(name) for name in node.input]
    return heads


def rounded(half: ModelProto) -> ModelProto:
    """Return a model that rounds to half precision after every operator, for measuring on a CPU.

    An Identity takes float16 on a CPU, so that what comes to it has really been rounded, and is
    infinite if it was too large. Run it with the ``reference`` provider: others remove it.
    """
    copy = ModelProto()
    copy.CopyFrom(half)
    halves = _between(half, TensorProto.FLOAT16)
    nodes = []
    for node in copy.graph.node:
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in halves:
                node.output[index] = f"{name}/unrounded"
                nodes.append(helper.make_node("Identity", [node.output[index]], [name]))
    del copy.graph.node[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    return copy


def _between(model: ModelProto, kind: int) -> set[str]:
    """Return the names of the tensors of a type that operators hand to each other."""
    made = {output for node in model.graph.node for output in node.output}
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    return {
        info.name
        for info in typed.graph.value_info
        if info.type.tensor_type.elem_type == kind and info.name in made
    }
