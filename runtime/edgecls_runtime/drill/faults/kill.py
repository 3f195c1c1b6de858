"""kill -9 in the middle of the work: what was acknowledged and told must be in the journal."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgecls_runtime.drill.account import Account, account
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.feeding import Feeder
from edgecls_runtime.drill.plan import Plan
from edgecls_runtime.drill.running import Table, started
from edgecls_runtime.drill.scene import FEED_HZ, START_S, Broken, Scene

TIMES = 5
# From the first verdict to the kill.
LONGEST_S = 0.6


@dataclass
class Killed:
    """What came of killing a station again and again.

    Attributes:
        restarts: From the start of a process to its first verdict, s, of each that had one.
        told: All lines that were told.
        early: Processes that were killed before their first verdict.

    """

    restarts: list[float] = field(default_factory=list)
    told: list[Table] = field(default_factory=list)
    early: int = 0


def killed(plan: Plan, delays: Sequence[float]) -> Killed:
    """Start the station of a plan and kill it, again and again; then end it well.

    Args:
        plan: All of them have its journal.
        delays: For each kill how long after the first verdict, s; below 0, after the start.

    Raises:
        Broken: It did not start again, or did not end well.

    """
    found = Killed()
    for delay in [*delays, None]:
        with started(plan) as running:
            if delay is not None and delay < 0:
                running.until(lambda: False, -delay)
                found.early += not running.told
            elif running.until_told(lambda _: True, START_S) is None:
                raise Broken(f"it did not start again: {running.last_words}")
            else:
                running.until(lambda: False, delay or 0.0)
            if delay is not None:
                running.kill()
            elif code := running.stop():
                raise Broken(f"it ended with exit code {code}: {running.last_words}")
            if running.told:
                found.restarts.append(running.told[0].at - running.began)
            found.told += [told.table for told in running.told]
    return found


def tried(scene: Scene) -> Seen:
    """Kill the station at random moments while parts are announced."""
    scene.require(journal=True, judges=False)
    random_ = random.Random()  # noqa: S311 - no secret
    delays = [random_.uniform(0.0, LONGEST_S) for _ in range(TIMES)]
    plan = scene.plan()
    feeder = None if plan.port is None else Feeder(plan.port, 5 * FEED_HZ)
    try:
        found = killed(plan, delays)
    finally:
        if feeder is not None:
            feeder.stop()
    taken = feeder.acknowledged if feeder else []
    assert plan.journal is not None  # noqa: S101 - it was required
    said: Account = account(plan.journal, found.told, taken, scene.settings.stations)
    text = (
        f"killed {TIMES} times; {len(taken)} parts acknowledged, {len(found.told)} told; "
        f"first verdict {max(found.restarts):.1f} s after a start at most; journal: {said.said}"
    )
    return Seen(not said.wrong, text)


FAULT = Fault(
    "kill",
    f"kill -9 at {TIMES} random moments while parts come",
    "no part that was acknowledged is lost or doubled, all that was told is in the journal, the "
    "chain holds; it starts again by itself",
    tried,
)
