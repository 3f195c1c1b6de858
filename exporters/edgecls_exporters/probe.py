"""Look at tensors inside a graph while images pass through it.

Onnxruntime does not show inner tensors, so a copy of the graph gets them as further outputs. One
batch at a time: memory does not grow with the number of images.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgecls_exporters.face import INPUT

FLOAT = TensorProto.FLOAT
FATAL = 4
LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
Level = Literal["none", "basic", "extended", "all"]


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
        self._session = quiet_session(copy, "none" if exact else "all")

    def __call__(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """Return the tensors for a batch: uint8 (n, height, width, 3)."""
        found = self._session.run(self.names, {INPUT: batch})
        return dict(zip(self.names, found, strict=True))


def quiet_options(level: Level = "all") -> ort.SessionOptions:
    """Return options of a session without onnxruntime's own log lines.

    Args:
        level: Optimisations of the graph. With ``none`` integers are computed in float, and no
            kernel that could saturate takes part.

    """
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = LEVELS[level]
    return options


def quiet_session(model: ModelProto, level: Level = "all") -> ort.InferenceSession:
    """Open a graph on the CPU, with ``quiet_options``."""
    return ort.InferenceSession(
        model.SerializeToString(), quiet_options(level), providers=["CPUExecutionProvider"]
    )


def float_tensors(model: ModelProto) -> list[str]:
    """Return the float tensors that nodes compute, in the order of the graph."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
    return [name for node in model.graph.node for name in node.output if types.get(name) == FLOAT]
