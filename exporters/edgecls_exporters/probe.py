"""Look at tensors inside a graph while images pass through it.

Onnxruntime does not show inner tensors, so a copy of the graph gets them as further outputs. One
batch at a time: memory does not grow with the number of images.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgecls_exporters.graph import INPUT

FLOAT = TensorProto.FLOAT


class Probe:
    """A graph that hands out inner tensors."""

    def __init__(
        self,
        model: ModelProto,
        names: Sequence[str],
        dtype: int = FLOAT,
        *,
        exact: bool = False,
    ) -> None:
        """Open a copy of a graph.

        Args:
            model: Stays as it is; its input is ``graph.INPUT``.
            names: Tensors wanted, none of them a constant.
            dtype: ONNX's number of their type.
            exact: Switch every optimisation off: integers are then computed in float, and no
                kernel that could saturate takes part.

        """
        copy = ModelProto()
        copy.CopyFrom(model)
        present = {output.name for output in copy.graph.output}
        for name in dict.fromkeys(names):
            if name not in present:
                copy.graph.output.append(helper.make_tensor_value_info(name, dtype, None))
        self.names = list(names)
        self._session = quiet_session(copy, exact=exact)

    def __call__(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """Return the tensors for a batch: uint8 (n, height, width, 3)."""
        found = self._session.run(self.names, {INPUT: batch})
        return dict(zip(self.names, found, strict=True))


def quiet_session(model: ModelProto, *, exact: bool = False) -> ort.InferenceSession:
    """Open a graph on the CPU, without onnxruntime's own log lines."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def float_tensors(model: ModelProto) -> list[str]:
    """Return the float tensors that nodes compute, in the order of the graph."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
    return [name for node in model.graph.node for name in node.output if types.get(name) == FLOAT]
