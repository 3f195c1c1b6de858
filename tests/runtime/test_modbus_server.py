"""The map that PLCs ask for: counters, results, orders; and clients slow, many or wrong."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edgecls.errors import OutputError
from edgecls.verdict import Verdict
from edgecls_runtime.modbus import server
from edgecls_runtime.modbus.server import MOST_CLIENTS, answer
from edgecls_runtime.modbus.station_map import StationMap
from edgecls_runtime.outputs.modbus_server import ModbusServerOutput
from output_kinds import Table, open_output, verdict
from outputs_field import asker
from trigger_sources import missing, until

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient

pytestmark = pytest.mark.skipif(bool(missing("pymodbus")), reason=missing("pymodbus"))
RESET, RECIPE, SEEN = 1000, 1001, 1002
COUNTERS = ("triggers", "pass", "fail", "review", "missed", "error", "incident")
READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 0, 1)


@contextmanager
def served(**keys: object) -> Iterator[ModbusServerOutput]:
    table: Table = {"kind": "modbus_server", "port": 0, **keys}
    output = open_output(table)
    assert isinstance(output, ModbusServerOutput)
    with closing(output):
        yield output


@pytest.fixture
def output() -> Iterator[ModbusServerOutput]:
    with served() as found:
        yield found


@pytest.fixture
def plc(output: ModbusServerOutput) -> Iterator["ModbusTcpClient"]:
    with closing(asker(output.port)) as client:
        yield client


def numbers(plc: "ModbusTcpClient", first: int, count: int) -> list[int]:
    """Return numbers of 32 bits."""
    words = plc.read_input_registers(first, count=2 * count).registers
    return [high << 16 | low for high, low in pairwise(words)][::2]


def counters(plc: "ModbusTcpClient") -> dict[str, int]:
    return dict(zip(COUNTERS, numbers(plc, 4, len(COUNTERS)), strict=True))


def took(part: str, seconds: float) -> Verdict:
    one = verdict("pass", part)
    return replace(one, captured_at=one.decided_at - seconds)


def test_parts_are_counted_by_what_became_of_them(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    kinds = ["pass"] * 5 + ["fail"] * 4 + ["review"] * 3 + ["missed"] * 2 + ["error", "incident"]
    for number, kind in enumerate(kinds):
        output.send(verdict(kind, str(number)))

    assert [*counters(plc).values()] == [15, 5, 4, 3, 2, 1, 1]


def test_triggers_are_judged_parts_and_those_that_wait(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    for part in "1234":
        output.expect(part, time.monotonic())
    output.send(verdict("pass", "1"))
    output.send(verdict("fail", "2"))

    assert counters(plc)["triggers"] == 4
    assert plc.read_holding_registers(3).registers == [2]


def test_times_are_the_last_the_shortest_the_longest_and_the_average_in_microseconds(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    for part, seconds in (("1", 0.010), ("2", 0.040), ("3", 0.025)):
        output.send(took(part, seconds))
    output.send(verdict("missed", "4"))  # it came so fast that it counts as 0

    assert numbers(plc, 18, 4) == pytest.approx([0, 0, 40_000, 18_750], abs=1)


def test_before_the_first_verdict_everything_is_0(plc: "ModbusTcpClient") -> None:
    registers = plc.read_holding_registers(0, count=64).registers

    assert registers[0] == 1  # the map's version
    assert not any(registers[1:27])
    assert not any(registers[28:])


def test_signs_of_life_are_counted(output: ModbusServerOutput, plc: "ModbusTcpClient") -> None:
    for _ in range(3):
        output.beat()

    assert plc.read_holding_registers(2).registers == [3]


def test_the_last_result_is_a_block_as_the_one_that_is_written_into_a_plc(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    output.send(verdict("pass", "bolt 6"))
    output.send(verdict("fail", "bolt 7", "scratch"))

    block = plc.read_input_registers(32, count=32).registers
    assert block[:5] == [2, 2, 0, 1, 9800]
    assert struct.pack(">4H", *block[15:19])[1:] == b"\x06bolt 7"


def test_bits_tell_the_state_the_outcome_and_that_there_is_a_new_one(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    def bits() -> str:
        return "".join("01"[bit] for bit in plc.read_coils(0, count=7).bits[:7])

    seen = [bits()]
    for kind in ("pass", "fail", "review"):
        output.send(verdict(kind))
        seen.append(bits())
    output.make_safe("the camera is lost")
    plc.write_register(SEEN, 3)
    seen.append(bits())

    assert seen == ["0000000", "1010011", "1001001", "1000111", "0100010"]


def test_a_reset_begins_to_count_anew_and_keeps_those_that_wait(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    output.expect("2", time.monotonic())
    output.send(took("1", 0.5))

    plc.write_register(RESET, 0)
    assert counters(plc)["pass"] == 1
    plc.write_register(RESET, 1)

    assert [*counters(plc).values()] == [1, 0, 0, 0, 0, 0, 0]
    assert numbers(plc, 18, 4) == [0, 0, 0, 0]
    assert plc.read_holding_registers(RESET).registers == [0]
    output.send(took("2", 0.5))
    assert [*counters(plc).values()] == [1, 1, 0, 0, 0, 0, 0]


def test_a_recipe_that_a_plc_orders_is_heard(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    ordered: list[int] = []
    output.map.on_recipe = ordered.append

    assert not plc.write_register(RECIPE, 7).isError()

    assert ordered == [7]
    assert plc.read_holding_registers(RECIPE).registers == [7]


def test_a_recipe_that_nobody_knows_is_refused(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    def order(number: int) -> None:
        raise {1: ValueError, 2: KeyError}[number]

    refused = [plc.write_register(RECIPE, 1).exception_code]
    output.map.on_recipe = order
    refused += [plc.write_register(RECIPE, number).exception_code for number in (1, 2)]

    assert refused == [2, 3, 4]
    assert plc.read_holding_registers(RECIPE).registers == [0]


def test_several_orders_may_come_in_one_request(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    ordered: list[int] = []
    output.map.on_recipe = ordered.append
    output.send(verdict("pass"))

    assert not plc.write_registers(RESET, [1, 5, 1]).isError()

    assert ordered == [5]
    assert counters(plc)["pass"] == 0
    assert plc.read_holding_registers(SEEN).registers == [1]


def test_a_result_waits_until_the_plc_has_it() -> None:
    with served(acknowledge_ms=10_000) as output, closing(asker(output.port)) as plc:
        seen: list[int] = []

        def read() -> None:
            while len(seen) < 20:
                block = plc.read_holding_registers(32, count=18).registers
                if block[0] != (seen[-1] if seen else 0):
                    seen.append(block[0])
                    plc.write_register(SEEN, block[0])

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(20):
            output.send(verdict("pass", str(number)))
        thread.join()

    assert seen == [*range(1, 21)]


def test_a_plc_that_does_not_acknowledge_is_said_and_the_part_is_counted_once() -> None:
    with served(acknowledge_ms=20) as output, closing(asker(output.port)) as plc:
        one = verdict("pass")
        for _ in range(2):
            with pytest.raises(OutputError) as raised:
                output.send(one)

        assert counters(plc)["pass"] == 1
        assert str(raised.value) == (
            "modbus_server output 127.0.0.1:0: not acknowledged within 0.02 s; "
            "expected 1 in register 1002; does the PLC's program run?"
        )


@contextmanager
def connected(output: ModbusServerOutput) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", output.port), 10) as client:
        yield client


def is_hung_up(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def asked(client: socket.socket, request: bytes = READ) -> bytes:
    client.sendall(request)
    return client.recv(300)


@pytest.mark.parametrize(
    ("first", "count", "code"), [(60, 5, 2), (999, 1, 2), (1003, 1, 2), (0, 126, 3), (65_535, 1, 2)]
)
def test_what_is_not_there_is_refused(
    output: ModbusServerOutput, first: int, count: int, code: int
) -> None:
    with connected(output) as client:
        found = asked(client, struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, first, count))

    assert found[7:] == bytes([0x83, code])


class NoDevice:
    """Refuses nothing, and knows nothing."""

    def bits(self, first: int, count: int) -> Sequence[bool]:
        return [first % 2 == 1] * count

    def registers(self, first: int, count: int) -> Sequence[int]:
        return [first] * count

    def write(self, first: int, values: Sequence[int]) -> None: ...


def test_any_bytes_are_answered_as_a_request_or_refused() -> None:
    chance = random.Random(6)  # noqa: S311 - the same ones each time
    functions = [1, 2, 3, 4, 5, 6, 15, 16, 43, 0, 255]
    for _ in range(20_000):
        body = chance.randbytes(chance.choice([0, 1, 3, 4, 5, 6, 9, 252]))
        request = bytes([chance.choice(functions)]) + body
        for device in (NoDevice(), StationMap((), 16)):
            found = answer(request, device)

            assert len(found) >= 2
            assert found[0] & 0x7F == request[0] & 0x7F


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n", b"\0\1\0\0\0\1\1", b"\0" * 300])
def test_what_is_no_modbus_is_hung_up_on(output: ModbusServerOutput, said: bytes) -> None:
    with connected(output) as client:
        client.sendall(said)

        assert is_hung_up(client)


def test_a_request_may_come_in_pieces(output: ModbusServerOutput) -> None:
    with connected(output) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in READ[:-1]:
            client.sendall(bytes([byte]))

        assert asked(client, READ[-1:]) == b"\0\7\0\0\0\5\1\3\2\0\1"


def test_a_client_that_begins_a_request_and_does_not_end_it_is_hung_up_on(
    output: ModbusServerOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.05)
    with connected(output) as client:
        client.sendall(READ[:5])

        assert is_hung_up(client)


def test_of_many_clients_the_one_that_was_silent_the_longest_makes_room(
    output: ModbusServerOutput,
) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(output)) for _ in range(MOST_CLIENTS)]
        for client in (*clients, clients[0]):
            asked(client)
        late = stack.enter_context(connected(output))

        assert asked(late)
        assert is_hung_up(clients[1])
        assert all(asked(client) for client in (clients[0], *clients[2:]))


def test_only_the_clients_that_are_named_are_answered() -> None:
    with served(clients=["10.0.0.5"]) as output, connected(output) as client:
        assert is_hung_up(client)
    with served(clients=["127.0.0.0/8"]) as output, connected(output) as client:
        assert asked(client)


def test_what_is_read_in_one_request_belongs_together(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    enough = threading.Event()

    def tell() -> None:
        for number in range(1, 60_000):
            if enough.is_set():
                return
            output.send(verdict("pass" if number % 2 else "fail", f"{number:05}"))

    thread = threading.Thread(target=tell)
    thread.start()
    reads = 0
    while reads < 100:
        registers = plc.read_holding_registers(0, count=64).registers
        sequence, outcome = registers[32:34]
        counted = (registers[6] << 16 | registers[7]) + (registers[8] << 16 | registers[9])
        text = b"".join(word.to_bytes(2, "big") for word in registers[48:51])

        reads += 1
        assert counted == sequence
        assert sequence == 0 or (outcome, int(text[:5])) == (2 - sequence % 2, sequence)
    enough.set()
    thread.join()


def test_closing_hangs_up_and_leaves_no_thread(output: ModbusServerOutput) -> None:
    before = threading.active_count()
    with connected(output) as client:
        assert asked(client)

        output.close()

        assert is_hung_up(client)
    until(lambda: threading.active_count() < before)


def test_a_slow_client_holds_up_no_verdict_and_no_other_client(
    output: ModbusServerOutput, plc: "ModbusTcpClient"
) -> None:
    with connected(output) as slow:
        slow.sendall(READ[:3])
        output.send(verdict("pass"))

        assert counters(plc)["pass"] == 1
