"""The types of the companion specification, added to a server under their own numbers."""

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.manage_nodes import create_data_type, create_encoding
from asyncua.common.structures104 import load_custom_struct

from edgecls_runtime.opcua import companion

if TYPE_CHECKING:
    from asyncua import Node, Server

# The application's own namespace has this index by the standard (part 5, 6.3.1).
OWN = 1
FINITE_STATE_MACHINE, STATE, BASE_EVENT, FOLDER, BASE_OBJECT = 2771, 2307, 2041, 61, 58
NAMESPACES, NAMESPACE_METADATA = 11715, 11616
STRUCTURE, ENUMERATION = 22, 29
# Number, name, and of what each is a kind.
OBJECT_TYPES = (
    (companion.VISION_SYSTEM, "VisionSystemType", BASE_OBJECT),
    (companion.RESULT_MANAGEMENT, "ResultManagementType", BASE_OBJECT),
    (companion.RESULT_FOLDER, "ResultFolderType", FOLDER),
    (companion.STATE_MACHINE, "VisionStateMachineType", FINITE_STATE_MACHINE),
    (companion.AUTOMATIC_MODE, "VisionAutomaticModeStateMachineType", FINITE_STATE_MACHINE),
    (companion.RESULT_READY, "ResultReadyEventType", BASE_EVENT),
)
STATES_OF = {
    companion.STATE_MACHINE: (companion.State.ERROR, companion.State.OPERATIONAL),
    companion.AUTOMATIC_MODE: (companion.State.READY, companion.State.CONTINUOUS_EXECUTION),
}


@cache
def own(path: str) -> ua.NodeId:
    """Return the id of a node of ours: where it is below ``Objects``, pieces joined by dots."""
    return ua.NodeId(path, OWN)


class Types:
    """Adds the types to one server."""

    def __init__(self, server: "Server", index: int) -> None:
        """Remember where.

        Args:
            server: Initialised, not yet started.
            index: Of the specification's namespace.

        """
        self._server, self.index = server, index

    def id(self, number: int) -> ua.NodeId:
        """Return the id of a node of the specification, or of the standard."""
        return ua.NodeId(number, self.index if number > 1000 and number not in STANDARD else 0)

    def name(self, text: str) -> ua.QualifiedName:
        """Return a name of the specification, as browsed."""
        return ua.QualifiedName(text, self.index)

    async def add(self) -> None:
        """Add data types, then those of objects, variables and events."""
        await self._simple("TrimmedString", companion.TRIMMED_STRING, companion.STRING, ua.String)
        await self._simple("Handle", companion.HANDLE, companion.UINT32, ua.UInt32)
        await self._simple("ResultStateDataType", companion.RESULT_STATE, companion.INT32, ua.Int32)
        await self._system_state()
        for name, structure in companion.STRUCTURES.items():
            await self._structure(name, structure)
        for number, name, base in OBJECT_TYPES:
            parent = self._server.get_node(ua.NodeId(base))
            await parent.add_object_type(self.id(number), self.name(name))
        await self._states()
        await self._result_type()
        await self._event_type()
        await self._metadata()

    async def _simple(self, name: str, number: int, base: int, kind: type) -> None:
        parent = self._server.get_node(ua.NodeId(base))
        await create_data_type(parent, self.id(number), self.name(name))
        ua.register_basetype(name, self.id(number), kind)

    async def _system_state(self) -> None:
        parent = self._server.get_node(ua.NodeId(ENUMERATION))
        number = self.id(companion.SYSTEM_STATE)
        node = await create_data_type(parent, number, self.name("SystemStateDataType"))
        fields = [
            ua.EnumField(state.value, ua.LocalizedText(state.name), Name=state.name)
            for state in companion.SystemState
        ]
        await node.write_data_type_definition(ua.EnumDefinition(fields))
        ua.register_enum("SystemStateDataType", number, companion.SystemState)

    async def _structure(self, name: str, structure: companion.Structure) -> None:
        base = self.id(structure.base or STRUCTURE)
        node = await create_data_type(
            self._server.get_node(base), self.id(structure.number), self.name(name)
        )
        encoding = await create_encoding(
            node, self.id(structure.encoding), ua.QualifiedName("Default Binary", 0)
        )
        kind = ua.StructureType.Structure
        if any(field.optional for field in structure.fields):
            kind = ua.StructureType.StructureWithOptionalFields
        fields = [
            ua.StructureField(
                Name=field.name,
                DataType=self.id(field.kind),
                ValueRank=ua.Int32(1 if field.array else -1),
                ArrayDimensions=[ua.UInt32(0)] if field.array else None,
                IsOptional=field.optional,
            )
            for field in structure.fields
        ]
        await node.write_data_type_definition(
            ua.StructureDefinition(encoding.nodeid, base, kind, fields)
        )
        await load_custom_struct(node)

    async def _states(self) -> None:
        for machine, states in STATES_OF.items():
            parent = self._server.get_node(self.id(machine))
            for state in states:
                name = companion.STATE_NAMES[state]
                node = await parent.add_object(self.id(state), self.name(name), ua.NodeId(STATE))
                number = await node.get_child("0:StateNumber")
                value = ua.Variant(companion.STATE_NUMBERS[state], ua.VariantType.UInt32)
                await number.write_value(value)

    async def _result_type(self) -> None:
        parent = self._server.get_node(ua.NodeId(ua.ObjectIds.BaseDataVariableType))
        result = await parent.add_variable_type(
            self.id(companion.RESULT), self.name("ResultType"), self.id(3006)
        )
        for name, number in companion.RESULT_COMPONENTS.items():
            value, kind, data_type = self._empty(name)
            node = await result.add_variable(
                self.id(number), self.name(name), value, kind, data_type
            )
            await node.set_modelling_rule(mandatory=not companion.RESULT_FIELDS[name].optional)

    async def _event_type(self) -> None:
        event = self._server.get_node(self.id(companion.RESULT_READY))
        for name, number in companion.EVENT_PROPERTIES.items():
            value, kind, data_type = self._empty(name)
            node = await event.add_property(
                self.id(number), self.name(name), value, kind, data_type
            )
            await node.set_modelling_rule(mandatory=not companion.RESULT_FIELDS[name].optional)

    def _empty(self, name: str) -> tuple[Any, ua.VariantType, ua.NodeId]:
        """Return a value of a field that says nothing, and its types."""
        field = companion.RESULT_FIELDS[name]
        value = getattr(ua.ResultDataType(), name)
        if field.kind in SCALARS:
            kind = SCALARS[field.kind]
            return (False if kind is ua.VariantType.Boolean else value), kind, self.id(field.kind)
        if field.array:
            return [], ua.VariantType.Variant, self.id(field.kind)
        return value, ua.VariantType.ExtensionObject, self.id(field.kind)

    async def _metadata(self) -> None:
        """Say which part of which version of the specification is here."""
        node = await self._server.get_node(ua.NodeId(NAMESPACES)).add_object(
            self.id(companion.METADATA),
            self.name(companion.URI),
            ua.NodeId(NAMESPACE_METADATA),
            instantiate_optional=False,
        )
        published = datetime.fromisoformat(companion.PUBLISHED)
        for name, value in (
            ("NamespaceUri", ua.Variant(companion.URI)),
            ("NamespaceVersion", ua.Variant(companion.VERSION)),
            ("NamespacePublicationDate", ua.Variant(published, ua.VariantType.DateTime)),
            ("IsNamespaceSubset", ua.Variant(True)),
        ):
            child: Node = await node.get_child(f"0:{name}")
            await child.write_value(value)


STANDARD = frozenset({FINITE_STATE_MACHINE, STATE, BASE_EVENT, NAMESPACES, NAMESPACE_METADATA})
SCALARS = {
    companion.BOOLEAN: ua.VariantType.Boolean,
    companion.RESULT_STATE: ua.VariantType.Int32,
    companion.UTC_TIME: ua.VariantType.DateTime,
}
