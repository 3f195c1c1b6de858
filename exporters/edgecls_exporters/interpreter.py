"""Run an ONNX graph node by node, so that single nodes can be computed otherwise.

Each node is a session of its own, made when it is first met. An array is let go of after its last
use, so that memory holds one image's live activations and no more.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgecls.errors import ConfigError
from edgecls_exporters.probe import quiet_options

Array = NDArray[Any]
# Computes a node from its inputs (None for an optional one that is not there), or leaves it: None.
Instead = Callable[[NodeProto, list[Array | None]], Array | None]
# Fused with its product, a dynamic quantization hides the integers that are looked for.
HIDING = ["DynamicQuantizeMatMulFusion"]


def fused(file: Path, folder: Path) -> ModelProto:
    """Return a model as onnxruntime runs it on x86, its quantized operators fused.

    Args:
        file: The ONNX file.
        folder: For a temporary file.

    Raises:
        ConfigError: Not a model that onnxruntime runs.

    """
    options = quiet_options("extended")
    options.optimized_model_filepath = str(folder / "fused.onnx")
    # What x86 does by itself, asked for so that ARM shows the same graph: s8 becomes u8.
    options.add_session_config_entry("session.qdqisint8allowed", "0")
    try:
        ort.InferenceSession(
            file, options, providers=["CPUExecutionProvider"], disabled_optimizers=HIDING
        )
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        first = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"{file}: {first}; expected an ONNX file that onnxruntime runs"
        ) from error
    return onnx.load(folder / "fused.onnx")


class Network:
    """A graph, ready to be run node by node."""

    def __init__(self, model: ModelProto) -> None:
        """Take a graph apart.

        Raises:
            ConfigError: It has control flow, whose inner graphs are not looked into.

        """
        self._opsets = list(model.opset_import)
        self._version = model.ir_version
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.inputs = [i for i in model.graph.input if i.name not in self.constants]
        self.outputs = [output.name for output in model.graph.output]
        self.nodes = list(model.graph.node)
        self._sessions: dict[int, ort.InferenceSession] = {}
        self._options = quiet_options()
        self._options.intra_op_num_threads = 1  # or every node brings threads of its own
        for node in self.nodes:
            if any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
                raise ConfigError(
                    f"{node.op_type} {node.name!r}: control flow; expected a graph without; "
                    f"it cannot be looked into"
                )

    def run(self, feeds: dict[str, Array], instead: Instead) -> list[Array]:
        """Run once and return the outputs.

        Args:
            feeds: By the names of the inputs.
            instead: Computes the first output of the nodes it knows.

        """
        left = Counter(name for node in self.nodes for name in set(node.input))
        left.update(self.outputs)
        alive = dict(feeds)
        for number, node in enumerate(self.nodes):
            values = [self._value(name, alive) for name in node.input]
            found = instead(node, values)
            made = self._run_one(number, values) if found is None else [found]
            alive.update(zip([name for name in node.output if name], made, strict=False))
            for name in set(node.input):
                left[name] -= 1
                if not left[name]:
                    alive.pop(name, None)
        return [found for name in self.outputs if (found := self._value(name, alive)) is not None]

    def _value(self, name: str, alive: dict[str, Array]) -> Array | None:
        if not name:
            return None
        return self.constants[name] if name in self.constants else alive[name]

    def _run_one(self, number: int, values: list[Array | None]) -> list[Array]:
        node = self.nodes[number]
        given = {
            name: value
            for name, value in zip(node.input, values, strict=True)
            if value is not None and name not in self.constants
        }
        if number not in self._sessions:
            self._sessions[number] = self._session(node, given)
        made: list[Array] = self._sessions[number].run(None, given)
        return made

    def _session(self, node: NodeProto, given: dict[str, Array]) -> ort.InferenceSession:
        """Make a session of one node; its inputs may later have other lengths."""
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * np.ndim(value)
            )
            for name, value in given.items()
        ]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        kept = {name for name in node.input if name in self.constants}
        stored = [numpy_helper.from_array(self.constants[name], name) for name in sorted(kept)]
        graph = helper.make_graph([node], "node", inputs, outputs, stored)
        model = helper.make_model(graph, opset_imports=self._opsets, ir_version=self._version)
        return ort.InferenceSession(
            model.SerializeToString(), self._options, providers=["CPUExecutionProvider"]
        )
