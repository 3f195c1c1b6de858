"""A full disk: how long the reserve lasts, who sees it, and whether it comes back by itself."""

from contextlib import ExitStack

from edgecls_runtime.drill.account import account
from edgecls_runtime.drill.faults.disk import AGAIN, FULL, LASTS
from edgecls_runtime.drill.feeding import Feeder
from edgecls_runtime.drill.running import started
from edgecls_runtime.drill.small_disk import small_disk
from station_bench.line import Line, Row, require_first

DISK_MB = 64
FULL_S, BACK_S = 900.0, 60.0


def measured(line: Line, rate_hz: float) -> list[Row]:
    """Fill the journal's disk, wait until its reserve is used up, and make room again."""
    folder = line.folder / "small"
    folder.mkdir()
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder, DISK_MB))
        if disk is None:
            return [Row("full disk", "not measured: a disk of its own needs root")]
        loaded = line.plan(journal=folder / "verdicts.db")
        plan = loaded.plan
        running = stack.enter_context(started(plan))
        feeder = Feeder(loaded.port, rate_hz)
        require_first(running)
        running.until(lambda: False, 2.0)
        before = len(running.told)
        disk.fill(0)
        full = running.until_said(FULL, FULL_S)
        reserve = running.until_said(LASTS, 0.0)
        lasted = len(running.told) - before
        running.until(lambda: False, 5.0)
        silent = len(running.told) - before - lasted
        disk.free(0)
        again = running.until_said(AGAIN, BACK_S)
        back = again and running.until_told(lambda one: one.is_judged and one.at > again, BACK_S)
        running.until(lambda: False, 2.0)
        feeder.stop()
        running.until(lambda: False, 3.0)  # what waits is judged, and told
        running.stop()
        told = [one.table for one in running.told]
        said = account(folder / "verdicts.db", told, feeder.acknowledged, kept=plan.told)
    return [
        Row("seen by the operator", "said on stderr" if full and reserve else "NOT said",
            "said", reached=bool(full and reserve)),
        Row(f"{plan.reserve_mb:g} MB of reserve", f"lasted {lasted} parts"),
        Row("told behind it, what is on no disk", f"{silent} parts", "0", reached=silent <= 1),
        Row("with room again", "goes on without a restart" if back else "does NOT go on",
            "goes on", reached=bool(back)),
        Row("journal", said.said, "none lost", reached=not said.wrong),
    ]  # fmt: skip
