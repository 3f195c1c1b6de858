"""An ONNX graph that others made: asked for its logits, and freed of a fixed batch.

The graph itself is not changed here but for its batch; ``surgery`` gives it our face.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper, shape_inference
from torch import Tensor

from edgecls.errors import ExportError
from edgecls_exporters.face import BATCH
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.simplification import simplified

# Images that a graph must answer at once as it answers them alone.
TOGETHER = 3
# Largest difference of a logit between the two, as a share of the largest logit.
CLOSE = 1e-3


class Layout(StrEnum):
    """What the graph's input holds."""

    NCHW = "float32 (n, 3, height, width)"
    NHWC = "float32 (n, height, width, 3)"
    BYTES = "uint8 (n, height, width, 3)"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A graph up to its logits.

    Attributes:
        source: What the user called it.
        graph: Ends in ``output``; takes any batch once it is ``freed``.
        answer: The reference: normalised float32 (n, 3, height, width) -> logits (n, n_logits).
        input: Name of the only input.
        output: Name of the logits.
        layout: Of the input. BYTES has its normalisation inside.

    """

    source: str
    graph: ModelProto
    answer: Callable[[Tensor], Tensor]
    input: str
    output: str
    layout: Layout

    def __call__(self, batch: Tensor) -> Tensor:
        """Answer as the untouched original does."""
        return self.answer(batch)


def runner(graph: ModelProto) -> ort.InferenceSession:
    """Open a session without the optimisations that a reference could do without."""
    return quiet_session(graph, "basic")


def answering(graph: ModelProto, layout: Layout, *, alone: bool) -> Callable[[Tensor], Tensor]:
    """Return the reference that runs a graph; ``alone`` asks for each image by itself."""
    session = runner(graph)
    name = session.get_inputs()[0].name

    def answer(batch: Tensor) -> Tensor:
        fed = arranged(batch, layout)
        parts = [fed[i : i + 1] for i in range(len(fed))] if alone else [fed]
        return torch.from_numpy(
            np.concatenate([np.asarray(session.run(None, {name: part})[0]) for part in parts])
        )

    return answer


def arranged(batch: Tensor, layout: Layout) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Lay normalised float32 (n, 3, height, width) out as a graph wants it."""
    if layout is Layout.NCHW:
        return np.ascontiguousarray(batch.numpy())
    last = np.ascontiguousarray(batch.permute(0, 2, 3, 1).numpy())
    # Its preprocessing is declared with mean 0 and std 1, so 0..1 are bytes / 255.
    return last if layout is Layout.NHWC else np.rint(last * 255).astype(np.uint8)


def freed(found: Foreign, size: tuple[int, int]) -> Foreign:
    """Let a graph for one image take any number.

    Every shape that a Reshape wants is written anew with its first length open, which is right
    wherever the batch is the first axis; that it is, is checked on noise.

    Args:
        found: Its graph wants a batch of 1.
        size: (height, width) of its images, px.

    Raises:
        ExportError: The batch is fixed in more places than that.

    """
    try:
        graph = simplified(found.graph)
        _open_batch(graph)
        random = np.random.default_rng(0)
        noise = torch.from_numpy(random.random((TOGETHER, 3, *size), np.float32))
        together = runner(graph).run([found.output], {found.input: arranged(noise, found.layout)})
        with torch.inference_mode():
            alone = found.answer(noise).numpy()
        fits = np.abs(together[0] - alone).max() <= CLOSE * max(1.0, float(np.abs(alone).max()))
    except Exception as error:
        raise ExportError(_fixed(found.source)) from error
    if not fits:
        raise ExportError(_fixed(found.source))
    return replace(found, graph=graph)


def _fixed(source: str) -> str:
    return (
        f"{source}: takes one image at a time, and its graph has that in more places than its "
        f"input; expected any number; export it again with a dynamic batch"
    )


def _open_batch(graph: ModelProto) -> None:
    inferred = shape_inference.infer_shapes(graph, data_prop=True).graph
    shapes = {value.name: value.type.tensor_type.shape for value in inferred.value_info}
    shapes |= {value.name: value.type.tensor_type.shape for value in inferred.output}
    constant = {tensor.name for tensor in graph.graph.initializer}
    for number, node in enumerate(graph.graph.node):
        if node.op_type != "Reshape" or node.input[0] in constant or node.input[1] not in constant:
            continue
        lengths = [entry.dim_value for entry in shapes[node.output[0]].dim]
        name = f"{node.output[0]}_shape_{number}"
        values = np.array([-1, *lengths[1:]], np.int64)
        graph.graph.initializer.append(numpy_helper.from_array(values, name))
        node.input[1] = name
    del graph.graph.value_info[:]
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH


def with_output(graph: ModelProto, name: str) -> ModelProto:
    """Return a copy that ends in a tensor of the graph, without what only led elsewhere."""
    cut = onnx.ModelProto()
    cut.CopyFrom(graph)
    del cut.graph.output[:]
    cut.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    needed, kept = {name}, []
    for node in reversed(cut.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= _read(node)
    kept.reverse()
    del cut.graph.node[:]
    cut.graph.node.extend(kept)
    return shape_inference.infer_shapes(cut)


def _read(node: onnx.NodeProto) -> set[str]:
    """Return what a node reads, its branches and loops included."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for child in inner.node:
                names |= _read(child)
    return names
