"""A broker and a share that are down for minutes: everything is told afterwards, in order."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from edgecls.progress import tell
from edgecls_runtime.drill.account import Account, account, lines_of, number_of
from edgecls_runtime.drill.feeding import Feeder
from edgecls_runtime.drill.running import Running, Table, started
from station_bench.line import Line, Row, require_first
from trigger_sources import Broker, missing

# Attempts are up to 30 s apart.
CATCH_UP_S = 90.0
BEFORE_S = 3.0
TOPIC = "edgecls/bench/verdicts"


class Heard:
    """What a subscriber of the broker got."""

    def __init__(self, broker: Broker) -> None:
        """Subscribe, and stay."""
        self.lines: list[Table] = []
        client = self._client = broker.client(client_id="bench")
        client.reconnect_delay_set(1, 1)
        client.on_message = lambda _, __, message: self.lines.append(json.loads(message.payload))
        client.on_connect = lambda client, *_: client.subscribe(TOPIC, 1)
        client.connect("127.0.0.1", broker.port, 5)
        client.loop_start()

    def close(self) -> None:
        """Go away."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def brokered(
    folder: Path, *, remembers: bool = False
) -> Iterator[tuple[Broker, dict[str, object]] | None]:
    """Start mosquitto; None where it is not here.

    Args:
        folder: Of its files.
        remembers: Whether it knows after its death who listened: then it writes at each message.

    """
    if missing("mosquitto", "paho.mqtt"):
        yield None
        return
    written = ("persistence true", "autosave_interval 1", "autosave_on_changes true")
    # A subscriber that is away for a moment misses nothing.
    more = (*written, f"persistence_location {folder}/", "max_queued_messages 0")
    broker = Broker(folder, tls=False, more=more if remembers else ())
    try:
        yield broker, {"kind": "mqtt", "station": "bench", **broker.table}
    finally:
        broker.kill()


def measured(line: Line, seconds: float, rate_hz: float) -> list[Row]:
    """Take the other sides of two outputs away for so long, and give them back."""
    with ExitStack() as stack:
        mqtt = stack.enter_context(brokered(line.folder / "broker", remembers=True))
        loaded = line.plan(outputs=(mqtt[1],) if mqtt else ())
        plan = loaded.plan
        heard = Heard(mqtt[0]) if mqtt else None
        running = stack.enter_context(started(plan))
        feeder = Feeder(loaded.port, rate_hz)
        require_first(running)
        time.sleep(BEFORE_S)
        folder = plan.told.parent
        folder.rename(folder.with_name("away"))
        if mqtt:
            mqtt[0].kill()
        down = len(running.told)
        time.sleep(seconds)
        meanwhile = running.told[down:]
        folder.with_name("away").rename(folder)
        if mqtt:
            mqtt[0].start()
        tell(f"{len(meanwhile)} verdicts in {seconds:g} s of outage")
        time.sleep(BEFORE_S)
        feeder.stop()
        time.sleep(1.0)
        rows = [
            _row("file", running, lambda: lines_of(plan.told)),
            *([_row("mqtt", running, lambda: [*heard.lines])] if heard else []),
        ]
        if heard:
            heard.close()
        running.stop()
    said: Account = account(
        loaded.journal, [one.table for one in running.told], feeder.acknowledged
    )
    slowest = max(after.at - one.at for one, after in pairwise(meanwhile))
    return [
        Row(f"other sides down for {seconds:g} s at {rate_hz:g} parts a second",
            f"{len(meanwhile)} verdicts meanwhile, {1000 * slowest:.0f} ms apart at most"),
        *rows,
        *([] if mqtt else [Row("mqtt", "not measured: mosquitto or paho-mqtt is not here")]),
        Row("journal", said.said, "none lost", reached=not said.wrong),
    ]  # fmt: skip


def _row(name: str, running: Running, lines: Callable[[], list[Table]]) -> Row:
    """Wait until an output's other side has all; say whether it has, and in which order."""
    wanted = {str(one.table["id"]) for one in running.told}
    began = time.monotonic()
    running.until(lambda: wanted <= {str(line["id"]) for line in lines()}, CATCH_UP_S)
    took = time.monotonic() - began
    found = lines()
    first = [*dict.fromkeys(number_of(line) for line in found)]
    lacks = len(wanted - {str(line["id"]) for line in found})
    ordered = first == sorted(first)
    return Row(
        f"{name}: told afterwards",
        f"{len(wanted) - lacks} of {len(wanted)}, {len(found) - len(first)} of them twice, "
        f"{'in order' if ordered else 'OUT OF ORDER'}; the last one {took:.1f} s later",
        "all, in order",
        reached=not lacks and ordered,
    )
