"""The latest results, as variables and for the methods of ResultManagement; the oldest make room.

Variables are made once and then hold one result after another: a server that makes and deletes a
dozen nodes with each part would be slow, and its clients would lose what they subscribed to.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from asyncua import ua

from edgecls.verdict import Verdict
from edgecls_runtime.opcua import companion
from edgecls_runtime.opcua.result import result_of
from edgecls_runtime.opcua.types import OWN, Types, own

if TYPE_CHECKING:
    from asyncua import Node, Server

OK, UNKNOWN = 0, -1  # below 0: an error of the application's own
# What a result holds, by its place among the arguments by which a client filters.
FILTERS = {
    1: "MeasId",
    2: "PartId",
    3: "ExternalRecipeId",
    4: "InternalRecipeId",
    5: "ExternalConfigurationId",
    6: "InternalConfigurationId",
    7: "ProductId",
    8: "JobId",
}
FIELDS = {field.name: field for field in companion.STRUCTURES["ResultDataType"].fields}
METHODS = {
    "GetResultById": (
        ((("ResultId", 3021), ("Timeout", companion.INT32))),
        (("ResultHandle", companion.HANDLE), ("Result", 3006), ("Error", companion.INT32)),
    ),
    "GetResultListFiltered": (
        (
            ("ResultState", companion.RESULT_STATE),
            *((name, FIELDS[name].kind) for name in FILTERS.values()),
            ("MaxResults", companion.UINT32),
            ("StartIndex", companion.UINT32),
            ("Timeout", companion.INT32),
        ),
        (
            ("IsComplete", companion.BOOLEAN),
            ("ResultCount", companion.UINT32),
            ("ResultHandle", companion.HANDLE),
            ("ResultList", -3006),
            ("Error", companion.INT32),
        ),
    ),
    "ReleaseResultHandle": (
        (("ResultHandle", companion.HANDLE),),
        (("Error", companion.INT32),),
    ),
}


class Ring:
    """Keeps the latest results of one station."""

    def __init__(self, server: "Server", types: Types, most: int) -> None:
        """Prepare; ``add`` adds the nodes.

        Args:
            server: Whose types are there.
            types: Those.
            most: Results at most.

        """
        self._server, self._types, self._most = server, types, most
        self._folder: Node | None = None
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._kept = 0

    async def add(self, management: "Node", folder: "Node") -> None:
        """Add the methods to ResultManagement; results will be variables of its folder."""
        self._folder = folder
        called = {
            "GetResultById": self._by_id,
            "GetResultListFiltered": self._filtered,
            "ReleaseResultHandle": self._release,
        }
        for name, (inputs, outputs) in METHODS.items():
            await management.add_method(
                own(f"{management.nodeid.Identifier}.{name}"),
                self._types.name(name),
                called[name],
                [self._argument(*one) for one in inputs],
                [self._argument(*one) for one in outputs],
            )

    async def keep(self, verdict: Verdict, result_id: str, job: str) -> Any:  # noqa: ANN401 - made at run time
        """Keep the result of a verdict; return it."""
        result = result_of(verdict, result_id, job)
        self._results[result_id] = result
        if len(self._results) > self._most:
            self._results.popitem(last=False)
        place = self._kept % self._most
        path = f"VisionSystem.ResultManagement.Results.{place:04}"
        if self._kept < self._most:
            await self._variable(path, f"Result {place:04}")
        self._kept += 1
        at = result.CreationTime
        await self._write(path, ua.Variant(result, ua.VariantType.ExtensionObject), at)
        for name in companion.RESULT_COMPONENTS:
            value = getattr(result, name)
            await self._write(f"{path}.{name}", variant(name, value), at)
        return result

    async def _variable(self, path: str, name: str) -> None:
        """Make a variable, with its components, for one result after another.

        ``instantiate`` of asyncua asks the type about each: 45 ms, where this takes 1.
        """
        assert self._folder is not None  # noqa: S101 - for the type checker
        browsed, result = ua.QualifiedName(name, OWN), self._types.id(companion.RESULT)
        items = [_item(own(path), browsed, self._folder.nodeid, result, self._types.id(3006))]
        for field in map(FIELDS.__getitem__, companion.RESULT_COMPONENTS):
            plain = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
            kind, browsed = self._types.id(field.kind), self._types.name(field.name)
            item = _item(own(f"{path}.{field.name}"), browsed, own(path), plain, kind)
            item.NodeAttributes.ValueRank = 1 if field.array else -1
            items.append(item)
        for added in await self._server.iserver.isession.add_nodes(items):
            added.StatusCode.check()

    async def _write(self, path: str, value: ua.Variant, at: object) -> None:
        data = ua.DataValue(value, SourceTimestamp=at)
        await self._server.write_attribute_value(own(path), data)

    async def _by_id(self, _: ua.NodeId, result_id: ua.Variant, __: ua.Variant) -> list[ua.Variant]:
        found = self._results.get(result_id.Value.Id)
        error = OK if found is not None else UNKNOWN
        return [_handle(), _structure(found or ua.ResultDataType()), _error(error)]

    async def _filtered(self, _: ua.NodeId, *asked: ua.Variant) -> list[ua.Variant]:
        most, start = asked[9].Value or len(self._results), asked[10].Value
        found = list(self._fitting(asked))
        page = found[start : start + most]
        return [
            ua.Variant(start + len(page) >= len(found), ua.VariantType.Boolean),
            ua.Variant(len(page), ua.VariantType.UInt32),
            _handle(),
            ua.Variant(page, ua.VariantType.ExtensionObject, is_array=True),
            _error(OK),
        ]

    def _fitting(self, asked: tuple[ua.Variant, ...]) -> Iterator[Any]:
        """Yield what fits, the newest first; what is asked empty, or 0, fits all."""
        wanted = {
            name: asked[place].Value.Id
            for place, name in FILTERS.items()
            if asked[place].Value is not None and asked[place].Value.Id
        }
        for result in reversed(self._results.values()):
            if asked[0].Value not in (0, result.ResultState):
                continue
            held = {name: getattr(result, name) for name in wanted}
            if all(held[name] is not None and held[name].Id == wanted[name] for name in wanted):
                yield result

    async def _release(self, _: ua.NodeId, __: ua.Variant) -> list[ua.Variant]:
        return [_error(OK)]  # nothing is held for anybody

    def _argument(self, name: str, kind: int) -> ua.Argument:
        """Return a method's argument; a number below 0 is many of that kind."""
        rank = ua.Int32(1 if kind < 0 else -1)
        return ua.Argument(name, self._types.id(abs(kind)), rank)


def _item(
    node: ua.NodeId, name: ua.QualifiedName, parent: ua.NodeId, kind: ua.NodeId, data: ua.NodeId
) -> ua.AddNodesItem:
    """Return a variable that is to be added, as a component of a parent."""
    attributes = ua.VariableAttributes(
        DisplayName=ua.LocalizedText(name.Name), DataType=data, ValueRank=-1
    )
    return ua.AddNodesItem(
        ParentNodeId=parent,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
        RequestedNewNodeId=node,
        BrowseName=name,
        NodeClass=ua.NodeClass.Variable,
        NodeAttributes=attributes,
        TypeDefinition=kind,
    )


def variant(name: str, value: Any) -> ua.Variant:  # noqa: ANN401 - asyncua's
    """Return a field of a result as a variable holds it."""
    if value is None:
        return ua.Variant(None)
    if name == "ResultContent":
        return ua.Variant(value, ua.VariantType.Variant, is_array=True)
    if name == "ResultState":
        return ua.Variant(int(value), ua.VariantType.Int32)
    return ua.Variant(value)


def _handle() -> ua.Variant:
    return ua.Variant(0, ua.VariantType.UInt32)


def _structure(value: Any) -> ua.Variant:  # noqa: ANN401 - asyncua's
    return ua.Variant(value, ua.VariantType.ExtensionObject)


def _error(number: int) -> ua.Variant:
    return ua.Variant(number, ua.VariantType.Int32)
