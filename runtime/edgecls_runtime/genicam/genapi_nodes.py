"""Nodes of a camera that the GenICam reference implementation has opened."""

from contextlib import suppress
from typing import Any

from edgecls_runtime.genicam.nodes import Kind, Offer, Value

KINDS = {
    "IInteger": Kind.INTEGER,
    "IFloat": Kind.FLOAT,
    "IBoolean": Kind.BOOLEAN,
    "IEnumeration": Kind.CHOICE,
    "IString": Kind.TEXT,
    "ICommand": Kind.COMMAND,
}
READABLE, WRITABLE = (3, 4), (2, 4)


class GenApiNodes:
    """Nodes of an opened camera."""

    def __init__(self, nodes: Any) -> None:  # noqa: ANN401 - GenApi's node map
        """Take over a node map."""
        self._nodes = nodes

    def names(self) -> list[str]:
        """Return every feature's name."""
        return [node.node.name for node in self._nodes.nodes if node.node.is_feature()]

    def offer(self, name: str) -> Offer | None:
        """Return what a node takes."""
        node = self._node(name)
        kind = KINDS.get(type(node).__name__)
        access = node.get_access_mode() if kind else 0
        if kind is None or access not in (*READABLE, *WRITABLE):
            return None
        if kind is Kind.CHOICE:
            return Offer(kind, access in WRITABLE, tuple(node.symbolics))
        if kind not in (Kind.INTEGER, Kind.FLOAT) or access not in READABLE:
            return Offer(kind, access in WRITABLE)
        step = int(node.inc) if kind is Kind.INTEGER else 1
        return Offer(kind, access in WRITABLE, (), node.min, node.max, step)

    def write(self, name: str, value: Value) -> None:
        """Set a node."""
        node = self._node(name)
        kind = KINDS[type(node).__name__]
        if kind is Kind.COMMAND:
            node.execute()
        else:
            node.value = int(value) if kind is Kind.INTEGER else value

    def read(self, name: str) -> str:
        """Return a node's value."""
        return str(self._node(name).to_string())

    def _node(self, name: str) -> Any:  # noqa: ANN401 - of as many classes as there are kinds
        with suppress(Exception):  # what it raises for an unknown name has changed over the years
            return self._nodes.get_node(name)
        return None
