"""``FILE.onnx``: a classifier that somebody else exported, weights and all.

It has one image in and one row of logits or scores out. A Softmax or Sigmoid at its end is taken
off, so that none is done twice; the export puts the task's own on.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, inliner, version_converter

from edgecls.errors import ExportError
from edgecls.prediction import Task
from edgecls_exporters.face import OPSET
from edgecls_exporters.foreign import Foreign, Layout, answering, freed, with_output
from edgecls_exporters.original import Found
from edgecls_exporters.sources import ultralytics
from edgecls_runtime.reasons import first_line

# Per-channel quantization, which int8 needs, came with 13.
OLDEST = 13
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger", "QLinear")
HEADS = {"Softmax": (Task.MULTICLASS, Task.BINARY), "Sigmoid": (Task.MULTILABEL, Task.BINARY)}


@dataclass(frozen=True, slots=True)
class Image:
    """The graph's input: its name, layout and lengths, 0 for an open one."""

    name: str
    layout: Layout
    batch: int
    size: tuple[int, int]


def build(source: str, task: Task, overrides: dict[str, object]) -> Found:
    """Read the file, and find its image, its logits and what its metadata say.

    Raises:
        ExportError: Not such a classifier; the message says what it is instead.

    """
    model = _upgraded(source, read(source))
    _refuse_kinds(source, model)
    image = _image(source, model)
    logits, head = _logits(source, model)
    if head and task not in HEADS[head]:
        raise ExportError(
            f"{source}: ends in {head}; a {task} task reads another; "
            f"expected --task {' or '.join(HEADS[head])}"
        )
    graph = with_output(model, logits)
    _check_row(source, graph, task, head)
    known = ultralytics.preprocessing(source, metadata(model), overrides)
    if known is not None and all(image.size) and known.size != image.size:
        raise ExportError(
            f"{source}: its metadata say {known.size} px, its graph takes {image.size}; "
            f"expected the same"
        )
    size = image.size if all(image.size) else known.size if known else overrides.get("size")
    if not (isinstance(size, tuple) and all(size)):
        raise ExportError(f"{source}: takes images of any size; give --size as it was in training")
    try:
        answer = answering(graph, image.layout, alone=image.batch == 1)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ExportError(f"{source}: onnxruntime refuses it: {first_line(error)}") from error
    found = Foreign(source, graph, answer, image.name, logits, image.layout)
    if image.batch:
        found = freed(found, size)
    return Found(found, known, size=size, weighted=True)


def read(source: str) -> ModelProto:
    """Read a file and the weights beside it, functions inlined."""
    path = Path(source)
    if not path.is_file():
        raise ExportError(f"{source}: no such file; expected an ONNX classifier")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return inliner.inline_local_functions(model)
    except Exception as error:  # protobuf's, onnx's and the system's own
        raise ExportError(
            f"{source}: not an ONNX file that can be read ({first_line(error)[:120]}); "
            f"was it copied whole, with the .data file beside it if it has one?"
        ) from error


def metadata(model: ModelProto) -> dict[str, str]:
    """Return what the file says about itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def _upgraded(source: str, model: ModelProto) -> ModelProto:
    """Return the model in an opset that can be quantized, its weights constants."""
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in [value for value in model.graph.input if value.name in weights]:
        model.graph.input.remove(value)
    model.ir_version = max(model.ir_version, 8)
    opset = next((entry.version for entry in model.opset_import if not entry.domain), OPSET)
    if opset >= OLDEST:
        return model
    try:
        upgraded = version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter's own
        raise ExportError(
            f"{source}: opset {opset} cannot be brought to {OPSET} ({first_line(error)[:120]}); "
            f"export it again with opset {OPSET}"
        ) from error
    upgraded.metadata_props.extend(model.metadata_props)
    return upgraded


def _refuse_kinds(source: str, model: ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type.startswith(QUANTIZED):
            raise ExportError(
                f"{source}: quantized already ({node.op_type} {node.name}); "
                f"expected float32: edgecls quantizes it itself; export it without int8"
            )
        if node.domain not in ("", "ai.onnx"):
            raise ExportError(
                f"{source}: {node.op_type} of {node.domain} is not standard ONNX; expected a file "
                f"as exported, not one that a runtime has optimised"
            )
    halves = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    if any(tensor.data_type in halves for tensor in model.graph.initializer):
        raise ExportError(f"{source}: holds half precision; expected float32; export it again")


def _image(source: str, model: ModelProto) -> Image:
    said = ", ".join(f"{value.name} {_text(value)}" for value in model.graph.input)
    wrong = ExportError(
        f"{source}: takes {said or 'nothing'}; expected one image, {Layout.NCHW} or {Layout.BYTES}"
    )
    if len(model.graph.input) != 1:
        raise wrong
    value = model.graph.input[0]
    lengths, kind = _lengths(value), value.type.tensor_type.elem_type
    if len(lengths) != 4 or kind not in (TensorProto.FLOAT, TensorProto.UINT8):
        raise wrong
    if kind == TensorProto.FLOAT and lengths[1] in (3, 0) and lengths[3] != 3:
        layout, size = Layout.NCHW, (lengths[2], lengths[3])
    elif lengths[3] == 3:
        layout = Layout.NHWC if kind == TensorProto.FLOAT else Layout.BYTES
        size = (lengths[1], lengths[2])
    else:
        raise wrong
    if lengths[0] > 1:
        raise ExportError(
            f"{source}: takes batches of {lengths[0]} images; expected any number, or one; "
            f"export it again"
        )
    return Image(value.name, layout, lengths[0], size)


def _logits(source: str, model: ModelProto) -> tuple[str, str]:
    """Return the name of the logits, and the head that was on them, if one was."""
    if len(model.graph.output) != 1:
        names = ", ".join(value.name for value in model.graph.output)
        raise ExportError(f"{source}: gives {names}; expected one output, a score a label")
    made = {name: node for node in model.graph.node for name in node.output}
    name = model.graph.output[0].name
    while name in made and made[name].op_type == "Identity":
        name = made[name].input[0]
    node = made.get(name)
    if node is None or node.op_type not in HEADS:
        return name, ""
    if node.op_type == "Softmax" and _axis(node) not in (-1, 1):
        raise ExportError(f"{source}: its Softmax is along axis {_axis(node)}; expected the labels")
    return node.input[0], node.op_type


def _axis(node: NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)


def _check_row(source: str, graph: ModelProto, task: Task, head: str) -> None:
    lengths = _lengths(graph.graph.output[0])
    if len(lengths) != 2 or not lengths[1]:
        raise ExportError(
            f"{source}: gives {_text(graph.graph.output[0])}; expected (n, labels), fixed labels"
        )
    if head == "Sigmoid" and task is Task.BINARY and lengths[1] != 1:
        raise ExportError(
            f"{source}: ends in Sigmoid over {lengths[1]} labels; a binary task has one; "
            f"expected --task multilabel"
        )


def _lengths(value: ValueInfoProto) -> tuple[int, ...]:
    return tuple(entry.dim_value for entry in value.type.tensor_type.shape.dim)


def _text(value: ValueInfoProto) -> str:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{kind} ({', '.join(str(length or 'n') for length in _lengths(value))})"
