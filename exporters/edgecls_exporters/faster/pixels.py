"""The mean of an integer network's pixels, taken off along whole rows.

onnxruntime moves an integer network's first Transpose behind the normalisation, since its integer
convolutions want the channels last. There the mean is three numbers that repeat along the innermost
axis, for which the subtraction has no fast loop: on small networks it took a fifth of the time. A
row of pixels with the mean repeated along it is one long subtraction, and the same arithmetic.

Where every grey level is one integer already, the bytes themselves are the first layer's input.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgecls_exporters.face import INPUT
from edgecls_exporters.faster.wiring import Wiring, integers

TO_PLANES = [0, 3, 1, 2]
ROWS, ROW_MEANS, PIXELS = "pixel_rows", "pixel_row_means", "pixel_shape"


@dataclass(frozen=True, slots=True)
class _Face:
    """What stands between the image and the first integers."""

    transpose: NodeProto
    subtraction: NodeProto
    rounding: NodeProto
    mean: NDArray[np.float32]


def flatten_pixels(model: ModelProto) -> int:
    """Rewrite, in place, the face of a quantized graph of ``graph.export_graph``.

    Returns:
        1, or 0 where the graph does not begin with bytes, a mean and a rounding.

    """
    wiring = Wiring(model)
    face = _face(wiring)
    width = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    if face is None or not width:
        return 0
    if _exact(wiring, face):
        planes = _transposed(face, INPUT, face.rounding.output[0])
        wiring.replace(face.rounding, [planes])
    else:
        wiring.replace(face.subtraction, _rows(wiring, face, width))
    wiring.finish()
    return 1


def _face(wiring: Wiring) -> _Face | None:
    # Others may read its shape.
    found = [node for node in wiring.readers[INPUT] if node.op_type == "Transpose"]
    if len(found) != 1 or integers(found[0], "perm") != TO_PLANES:
        return None
    (transpose,) = found
    cast = wiring.only_reader(transpose.output[0], "Cast")
    subtraction = None if cast is None else wiring.only_reader(cast.output[0], "Sub")
    if cast is None or subtraction is None or subtraction.input[0] != cast.output[0]:
        return None
    rounding = wiring.only_reader(subtraction.output[0], "QuantizeLinear")
    mean = wiring.value(subtraction.input[1])
    if rounding is None or len(rounding.input) != 3 or mean is None or mean.shape != (1, 3, 1, 1):
        return None
    scale = wiring.value(rounding.input[1])
    if scale is None or scale.size != 1:
        return None
    return _Face(transpose, subtraction, rounding, mean.astype(np.float32))


def _exact(wiring: Wiring, face: _Face) -> bool:
    """Return whether rounding changes no byte: scale 1, and the zero point is every mean."""
    scale, zero = (wiring.value(name) for name in face.rounding.input[1:])
    assert scale is not None  # noqa: S101 - ``_face`` looked
    if zero is None or zero.dtype != np.uint8 or float(scale.flat[0]) != 1:
        return False
    return bool(np.all(face.mean == int(zero.flat[0])))


def _transposed(face: _Face, image: str, planes: str) -> NodeProto:
    name = face.transpose.name
    return helper.make_node("Transpose", [image], [planes], name=name, perm=TO_PLANES)


def _rows(wiring: Wiring, face: _Face, width: int) -> list[NodeProto]:
    """Return nodes that give what the subtraction gave, by rows."""
    wiring.add_constant(ROWS, np.array([0, 0, 3 * width], np.int64))
    wiring.add_constant(PIXELS, np.array([0, 0, width, 3], np.int64))
    wiring.add_constant(ROW_MEANS, np.tile(face.mean.ravel(), width))
    (output,) = face.subtraction.output
    rows, floats, centred, image = (
        f"{output}/{part}" for part in ("rows", "float", "centred", "image")
    )
    return [
        helper.make_node("Reshape", [INPUT, ROWS], [rows], name=rows),
        helper.make_node("Cast", [rows], [floats], name=floats, to=TensorProto.FLOAT),
        helper.make_node("Sub", [floats, ROW_MEANS], [centred], name=face.subtraction.name),
        helper.make_node("Reshape", [centred, PIXELS], [image], name=image),
        _transposed(face, image, output),
    ]
