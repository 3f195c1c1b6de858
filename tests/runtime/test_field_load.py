"""Outputs of the factory floor under load: memory stays, and a slow PLC delays nobody else."""

import gc
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls.verdict import Verdict
from edgecls_runtime.protocols import Output
from edgecls_runtime.telling.outbox import Momentary, Traits
from edgecls_runtime.telling.settings import Audience
from output_kinds import Table, open_output, verdict
from outputs_field import asker, table_of
from trigger_sources import Plc, closed_port, missing, until

pytestmark = pytest.mark.skipif(
    bool(missing("asyncua", "pymodbus")), reason=missing("asyncua", "pymodbus")
)
READER = Path(__file__).parents[1] / "opcua_reader.py"
MOST_GROWTH = 300_000  # bytes over 10,000 verdicts, after as many: a leak of 30 each is seen


class Told:
    """An output that takes what it is told, and when."""

    def __init__(self) -> None:
        self.after: list[float] = []

    def send(self, told: Verdict) -> None:
        self.after.append(time.monotonic() - told.decided_at)

    def close(self) -> None: ...


@contextmanager
def outbox(output: Output) -> Iterator[Momentary]:
    names = Audience(name="one", window_ms=500)
    with closing(Momentary(output, names, None, lambda _: None, traits=Traits())) as found:
        yield found


@pytest.mark.parametrize("delay", [0.8, 1.2])
def test_a_plc_that_is_slow_or_too_slow_delays_no_verdict_and_no_other_output(
    delay: float,
) -> None:
    plc, other = Plc(), Told()
    try:
        slow = open_output(table_of(plc))
        plc.kill()
        plc = Plc(delay, plc.port)
        with outbox(slow) as to_slow, outbox(other) as to_other:
            longest = 0.0
            for number in range(100):
                told = replace(verdict("pass", str(number)), id="", decided_at=time.monotonic())
                before = time.monotonic()
                to_slow.send(told)
                to_other.send(told)
                longest = max(longest, time.monotonic() - before)
                time.sleep(0.02)  # a line's pace
            until(lambda: len(other.after) == 100)
            state = to_slow.state
    finally:
        plc.kill()

    assert longest < 0.5
    assert max(other.after) < 0.5
    assert state.told + state.late + state.failed + state.dropped + state.backlog == 100
    assert state.told < 10


@contextmanager
def opened(kind: str) -> Iterator[Output]:
    """Open an output whose other side asks or listens all the time, and does not keep up."""
    port = closed_port()
    if kind == "modbus":
        plc = Plc()
        try:
            with closing(open_output(table_of(plc))) as output:
                yield output
        finally:
            plc.kill()
    elif kind == "modbus_server":
        with closing(open_output({"kind": kind, "port": port})) as output, asking(port):
            yield output
    else:
        table: Table = {"kind": kind, "port": port, "results": 50}
        with closing(open_output(table)) as output, listening(port):
            yield output


@contextmanager
def asking(port: int) -> Iterator[None]:
    done = threading.Event()
    with closing(asker(port)) as client:

        def ask() -> None:
            while not done.wait(0.01):
                client.read_holding_registers(0, count=64)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def listening(port: int) -> Iterator[None]:
    command = [sys.executable, str(READER), f"opc.tcp://127.0.0.1:{port}", "deaf"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"subscribed\n"
        yield
        client.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["modbus", "modbus_server", "opcua"])
def test_ten_thousand_verdicts_leave_memory_as_it_was(kind: str) -> None:
    tracemalloc.start()
    try:
        with opened(kind) as output:
            tell(output, 10_000)
            before = traced()
            tell(output, 10_000)
            after = traced()
    finally:
        tracemalloc.stop()

    assert after - before < MOST_GROWTH


def tell(output: Output, count: int) -> None:
    for number in range(count):
        output.send(verdict("pass" if number % 3 else "fail", str(number)))


def traced() -> int:
    """Return the bytes that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
