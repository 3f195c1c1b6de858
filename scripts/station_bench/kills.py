"""kill -9 at random moments under load: nothing lost, nothing doubled, soon back."""

import random
import statistics
import time

from edgecls.progress import tell
from edgecls_runtime.drill.account import account, lines_of
from edgecls_runtime.drill.faults.kill import Killed, killed
from edgecls_runtime.drill.feeding import Feeder
from edgecls_runtime.drill.running import started
from edgecls_runtime.journal import open_reader
from station_bench.line import Line, Loaded, Row

# Of the kills, and how late after the first verdict, or after the start of the process, s.
AFTER_FIRST, LATEST_S, LATEST_START_S = 0.8, 0.4, 1.2
FEEDERS, FEED_HZ = 2, 50.0
AT_ONCE = 50
CATCH_UP_S = 120.0
MOST_RESTART_S = 3.0


def measured(line: Line, kills: int, seed: int = 0) -> list[Row]:
    """Kill a station so often; compare what it acknowledged, kept and told."""
    drawn = random.Random(seed)  # noqa: S311 - no secret
    loaded = line.plan()
    plan = loaded.plan
    feeders = [Feeder(loaded.port, FEED_HZ, prefix=f"feeder {n}, part") for n in range(FEEDERS)]
    found, began = Killed(), time.monotonic()
    try:
        for done in range(0, kills, AT_ONCE):
            delays = [_delay(drawn) for _ in range(min(AT_ONCE, kills - done))]
            some = killed(plan, delays)
            found.restarts += some.restarts
            found.told += some.told
            found.early += some.early
            tell(f"{done + len(delays)} of {kills} kills, {time.monotonic() - began:.0f} s")
    finally:
        for feeder in feeders:
            feeder.stop()
    _catch_up(loaded)
    taken = [part for feeder in feeders for part in feeder.acknowledged]
    said = account(loaded.journal, found.told, taken, kept=plan.told)
    restarts = sorted(found.restarts)
    return [
        Row(f"{kills} kills, {found.early} of them before the first verdict",
            f"{len(taken)} parts acknowledged, {said.entries} entries, {len(found.told)} told on "
            f"stdout, {said.repeated} lines told twice to the file"),
        Row("lost, doubled", f"{len(said.lost)}, {len(said.doubled)}", "0, 0",
            reached=not said.lost and not said.doubled),
        Row("told without an entry", f"{len(said.untold)}", "0", reached=not said.untold),
        Row("never told to the output that keeps, out of order",
            f"{said.missing}, {said.disordered}", "0, 0",
            reached=not said.missing and not said.disordered),
        Row("chain", "; ".join(said.faults[:3]) or "holds", "holds", reached=not said.faults),
        Row("start of the process to first verdict",
            f"median {statistics.median(restarts):.2f} s, longest {restarts[-1]:.2f} s",
            f"under {MOST_RESTART_S:g} s", reached=restarts[-1] < MOST_RESTART_S),
    ]  # fmt: skip


def _delay(drawn: random.Random) -> float:
    """Draw when a process is killed; below 0 it is so long after its start."""
    if drawn.random() < AFTER_FIRST:
        return drawn.uniform(0.0, LATEST_S)
    return -drawn.uniform(0.01, LATEST_START_S)


def _catch_up(loaded: Loaded) -> None:
    """Run the station without parts until its output has been told everything."""
    with started(loaded.plan) as running:
        deadline = time.monotonic() + CATCH_UP_S
        while time.monotonic() < deadline:
            running.until(lambda: False, 1.0)
            with open_reader(loaded.journal) as reader:
                entries = sum(reader.counts()[key] for key in ("triggers", "incident"))
            if len({line["id"] for line in lines_of(loaded.plan.told)}) >= entries:
                break
        running.stop()
