"""Nodes of a camera that pypylon has opened."""

from typing import Any

from edgecls_runtime.genicam.nodes import Kind, Offer, Value

KINDS = {
    "IntegerParameter": Kind.INTEGER,
    "FloatParameter": Kind.FLOAT,
    "BooleanParameter": Kind.BOOLEAN,
    "EnumParameter": Kind.CHOICE,
    "StringParameter": Kind.TEXT,
    "CommandParameter": Kind.COMMAND,
}
WRITE_ONLY, READ_WRITE = 2, 4


class PylonNodes:
    """Nodes of an opened camera."""

    def __init__(self, nodes: Any) -> None:  # noqa: ANN401 - pypylon's node map
        """Take over a node map."""
        self._nodes = nodes

    def names(self) -> list[str]:
        """Return every feature's name."""
        return [node.Node.GetName() for node in self._nodes.GetNodes() if node.Node.IsFeature()]

    def offer(self, name: str) -> Offer | None:
        """Return what a node takes."""
        node = self._nodes.GetNode(name)
        kind = KINDS.get(type(node).__name__)
        if kind is None or not node.IsValid():
            return None
        writable = node.GetAccessMode() in (WRITE_ONLY, READ_WRITE)
        if kind is Kind.CHOICE:
            return Offer(kind, writable, tuple(node.Symbolics) if node.IsReadable() else ())
        if kind not in (Kind.INTEGER, Kind.FLOAT) or not node.IsReadable():
            return Offer(kind, writable)
        step = int(node.Inc) if kind is Kind.INTEGER else 1
        return Offer(kind, writable, (), node.Min, node.Max, step)

    def write(self, name: str, value: Value) -> None:
        """Set a node."""
        node = self._nodes.GetNode(name)
        if type(node).__name__ == "CommandParameter":
            node.Execute()
        else:
            node.SetValue(int(value) if type(node).__name__ == "IntegerParameter" else value)

    def read(self, name: str) -> str:
        """Return a node's value."""
        return str(self._nodes.GetNode(name).ToString())
