"""Does this processor saturate? Asked by running it, not by reading its flags.

Flags say what a processor can do, not which kernel onnxruntime chooses; a product whose answer is
known says what happens, on ARM and under emulation too.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecls_exporters.probe import quiet_session

# Wide enough for every kernel's main loop, and no multiple of its steps.
ROWS, REDUCTION, OUTPUTS = 9, 70, 37
EXACT = 255 * 127 * REDUCTION


def saturates() -> bool:
    """Return whether onnxruntime's u8s8 product saturates here: 255 * 127 everywhere."""
    return bool(_product().min() < EXACT)


def _product() -> NDArray[np.int32]:
    """Return u8 (rows, reduction) times s8 (reduction, outputs), all values at their largest."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["activations", "weights"], ["sums"])],
        "probe",
        [helper.make_tensor_value_info("activations", TensorProto.UINT8, (ROWS, REDUCTION))],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, (ROWS, OUTPUTS))],
        [numpy_helper.from_array(np.full((REDUCTION, OUTPUTS), 127, np.int8), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (sums,) = quiet_session(model).run(
        None, {"activations": np.full((ROWS, REDUCTION), 255, np.uint8)}
    )
    return np.asarray(sums)
