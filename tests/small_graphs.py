"""Small float graphs as ``graph.export_graph`` writes them, drawn from seeds, and images for them.

Written operator by operator: no training framework is started.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecls_exporters.face import BATCH, INPUT, OPSET, OUTPUT
from edgecls_exporters.probe import quiet_session

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]

SIDE = 16
LABELS = ("good", "scratch", "dent", "stain")


def pictures(count: int, seed: int = 0, side: int = SIDE) -> Images:
    """Draw images whose neighbours are alike, as in photos: (count, side, side, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (count, side // 4 + 1, side // 4 + 1, 3))
    places = np.arange(side) / 4
    below, share = places.astype(int), places % 1
    rows = (
        coarse[:, below] * (1 - share)[:, None, None] + coarse[:, below + 1] * share[:, None, None]
    )
    fine = rows[:, :, below] * (1 - share)[:, None] + rows[:, :, below + 1] * share[:, None]
    return np.clip(fine + random.normal(0, 6, fine.shape), 0, 255).astype(np.uint8)


def batches_of(images: Images) -> Callable[[str], Iterator[Images]]:
    """Return the images as calibration asks for them: one at a time, in every pass."""
    return lambda _text: (image[np.newaxis] for image in images)


def graph_of(
    nodes: Sequence[NodeProto],
    constants: dict[str, Any],
    n_labels: int = len(LABELS),
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
) -> ModelProto:
    """Return a graph that reads ``centred`` (n, 3, SIDE, SIDE) and writes ``scores``."""
    before = [
        helper.make_node("Transpose", [INPUT], ["planes"], name="planes", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["pixels"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["pixels", "mean"], ["centred"], name="centre"),
    ]
    stored = {"mean": np.array(mean, np.float32).reshape(1, 3, 1, 1), **constants}
    graph = helper.make_graph(
        [*before, *nodes],
        "small",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, n_labels])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def drawn(random: np.random.Generator, *shape: int) -> Floats:
    """Draw a kernel whose outputs are about as loud as its inputs."""
    return (random.normal(0, 1, shape) * (2 / np.prod(shape[1:])) ** 0.5).astype(np.float32)


def convolutions(
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
    head: Sequence[NodeProto] | None = None,
    loud: float = 0.0,
    constants: dict[str, Any] | None = None,
) -> ModelProto:
    """Return a network with a convolution of every grouping, Clip, Relu and a Gemm.

    Args:
        mean: Grey levels.
        head: From ``logits`` to ``scores``; None is a softmax.
        loud: Factor by which one channel is louder than the others where two tensors are added;
            the head does not hear it.
        constants: More of them, for the head.

    """
    random = np.random.default_rng(3)
    wide = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

    def conv(name: str, x: str, **given: Any) -> NodeProto:  # noqa: ANN401 - attributes of ONNX
        return helper.make_node("Conv", [x, f"{name}_w", f"{name}_b"], [name], name=name, **given)

    nodes = [
        conv("stem", "centred", strides=[2, 2], **wide),
        helper.make_node("Clip", ["stem", "zero", "six"], ["stem_on"], name="stem_clip"),
        conv("depthwise", "stem_on", group=8, **wide),
        helper.make_node("Relu", ["depthwise"], ["depthwise_on"], name="depthwise_relu"),
        conv("grouped", "depthwise_on", group=2, **wide),
        helper.make_node("Mul", ["grouped", "loudness"], ["turned"], name="turned"),
        helper.make_node("Mul", ["depthwise_on", "loudness"], ["shortcut"], name="shortcut"),
        helper.make_node("Add", ["turned", "shortcut"], ["added"], name="added"),
        helper.make_node("Relu", ["added"], ["added_on"], name="added_relu"),
        helper.make_node("GlobalAveragePool", ["added_on"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "gemm_w", "gemm_b"], ["logits"], name="gemm", transB=1),
        *(head or [helper.make_node("Softmax", ["logits"], [OUTPUT], name="softmax", axis=1)]),
    ]
    gemm = random.normal(0, 2.5, (len(LABELS), 8)).astype(np.float32)
    gemm[:, 0] *= 0.0 if loud else 1.0
    loudness = np.ones((1, 8, 1, 1), np.float32)
    loudness[0, 0] = loud or 1.0
    stored = {
        "zero": np.float32(0),
        "six": np.float32(6),
        "stem_w": drawn(random, 8, 3, 3, 3) / np.float32(30),
        "stem_b": random.normal(1, 0.5, 8).astype(np.float32),
        "depthwise_w": drawn(random, 8, 1, 3, 3),
        "depthwise_b": random.normal(0, 0.5, 8).astype(np.float32),
        "grouped_w": drawn(random, 8, 4, 3, 3),
        "grouped_b": random.normal(0, 0.5, 8).astype(np.float32),
        "loudness": loudness,
        "gemm_w": gemm,
        "gemm_b": np.zeros(len(LABELS), np.float32),
        **(constants or {}),
    }
    made = graph_of(nodes, stored, mean=mean)
    return _balanced(made)


def _balanced(model: ModelProto) -> ModelProto:
    """Give the logits a mean of zero, so that every label is answered."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    inner = ModelProto()
    inner.CopyFrom(model)
    inner.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, None))
    (logits,) = quiet_session(inner).run(["logits"], {INPUT: pictures(64, seed=99)})
    bias = numpy_helper.from_array(-logits.mean(axis=0), "gemm_b")
    stored["gemm_b"].CopyFrom(bias)
    return model


def scores_of(model: ModelProto, images: Images, *, exact: bool = False) -> Floats:
    """Return what a graph answers on images, one at a time: (n, n_labels)."""
    session = quiet_session(model, "none" if exact else "all")
    return np.concatenate([session.run(None, {INPUT: image[None]})[0] for image in images])


def constants_of(model: ModelProto) -> dict[str, NDArray[Any]]:
    """Return every constant of a graph by its name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def nodes_of(model: ModelProto, kind: str) -> list[NodeProto]:
    """Return the nodes of one operator, in the order of the graph."""
    return [node for node in model.graph.node if node.op_type == kind]
