"""Outputs of the factory floor, for the specification: a PLC, and clients that ask the station."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.outputs.modbus_server import ModbusServerOutput
from output_kinds import Kind, Peer, Table, open_output
from trigger_sources import WAIT_S, Plc, closed_port, listens

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient

Remote: TypeAlias = Any  # what asyncua makes of what a server has
BLOCK, ROOM = 50, 8
COILS = {"pass_coil": 20, "fail_coil": 21, "review_coil": 22}
SAFE = {"coils": {"23": False}, "registers": {"30": 9}}
READY = {"coils": {"23": True}, "registers": {"30": 1}}
PLACES: Table = {
    "address": BLOCK,
    "part_registers": ROOM,
    **COILS,
    "safe_state": SAFE,
    "ready_state": READY,
}
CODES = {"pass": (1, 0), "fail": (2, 0), "review": (3, 0), "missed": (3, 1), "error": (3, 2)}
CODES["incident"] = (3, 3)


def shows_block(block: Sequence[int], verdict: Verdict) -> bool:
    """Return whether a block of registers is that of a verdict."""
    text = b"".join(word.to_bytes(2, "big") for word in block[16:])
    part = verdict.part.encode("ascii", "replace")[: 2 * ROOM]
    return (
        (block[1], block[2]) == CODES[verdict.counts_as]
        and block[15] == len(verdict.part)
        and text.rstrip(b"\0") == part
    )


def modbus(_: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open it against a PLC in a process of its own."""
    plc = Plc()
    coils = dict(zip(Outcome, COILS.values(), strict=True))

    def shows(verdict: Verdict) -> bool:
        on = [outcome for outcome, coil in coils.items() if plc.is_on(coil)]
        return (
            on == [verdict.outcome]
            and plc.is_on(23)
            and plc.registers(30) == [1]
            and shows_block(plc.registers(BLOCK, 16 + ROOM), verdict)
        )

    def is_safe() -> bool:
        return not any(map(plc.is_on, (*coils.values(), 23))) and plc.registers(30) == [9]

    try:
        with closing(open_output(table_of(plc))) as output:
            yield Peer(output, shows, is_safe, plc.kill, plc.start)
    finally:
        plc.kill()


def table_of(plc: Plc) -> Table:
    """Return the keys that write into a PLC."""
    return {"kind": "modbus", "host": "127.0.0.1", "port": plc.port, **PLACES}


def without_a_plc(_: pytest.FixtureRequest) -> Table:
    """Name a port at which nobody listens."""
    return {"kind": "modbus", "host": "127.0.0.1", "port": closed_port(), **PLACES}


def asker(port: int) -> "ModbusTcpClient":
    """Return a PLC that asks a station, connected."""
    client = import_module("pymodbus.client").ModbusTcpClient
    found = cast("ModbusTcpClient", client("127.0.0.1", port=port, timeout=WAIT_S))
    assert found.connect()
    return found


def modbus_server(_: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open it, and ask it as a PLC does."""
    output = open_output({"kind": "modbus_server", "port": 0, "part_registers": ROOM})
    assert isinstance(output, ModbusServerOutput)
    client = asker(output.port)

    def shows(verdict: Verdict) -> bool:
        block = client.read_input_registers(32, count=16 + ROOM).registers
        bits = client.read_discrete_inputs(0, count=5).bits[:5]
        outcomes = [verdict.outcome is outcome for outcome in Outcome]
        return shows_block(block, verdict) and bits == [True, False, *outcomes]

    def is_safe() -> bool:
        if not listens(output.port):
            return True
        return client.read_coils(0, count=5).bits[:5] == [False, True, False, False, False]

    with closing(output), closing(client):
        yield Peer(output, shows, is_safe)


@contextmanager
def vision_client(
    port: int, prepare: Callable[[Remote], object] = lambda _: None
) -> Iterator[Remote]:
    """Give an OPC UA client, connected after it was prepared."""
    sync = import_module("asyncua.sync")
    with sync.ThreadLoop(WAIT_S) as loop:  # one of the client's own would outlive a refusal
        client = sync.Client(f"opc.tcp://127.0.0.1:{port}", WAIT_S, loop)
        prepare(client)
        with client:
            yield client


def vision_value(client: Remote, path: str) -> Remote:
    """Return the value of a variable of ours."""
    return client.get_node(f"ns=1;s={path}").read_value()


def opcua(_: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open it, and ask it as a client does."""
    port = closed_port()

    with (
        closing(open_output({"kind": "opcua", "port": port})) as output,
        vision_client(port) as client,
    ):

        def shows(verdict: Verdict) -> bool:
            found = client.get_node("ns=1;s=VisionSystem.ResultManagement.Results").get_children()
            results = {one.read_value().ResultId.Id: one.read_value() for one in found}
            content = results[verdict.id].ResultContent
            return (
                results[verdict.id].PartId.Id == verdict.part
                and content[0].Value == verdict.counts_as
                and json.loads(content[6].Value) == verdict.table()
                and vision_value(client, "LastVerdict.reason") == verdict.reason
                and state() == "ContinuousExecution"
            )

        def state() -> str:
            machine = "VisionSystem.VisionStateMachine"
            found = vision_value(client, f"{machine}.CurrentState").Text
            if found != "Operational":
                return str(found)
            mode = f"{machine}.AutomaticModeStateMachine.CurrentState"
            return str(vision_value(client, mode).Text)

        def is_safe() -> bool:
            return not listens(port) or state() == "Error"

        yield Peer(output, shows, is_safe)


def taken_port(kind: str, request: pytest.FixtureRequest) -> Table:
    """Name a port at which somebody else listens."""
    server = socket.create_server(("127.0.0.1", 0))
    request.addfinalizer(server.close)
    return {"kind": kind, "port": server.getsockname()[1]}


NO_PLC: Table = {"kind": "modbus", "host": "127.0.0.1", "port": 1, **PLACES}
OPEN = (
    "without them, everybody there could read results and reset counters; "
    "expected their addresses, or host = '127.0.0.1'"
)
SUCH = "expected such as '10.0.0.5' or '10.0.0.0/28'"
SHOW = "clients show who they are only where both sides encrypt"
KNOW = (
    "with private_key, and user and password or trusted; without them, everybody there could read "
    "results; expected all of them, or host = '127.0.0.1'"
)
ZERO = "expected above 0, and at most 10000"
KINDS = {
    "modbus": Kind(
        NO_PLC,
        modbus,
        without_a_plc,
        r"modbus output 127\.0\.0\.1:\d+: cannot be reached; "
        r"is the PLC on, and host and port right\?$",
        needed=("pymodbus",),
        extra=("pymodbus.client", "pymodbus: not installed; run: pip install 'edgecls[modbus]'"),
        wrong=(
            ({"port": 0}, "port: 0; expected 1 to 65535"),
            ({"unit": 256}, "unit: 256; expected 0 to 255"),
            ({"address": 65_513}, "address: 65513; expected 0 to 65512"),
            ({"part_registers": 101}, "part_registers: 101; expected 0 to 100"),
            ({"fail_coil": -1}, "fail_coil: -1; expected 0 to 65535"),
            (
                {"fail_coil": 20},
                "pass_coil, fail_coil, review_coil: 20, 20, 22; expected a different one for each",
            ),
            (
                {"acknowledge_register": 50},
                "acknowledge_register: 50 is in the block; expected none of 50 to 73",
            ),
            (
                {"heartbeat_register": 73},
                "heartbeat_register: 73 is in the block; expected none of 50 to 73",
            ),
            (
                {"acknowledge_register": 1, "acknowledge_coil": 1},
                "acknowledge_coil: given beside acknowledge_register; expected one of them",
            ),
            ({"acknowledge_ms": 0}, f"acknowledge_ms: 0; {ZERO}"),
            ({"heartbeat_ms": 20_000}, f"heartbeat_ms: 20000; {ZERO}"),
            (
                {"safe_state": {"coils": {"first": True}}},
                "safe_state.coils: 'first'; expected a number, from 0",
            ),
            (
                {"ready_state": {"registers": {"3": 65_536}}},
                "ready_state.registers.3: 65536; expected 0 to 65535",
            ),
        ),
    ),
    "modbus_server": Kind(
        {"kind": "modbus_server", "port": 0},
        modbus_server,
        partial(taken_port, "modbus_server"),
        r"modbus_server output 127\.0\.0\.1:\d+: Address already in use; "
        r"expected an address of this machine and a free port$",
        needed=("pymodbus",),
        wrong=(
            ({"port": 65_536}, "port: 65536; expected 0 to 65535"),
            ({"part_registers": 101}, "part_registers: 101; expected 0 to 100"),
            ({"acknowledge_ms": -1}, "acknowledge_ms: -1; expected 0 to 10000"),
            (
                {"host": "0.0.0.0"},  # noqa: S104 - refused
                f"clients: required with host '0.0.0.0'; {OPEN}",
            ),
            (
                {"clients": ["10.0.0.5/24"]},
                f"clients: 10.0.0.5/24 has host bits set; {SUCH}",
            ),
        ),
    ),
    "opcua": Kind(
        {"kind": "opcua"},
        opcua,
        partial(taken_port, "opcua"),
        r"opcua output 127\.0\.0\.1:\d+: Address already in use; "
        r"expected an address of this machine and a free port$",
        needed=("asyncua",),
        extra=("asyncua", "asyncua: not installed; run: pip install 'edgecls[opcua]'"),
        wrong=(
            ({"port": 0}, "port: 0; expected 1 to 65535"),
            ({"results": 0}, "results: 0; expected 1 to 1000"),
            ({"user": "line"}, "password: required with the other of user and password"),
            ({"password": "x"}, "user: required with the other of user and password"),
            (
                {"certificate": "ours.pem"},
                "private_key: required with the other of certificate and private_key",
            ),
            ({"trusted": ["plc.pem"]}, f"certificate: required with trusted; {SHOW}"),
            ({"host": "10.0.0.2"}, f"certificate: required with host '10.0.0.2', {KNOW}"),
            (
                {"host": "10.0.0.2", "user": "line", "password": "x"},
                f"certificate: required with host '10.0.0.2', {KNOW}",
            ),
            (
                {"host": "10.0.0.2", "certificate": "ours.pem", "private_key": "ours.key"},
                f"certificate: required with host '10.0.0.2', {KNOW}",
            ),
        ),
    ),
}
