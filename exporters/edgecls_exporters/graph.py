"""A trained model -> checked ONNX: uint8 RGB (n, height, width, 3) in, scores (n, n_labels) out.

Normalisation and softmax or sigmoid are part of the graph, so that no program that runs the file
can leave them out or do them twice.
"""

import json
from dataclasses import asdict

import numpy as np
import onnx
import torch
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.face import INPUT, OPSET, OUTPUT
from edgecls_exporters.faster import rewrite_standard
from edgecls_exporters.flops import flops
from edgecls_exporters.foreign import Foreign
from edgecls_exporters.original import Original
from edgecls_exporters.simplification import simplified
from edgecls_exporters.surgery import deployed
from edgecls_exporters.torch_graph import torch_graph
from edgecls_runtime.reasons import first_line

__all__ = ["INPUT", "OPSET", "OUTPUT", "describe", "export_graph", "fold_scale", "to_scores"]


class Deployed(nn.Module):
    """The model with everything between bytes and scores inside."""

    mean: Tensor
    scale: Tensor

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, task: Task) -> None:
        """Wrap a model; mean and scale apply to raw 0..255 values."""
        super().__init__()
        self.model = model
        self.task = task
        mean = 255 * torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
        scale = 1 / (255 * torch.tensor(preprocessing.std).view(1, 3, 1, 1))
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, image: Tensor) -> Tensor:
        """Map uint8 (n, height, width, 3) to scores (n, n_labels)."""
        # Contiguous: on a permuted tensor torch.export writes poolings as gathers by index.
        pixels = image.permute(0, 3, 1, 2).to(torch.float32).contiguous()
        return to_scores(self.model((pixels - self.mean) * self.scale), self.task)


def to_scores(logits: Tensor, task: Task) -> Tensor:
    """Turn logits (n, n_logits) into scores (n, n_labels); one binary logit becomes two scores."""
    if task is Task.MULTILABEL:
        return torch.sigmoid(logits)
    if task is Task.BINARY and logits.shape[1] == 1:
        positive = torch.sigmoid(logits)
        return torch.cat([1 - positive, positive], dim=1)
    return torch.softmax(logits, dim=1)


def export_graph(original: Original, task: Task, *, rewritten: bool = True) -> ModelProto:
    """Export, simplify and check.

    Args:
        original: The model, as its source gave it.
        task: How logits become scores.
        rewritten: Whether to write standard operators so that they are fast (``faster``).

    Raises:
        ExportError: PyTorch cannot export the module, or onnxruntime cannot read the graph.

    """
    if isinstance(original.model, Foreign):
        graph = deployed(original.model, original.preprocessing, task)
    else:
        height, width = original.preprocessing.size
        example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
        module = Deployed(original.model, original.preprocessing, task).eval()
        graph = torch_graph(original.source, module, example, (INPUT, OUTPUT), any_batch=True)
    try:
        model = simplified(graph)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ExportError(
            f"{original.source}: onnxruntime refuses it: {first_line(error)}"
        ) from error
    fold_scale(model)
    if rewritten:
        rewrite_standard(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def fold_scale(model: ModelProto) -> bool:
    """Fold the normalisation's multiplication into the convolution that follows it, if one does.

    The subtraction of the mean stays: a convolution pads with zeros, and only after the subtraction
    is zero what the padding was in training.

    Returns:
        Whether there was one to fold.

    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for scale in [node for node in graph.node if node.op_type == "Mul"]:
        users = [node for node in graph.node if scale.output[0] in node.input]
        factor = next((weights[name] for name in scale.input if name in weights), None)
        if factor is None or len(users) != 1 or users[0].op_type != "Conv":
            continue
        conv, values = users[0], numpy_helper.to_array(factor)
        kernel = weights.get(conv.input[1])
        if kernel is None or values.shape != (1, 3, 1, 1) or _group(conv) != 1:
            continue
        if _users(graph, kernel.name) + _users(graph, factor.name) > 2:
            continue
        folded = numpy_helper.to_array(kernel) * values
        kernel.CopyFrom(numpy_helper.from_array(folded.astype(np.float32), kernel.name))
        conv.input[0] = next(name for name in scale.input if name not in weights)
        graph.node.remove(scale)
        graph.initializer.remove(factor)
        return True
    return False


def describe(
    model: ModelProto,
    labels: tuple[str, ...],
    task: Task,
    thresholds: tuple[float, ...],
    preprocessing: Preprocessing,
) -> None:
    """Write what the file is into its ``metadata_props``, for use without this SDK."""
    size = "x".join(map(str, preprocessing.size))
    resized = "x".join(map(str, preprocessing.resize_size))
    text = {
        "labels": json.dumps(labels, ensure_ascii=False),
        "task": task.value,
        "thresholds": json.dumps(thresholds),
        "input": f"uint8 RGB (n, {size.replace('x', ', ')}, 3); normalisation is in the graph",
        "preprocessing": f"{preprocessing.resize} to {resized} px, Pillow "
        f"{preprocessing.interpolation} with antialias, centre crop {size} px",
        "resampling": preprocessing.resampling.value,
        "preprocessing_json": json.dumps(asdict(preprocessing)),
        "flops": json.dumps(flops(model)),
    }
    helper.set_model_props(model, text)


def _users(graph: GraphProto, name: str) -> int:
    return sum(name in node.input for node in graph.node)


def _group(conv: NodeProto) -> int:
    return next((attribute.i for attribute in conv.attribute if attribute.name == "group"), 1)
