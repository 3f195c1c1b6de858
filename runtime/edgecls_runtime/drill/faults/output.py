"""An output that is down for a while, as a broker or a share is."""

from itertools import pairwise

from edgecls_runtime.drill.account import account, lines_of
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.scene import Broken, Scene

DOWN_S = 4.0
# Attempts to reach it are up to 30 s apart.
BACK_S = 60.0


def tried(scene: Scene) -> Seen:
    """Take away the folder that an output which is told everything writes to."""
    scene.require(journal=True, judges=False)
    with scene.trial(scene.plan()) as trial:
        trial.first()
        trial.more(10, BACK_S)
        folder = trial.plan.told.parent
        away = folder.with_name("away")
        folder.rename(away)
        down = len(trial.running.told)
        trial.running.until(lambda: False, DOWN_S)
        meanwhile = trial.running.told[down:]
        away.rename(folder)
        if len(meanwhile) < 2:
            raise Broken(f"no verdicts while an output was down: {trial.why}")
        if trial.feeder is not None:
            trial.feeder.stop()
        missed = {told.table["id"] for told in meanwhile}
        caught_up = trial.running.until(
            lambda: missed <= {line["id"] for line in lines_of(trial.plan.told)}, BACK_S
        )
        trial.ended()
    assert trial.plan.journal is not None  # noqa: S101 - it was required
    told = [one.table for one in trial.running.told]
    taken = trial.feeder.acknowledged if trial.feeder else []
    found = account(trial.plan.journal, told, taken, trial.stations, trial.plan.told)
    slowest = max(after.at - one.at for one, after in pairwise(meanwhile))
    said = trial.running.until_said("output drill file: told again", 0.0) is not None
    text = (
        f"{len(meanwhile)} verdicts meanwhile, {1000 * slowest:.0f} ms apart at most; "
        f"{'all' if caught_up else 'NOT all'} were told when it was back, "
        f"{found.repeated} of them twice, {found.disordered} out of order; journal: {found.said}"
    )
    return Seen(caught_up and said and not found.wrong, text)


FAULT = Fault(
    "output",
    f"an output that is told everything is down for {DOWN_S:g} s",
    "verdicts go on; when it is back it is told all it missed, in order, each known by its id",
    tried,
)
