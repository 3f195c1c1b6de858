"""The vision system in a server's address space: results, the newest one, counters and states.

Everything here runs in the server's own event loop.
"""

import math
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asyncua import ua

from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.modbus.result import following
from edgecls_runtime.opcua import companion
from edgecls_runtime.opcua.companion import State, SystemState
from edgecls_runtime.opcua.ring import Ring
from edgecls_runtime.opcua.types import OWN, Types, own
from edgecls_runtime.tally import Tally

if TYPE_CHECKING:
    from asyncua import Node, Server
    from asyncua.server.event_generator import EventGenerator

SERVER = 2253
NUMBERS = frozenset({"score", "frame_number", "latency_ms", "waited_ms"})
NOT_PLAIN = frozenset({"looks"})


class VisionSystem:
    """One station, as a client sees it."""

    def __init__(self, server: "Server", types: Types, most: int) -> None:
        """Prepare; ``add`` adds the nodes.

        Args:
            server: Whose types are there.
            types: Those.
            most: Results that are kept.

        """
        self._server, self._types = server, types
        self._ring = Ring(server, types, most)
        self._tally = Tally()
        self._job = uuid.uuid4().hex[:12]
        self._count = self._heartbeat = 0
        self._events: list[EventGenerator] = []
        self._state: tuple[State, str] | None = None
        self._shown: dict[str, object] = {}

    async def add(self, name: str) -> None:
        """Add the nodes of a station of this name."""
        types = self._types
        objects = self._server.nodes.objects
        system = await objects.add_object(
            own("VisionSystem"),
            ua.QualifiedName(name, OWN),
            types.id(companion.VISION_SYSTEM),
        )
        await self._add_state(system)
        management = await self._add_object(system, "ResultManagement", companion.RESULT_MANAGEMENT)
        folder = await self._add_object(management, "Results", companion.RESULT_FOLDER)
        await self._ring.add(management, folder)
        verdict = await system.add_object(own("LastVerdict"), "1:LastVerdict")
        for key, value in _plain(Verdict(Outcome.REVIEW, "").table()).items():
            await verdict.add_variable(own(f"LastVerdict.{key}"), f"1:{key}", *_typed(key, value))
        counters = await system.add_object(own("Counters"), "1:Counters")
        for key in ("heartbeat", "waiting", *self._tally.counts):
            node, value = own(f"Counters.{key}"), ua.UInt32(0)
            await counters.add_variable(node, f"1:{key}", value, ua.VariantType.UInt32)
        for emitter in (ua.NodeId(SERVER), management.nodeid):
            event = types.id(companion.RESULT_READY)
            self._events.append(await self._server.get_event_generator(event, emitter))
        await self._enter(State.READY, SystemState.SBY_2)

    async def show(self, verdict: Verdict) -> None:
        """Keep a result, tell who subscribed, and count it."""
        self._count += 1
        result_id = verdict.id or f"{self._job}-{self._count}"
        job = result_id.rpartition("-")[0]
        result = await self._ring.keep(verdict, result_id, job)
        for key, value in _plain(verdict.table()).items():
            await self._write(f"LastVerdict.{key}", ua.Variant(*_typed(key, value)))
        self._tally.count(verdict)
        await self._show_counts()
        await self._enter(State.CONTINUOUS_EXECUTION, SystemState.PRD_1)
        for generator in self._events:
            for name in companion.EVENT_PROPERTIES:
                setattr(generator.event, name, getattr(result, name))
            await generator.trigger(message=verdict.reason)

    async def expect(self, part: str) -> None:
        """Count a part that waits for its verdict."""
        self._tally.expect(part)
        await self._show_counts()

    async def beat(self) -> None:
        """Count a sign of life."""
        self._heartbeat = following(self._heartbeat)
        await self._count_to("heartbeat", self._heartbeat)

    async def make_safe(self, reason: str) -> None:
        """Show that nothing can be relied on, until the next verdict."""
        await self._enter(State.ERROR, SystemState.UDT_5, reason)

    async def _add_object(self, parent: "Node", name: str, kind: int) -> "Node":
        path = f"{parent.nodeid.Identifier}.{name}"
        return await parent.add_object(own(path), self._types.name(name), self._types.id(kind))

    async def _add_state(self, system: "Node") -> None:
        machine = await self._add_object(system, "VisionStateMachine", companion.STATE_MACHINE)
        await self._add_object(machine, "AutomaticModeStateMachine", companion.AUTOMATIC_MODE)
        await system.add_variable(
            own("VisionSystem.SystemState"),
            self._types.name("SystemState"),
            ua.SystemStateDescriptionDataType(State=SystemState.SBY_2),
            datatype=self._types.id(3024),
        )

    async def _enter(self, state: State, system: SystemState, reason: str = "") -> None:
        """Show a state: ``Error``, or one of those below ``Operational``."""
        if (state, reason) == self._state:
            return
        self._state = (state, reason)
        machine = "VisionSystem.VisionStateMachine"
        mode = f"{machine}.AutomaticModeStateMachine"
        await self._show_state(machine, State.ERROR if state is State.ERROR else State.OPERATIONAL)
        await self._show_state(mode, None if state is State.ERROR else state)
        described = ua.SystemStateDescriptionDataType(State=system, StateDescription=reason or None)
        await self._write("VisionSystem.SystemState", ua.Variant(described))

    async def _show_state(self, machine: str, state: State | None) -> None:
        path = f"{machine}.CurrentState"
        if state is None:
            nothing = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadStateNotActive))
            self._shown.pop(path, None)
            self._shown.pop(f"{path}.Id", None)
            await self._server.write_attribute_value(own(path), nothing)
            await self._server.write_attribute_value(own(f"{path}.Id"), nothing)
            return
        name = ua.LocalizedText(companion.STATE_NAMES[state])
        await self._write(path, ua.Variant(name))
        await self._write(f"{path}.Id", ua.Variant(self._types.id(state)))

    async def _show_counts(self) -> None:
        await self._count_to("waiting", self._tally.waiting)
        for key, count in self._tally.counts.items():
            await self._count_to(key, count)

    async def _count_to(self, key: str, count: int) -> None:
        await self._write(f"Counters.{key}", ua.Variant(count % 2**32, ua.VariantType.UInt32))

    async def _write(self, path: str, value: Any) -> None:  # noqa: ANN401 - asyncua's
        if self._shown.get(path) == value.Value:
            return  # most of it stays as it is from part to part
        self._shown[path] = value.Value
        await self._server.write_attribute_value(own(path), ua.DataValue(value))


def _plain(table: Mapping[str, object]) -> dict[str, object]:
    """Return what of a verdict's table is a text or a number: None is empty, or NaN."""
    return {
        key: (math.nan if key in NUMBERS else "") if value is None else value
        for key, value in table.items()
        if key not in NOT_PLAIN
    }


def _typed(key: str, value: object) -> tuple[object, ua.VariantType]:
    """Return a value as its variable holds it, and what kind that is."""
    if key in NUMBERS:
        return float(value), ua.VariantType.Double  # type: ignore[arg-type]
    return value, ua.VariantType.String
