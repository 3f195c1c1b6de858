"""Fold what is constant in a graph with onnxruntime's basic passes, which keep standard ONNX."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import ModelProto

from edgecls_exporters.probe import quiet_options


def simplified(model: ModelProto) -> ModelProto:
    """Fold constants and batch norms, and give every node a name of its own.

    Raises:
        Exception: onnxruntime refuses the graph; its classes derive from Exception alone.

    """
    options = quiet_options("basic")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "basic.onnx"
        onnx.save(model, source)
        options.optimized_model_filepath = str(target)
        ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        folded = onnx.load(target)
    # onnxruntime declares every domain it knows; a reader may refuse those it does not.
    used = {node.domain for node in folded.graph.node}
    for declared in [entry for entry in folded.opset_import if entry.domain not in used]:
        folded.opset_import.remove(declared)
    _name(folded)
    return folded


def _name(model: ModelProto) -> None:
    """Name, in place, nodes that have none, as foreign graphs may: quantization needs them."""
    for node in model.graph.node:
        node.name = node.name or f"{node.op_type}:{node.output[0]}"
