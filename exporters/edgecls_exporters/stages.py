"""The steps between the original and a variant that are no files: where an answer may change.

``graph`` answers on tensors that the original's own transform made, so that only PyTorch's export
is between it and the original. ``normalisation`` answers on the same pixels as bytes, so that only
the normalisation inside the graph is between it and ``graph``. What then comes is the runtime's own
decoder and resize.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls.progress import track
from edgecls_exporters.ledger import Answers, Scores, answered
from edgecls_exporters.original import Original
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.transforms import open_upright
from edgecls_runtime.images import Labelled

PIXELS = "pixels"


def stage_answers(
    model: ModelProto,
    original: Original,
    data: list[Labelled],
    task: Task,
    thresholds: tuple[float, ...],
) -> list[Answers]:
    """Return what the graph answers on the original's own tensors, and on its own bytes.

    Args:
        model: The fp32 variant.
        original: For its transform.
        data: The measured images.
        task: How scores are read.
        thresholds: As ``Prediction.thresholds``.

    """
    bare = without_normalisation(model)
    if bare is None:
        return []
    on_tensors, on_bytes = quiet_session(bare), quiet_session(model)
    done: tuple[list[Scores], list[Scores]] = [], []
    for item in track(data, "graph: answering", len(data)):
        tensor = original.transform(open_upright(item.path)).numpy()
        centred = _centred(tensor, original.preprocessing)
        done[0].append(on_tensors.run(None, {PIXELS: centred[None]})[0])
        image = _as_bytes(tensor, original.preprocessing)
        done[1].append(on_bytes.run(None, {"image": image[None]})[0])
    names = ("graph", "normalisation")
    return [
        answered(name, np.concatenate(scores), task, thresholds)
        for name, scores in zip(names, done, strict=True)
    ]


def without_normalisation(model: ModelProto) -> ModelProto | None:
    """Return a graph that takes float pixels, mean subtracted: (n, 3, height, width).

    Returns:
        None where the graph does not begin with Transpose, Cast and Sub.

    """
    nodes = list(model.graph.node)
    begin = [node.op_type for node in nodes[:3]]
    if begin != ["Transpose", "Cast", "Sub"]:
        return None
    bare = ModelProto()
    bare.CopyFrom(model)
    height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:3])
    subtracted = nodes[2].output[0]
    for node in bare.graph.node[3:]:
        for i, name in enumerate(node.input):
            if name == subtracted:
                node.input[i] = PIXELS
    del bare.graph.node[:3]
    shape = ["batch", 3, height, width]
    del bare.graph.input[:]
    bare.graph.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, shape))
    onnx.checker.check_model(bare)
    return bare


def _centred(tensor: NDArray[np.float32], done: Preprocessing) -> NDArray[np.float32]:
    """Undo the division by std and by 255: what the graph holds with the mean subtracted."""
    return np.asarray(tensor * 255 * np.array(done.std, np.float32)[:, None, None], np.float32)


def _as_bytes(tensor: NDArray[np.float32], done: Preprocessing) -> NDArray[np.uint8]:
    """Undo the normalisation: the very bytes of the original's resize, (height, width, 3)."""
    mean, std = (np.array(values)[:, None, None] for values in (done.mean, done.std))
    levels = np.rint(255 * (tensor * std + mean))
    return np.ascontiguousarray(np.clip(levels, 0, 255).astype(np.uint8).transpose(1, 2, 0))
