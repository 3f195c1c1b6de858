"""A full disk: the journal's reserve, what happens behind it, and the way back."""

from contextlib import ExitStack
from dataclasses import replace

from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.scene import Broken, Scene, Trial
from edgecls_runtime.drill.small_disk import Disk, Limit, small_disk

DISK_MB = 32
RESERVE_MB = 0.3
# Many, for the reserve lasts long.
FEED_HZ = 50.0
FULL_S = 180.0
BACK_S = 30.0
LASTS, FULL, AGAIN = "its reserve is being used", "parts are REVIEW until", "writing again"


def tried(scene: Scene) -> Seen:
    """Fill the disk that the journal is on, and make room again."""
    scene.require(journal=True)
    folder = scene.scratch / "disk"
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        small = stack.enter_context(small_disk(folder, DISK_MB))
        plan = scene.plan(journal=folder / "verdicts.db" if small else None)
        # A small reserve: a drill is not to wait until that of the station is used up.
        plan = replace(plan, reserve_mb=RESERVE_MB if small else 0.0)
        trial = stack.enter_context(scene.trial(plan, feed_hz=FEED_HZ))
        text, right = _filled(trial, small or Limit())
        found = trial.ended()
    return Seen(right and not found.wrong, f"{text}; journal: {found.said}")


def _filled(trial: Trial, disk: Disk) -> tuple[str, bool]:
    running = trial.running
    trial.first()
    trial.more(5, BACK_S)
    began = len(running.told)
    disk.fill(running.process.pid)
    try:
        full = running.until_said(FULL, FULL_S)
        if full is None:
            raise Broken(f"on a full disk ({disk.how}) nothing was said: {trial.why}")
        lasted = len([told for told in running.told[began:] if told.at < full])
        silent = _silent(trial)
    finally:
        disk.free(running.process.pid)
    again = running.until_said(AGAIN, BACK_S)
    back = again and running.until_told(lambda told: told.is_judged and told.at > again, BACK_S)
    if again is None or back is None:
        raise Broken(f"nothing was written again once there was room: {trial.why}")
    reserve = running.until_said(LASTS, 0.0)
    text = f"{disk.how}: said at once"
    if reserve is not None:
        text += f", {RESERVE_MB:g} MB of reserve lasted {lasted} parts"
    text += f"; then {'nobody was told of a part' if silent else 'parts were told'}"
    return f"{text}; with room again it went on without a restart", silent


def _silent(trial: Trial) -> bool:
    """Tell whether nothing is told while nothing can be written."""
    before = len(trial.running.told)
    return not trial.running.until(lambda: len(trial.running.told) > before + 1, 2.0)


FAULT = Fault(
    "disk",
    "the disk of the journal is full, and then there is room again",
    "said on stderr; verdicts go on from the journal's reserve; behind it parts are REVIEW and "
    "nobody is told what is not on the disk; with room again it goes on without a restart",
    tried,
)
