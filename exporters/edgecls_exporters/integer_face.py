"""The face of a quantized model for processors without floats: no Cast between image and network.

``graph`` turns the bytes of the image to float with a Cast and subtracts the mean. Qualcomm's HTP
takes that Cast and gives zeros for it, silently (``docs/targets.md``). Here the image is what it
is, integers of scale 1 and zero point 0, and the mean is quantized too, so that nothing is float
before the first layer. The mean is rounded to 8 bits: at most a quarter of a grey level.
"""

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgecls.errors import ExportError
from edgecls_exporters.graph import INPUT

ONE, ZERO, MEAN_SCALE = "image_scale", "image_zero", "mean_scale"


def use_integers(model: ModelProto) -> None:
    """Rewrite, in place, the Cast and the subtraction at the beginning of a quantized model.

    Raises:
        ExportError: The model does not begin as ``graph.export_graph`` writes it.

    """
    graph = model.graph
    cast = _only_user(model, _only_user(model, INPUT, "Transpose").output[0], "Cast")
    graph.initializer.append(numpy_helper.from_array(np.float32(1), ONE))  # type: ignore[arg-type]
    graph.initializer.append(numpy_helper.from_array(np.uint8(0), ZERO))  # type: ignore[arg-type]
    subtraction = _only_user(model, cast.output[0], "Sub")
    _dequantize_mean(model, subtraction)
    cast.CopyFrom(
        helper.make_node(
            "DequantizeLinear", [cast.input[0], ONE, ZERO], list(cast.output), name=cast.name
        )
    )


def _dequantize_mean(model: ModelProto, subtraction: NodeProto) -> None:
    graph = model.graph
    mean = next((t for t in graph.initializer if t.name == subtraction.input[1]), None)
    if mean is None:
        raise ExportError("integer face: the mean is no constant; was this graph exported by us?")
    values = numpy_helper.to_array(mean)
    scale = np.float32(max(float(values.max()), 1e-6) / 255)
    integers = np.rint(values / scale).astype(np.uint8)
    mean.CopyFrom(numpy_helper.from_array(integers, f"{mean.name}_quantized"))
    graph.initializer.append(numpy_helper.from_array(scale, MEAN_SCALE))  # type: ignore[arg-type]
    name = subtraction.input[1]
    dequantize = helper.make_node("DequantizeLinear", [mean.name, MEAN_SCALE, ZERO], [name])
    graph.node.insert(0, dequantize)


def _only_user(model: ModelProto, tensor: str, kind: str) -> NodeProto:
    users: list[NodeProto] = [node for node in model.graph.node if tensor in node.input]
    if len(users) != 1 or users[0].op_type != kind:
        found = ", ".join(user.op_type for user in users) or "nothing"
        raise ExportError(
            f"integer face: {tensor} goes to {found}; expected one {kind}; was this graph exported "
            f"by us?"
        )
    return users[0]
