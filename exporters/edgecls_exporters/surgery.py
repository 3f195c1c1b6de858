"""Give a foreign graph our face: bytes in, normalisation and scores inside."""

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.face import BATCH, INPUT, OUTPUT
from edgecls_exporters.foreign import Foreign, Layout

# In front of every name of the foreign graph, so that none can be one of ours.
PREFIX = "network/"


def deployed(found: Foreign, preprocessing: Preprocessing, task: Task) -> ModelProto:
    """Return uint8 (n, height, width, 3) -> scores (n, n_labels) around a graph of any batch."""
    model = compose.add_prefix(found.graph, PREFIX)
    graph = model.graph
    n_logits = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    before = _normalising(graph, PREFIX + found.input, preprocessing, found.layout)
    after = _scoring(graph, PREFIX + found.output, task, n_logits)
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    height, width = preprocessing.size
    n_labels = 2 if task is Task.BINARY else n_logits
    graph.input.append(
        helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, height, width, 3])
    )
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, n_labels]))
    del model.metadata_props[:]
    return model


def _normalising(
    graph: onnx.GraphProto, target: str, preprocessing: Preprocessing, layout: Layout
) -> list[NodeProto]:
    if layout is Layout.BYTES:
        return [helper.make_node("Identity", [INPUT], [target])]
    shape = (1, 3, 1, 1) if layout is Layout.NCHW else (1, 1, 1, 3)
    mean = 255 * np.array(preprocessing.mean, np.float32).reshape(shape)
    scale = 1 / (255 * np.array(preprocessing.std, np.float32).reshape(shape))
    graph.initializer.append(numpy_helper.from_array(mean.astype(np.float32), "mean"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), "scale"))
    nodes, last = [helper.make_node("Cast", [INPUT], ["pixels"], to=TensorProto.FLOAT)], "pixels"
    if layout is Layout.NCHW:
        nodes.append(helper.make_node("Transpose", [last], ["planes"], perm=[0, 3, 1, 2]))
        last = "planes"
    if np.any(mean):
        nodes.append(helper.make_node("Sub", [last, "mean"], ["centred"]))
        last = "centred"
    return [*nodes, helper.make_node("Mul", [last, "scale"], [target])]


def _scoring(graph: onnx.GraphProto, logits: str, task: Task, n_logits: int) -> list[NodeProto]:
    if task is Task.BINARY and n_logits == 1:
        one = numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
        graph.initializer.append(one)
        return [
            helper.make_node("Sigmoid", [logits], ["positive"]),
            helper.make_node("Sub", ["one", "positive"], ["negative"]),
            helper.make_node("Concat", ["negative", "positive"], [OUTPUT], axis=1),
        ]
    if task is Task.MULTILABEL:
        return [helper.make_node("Sigmoid", [logits], [OUTPUT])]
    return [helper.make_node("Softmax", [logits], [OUTPUT], axis=1)]
