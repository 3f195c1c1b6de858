"""Nodes of a camera that Aravis has opened."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edgecls_runtime.genicam.nodes import Kind, Offer, Value


@dataclass(frozen=True, slots=True)
class Modules:
    """What of ``gi.repository`` is used.

    Attributes:
        aravis: Aravis.
        error: What every call of it raises.

    """

    aravis: ModuleType
    error: type[Exception]


class AravisNodes:
    """Nodes of an opened camera."""

    def __init__(self, modules: Modules, device: Any) -> None:  # noqa: ANN401 - Aravis's
        """Take over a device."""
        self._aravis, self._error, self._device = modules.aravis, modules.error, device

    def names(self) -> list[str]:
        """Return every feature's name."""
        genicam, found, waiting = self._device.get_genicam(), list[str](), ["Root"]
        while waiting:
            node = genicam.get_node(waiting.pop())
            if isinstance(node, self._aravis.GcCategory):
                below = node.get_features()
                waiting += below
                found += below
        return found

    def offer(self, name: str) -> Offer | None:
        """Return what a node takes."""
        aravis, device = self._aravis, self._device
        node = device.get_feature(name)
        if node is None or isinstance(node, aravis.GcCategory):
            return None
        writable = (
            device.is_feature_available(name)
            and device.get_feature_access_mode(name) != aravis.GcAccessMode.RO
        )
        if isinstance(node, aravis.GcEnumeration):
            choices = device.dup_available_enumeration_feature_values_as_strings(name)
            return Offer(Kind.CHOICE, writable, tuple(choices or ()))
        for kind, of_it in (
            (Kind.COMMAND, aravis.GcCommand),
            (Kind.BOOLEAN, aravis.GcBoolean),
            (Kind.TEXT, aravis.GcString),
        ):
            if isinstance(node, of_it):
                return Offer(kind, writable)
        whole = isinstance(node, aravis.GcInteger)
        kind = Kind.INTEGER if whole else Kind.FLOAT
        try:
            least, most, step = self._range(name, whole=whole)
        except self._error:  # not every node has one
            return Offer(kind, writable)
        return Offer(kind, writable, (), least, most, step)

    def write(self, name: str, value: Value) -> None:
        """Set a node."""
        device, offer = self._device, self.offer(name)
        kind = offer.kind if offer else Kind.TEXT
        if kind is Kind.COMMAND:
            device.execute_command(name)
        elif isinstance(value, bool):
            device.set_boolean_feature_value(name, value)
        elif isinstance(value, str):
            device.set_string_feature_value(name, value)
        elif kind is Kind.INTEGER:
            device.set_integer_feature_value(name, int(value))
        else:
            device.set_float_feature_value(name, float(value))

    def read(self, name: str) -> str:
        """Return a node's value."""
        return str(self._device.get_string_feature_value(name))

    def _range(self, name: str, *, whole: bool) -> tuple[float, float, int]:
        device = self._device
        if not whole:
            return (*device.get_float_feature_bounds(name), 1)
        step = max(device.get_integer_feature_increment(name), 1)
        return (*device.get_integer_feature_bounds(name), step)
