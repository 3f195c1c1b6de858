"""Who makes and who reads each tensor of a graph, and its constants: what a rewriting looks up."""

from collections import defaultdict

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgecls_exporters.release import drop_unread

MICROSOFT = "com.microsoft"


class Wiring:
    """A graph that is being rewritten; look-ups show it as it was when this was made."""

    def __init__(self, model: ModelProto) -> None:
        """Look at a model; it is changed in place."""
        self.model = model
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._outputs = {value.name for value in model.graph.output}

    def value(self, name: str) -> NDArray[np.generic] | None:
        """Return a constant's value, or None for what is none."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def only_reader(self, name: str, kind: str) -> NodeProto | None:
        """Return the one node that reads a tensor, if there is one alone and of this operator."""
        readers = self.readers[name]
        if len(readers) != 1 or readers[0].op_type != kind or name in self._outputs:
            return None
        return readers[0]

    def maker(self, name: str, kind: str) -> NodeProto | None:
        """Return the node that makes a tensor, if it is of this operator."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type == kind else None

    def add_constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Store a constant and return its name; one name is one value."""
        if name not in self.constants:
            tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
            self.model.graph.initializer.append(tensor)
            self.constants[name] = tensor
        return name

    def replace(self, place: NodeProto, nodes: list[NodeProto]) -> None:
        """Put nodes where one stood; what then is read by nobody goes with ``finish``."""
        graph = self.model.graph
        at = next(i for i, node in enumerate(graph.node) if node.output[0] == place.output[0])
        del graph.node[at]
        for node in reversed(nodes):
            graph.node.insert(at, node)

    def finish(self) -> None:
        """Drop what nobody reads, declare the domains in use and check the model."""
        drop_unread(self.model)
        used = {node.domain for node in self.model.graph.node}
        declared = {entry.domain for entry in self.model.opset_import}
        if MICROSOFT in used - declared:
            self.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        onnx.checker.check_model(self.model)


def integers(node: NodeProto, name: str) -> list[int]:
    """Return an attribute that lists integers; empty if the node has none of that name."""
    return next((list(found.ints) for found in node.attribute if found.name == name), [])


def shapes(model: ModelProto) -> dict[str, list[int | str]]:
    """Return the shapes that ONNX infers, by tensor: numbers, or names of open dimensions."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        if info.type.tensor_type.HasField("shape"):
            dims = info.type.tensor_type.shape.dim
            found[info.name] = [
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims
            ]
    return found
