"""A wall clock that jumps, as when a time server is first reached."""

from edgecls_runtime.drill.account import number_of
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.scene import Scene, Trial

HOUR_S = 3600.0
PARTS, MOST_S, SAID_S = 10, 60.0, 10.0
# No part takes so long: a figure beyond it was measured by the wrong clock.
LONGEST_MS = 60_000.0


def tried(scene: Scene) -> Seen:
    """Set the clock of the station's process on by an hour, then back by two."""
    scene.require(judges=False)
    with scene.trial(scene.plan()) as trial:
        trial.running.until_told(lambda _: True, MOST_S + scene.start_s)
        waits = []
        for seconds in (HOUR_S, -2 * HOUR_S):
            trial.more(PARTS, MOST_S)
            trial.running.do("set clock", seconds)
            waits.append(trial.more(PARTS, MOST_S))
            trial.running.until(lambda: len(_said(trial)) == len(waits), SAID_S)
        found = trial.ended()
    told = trial.running.told
    times = [told.table[key] for told in told for key in ("latency_ms", "waited_ms")]
    odd = [one for one in times if isinstance(one, int | float) and not 0 <= one < LONGEST_MS]
    numbers = [number_of(told.table) for told in told]
    said = _said(trial)
    ordered = numbers == sorted(numbers)
    text = (
        f"{PARTS} parts took {waits[0]:.1f} s after the jump on and {waits[1]:.1f} s after that "
        f"back; {len(odd)} wrong durations; {'in order' if ordered else 'OUT OF ORDER'}; "
        f"said: {'; '.join(said) or 'NOTHING'}; journal: {found.said}"
    )
    return Seen(not odd and ordered and len(said) == len(waits) and not found.wrong, text)


def _said(trial: Trial) -> list[str]:
    """Return what it has said about its clock."""
    return [line for _, line in trial.running.said if "clock" in line]


FAULT = Fault(
    "clock",
    "the wall clock of its process jumps on by an hour, then back by two",
    "said; verdicts go on in their order, no duration is wrong, and the journal's chain holds",
    tried,
)
