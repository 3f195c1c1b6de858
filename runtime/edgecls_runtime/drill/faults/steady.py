"""No fault at all: what the others are compared with."""

import time

from edgecls.metrics import percentile
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.scene import Broken, Scene

PARTS, MOST_S = 40, 60.0


def tried(scene: Scene) -> Seen:
    """Run the station as it is; note how fast it judges."""
    scene.trouble = "the station could not be run"
    try:
        with scene.trial(scene.plan()) as trial:
            first = trial.first()
            scene.start_s = first.at - trial.running.began
            began = time.monotonic()
            trial.more(PARTS, MOST_S)
            scene.judged_hz = PARTS / (time.monotonic() - began) / len(trial.stations)
            found = trial.ended()
    except Broken as error:
        scene.trouble = str(error)
        return Seen(right=False, text=str(error))
    scene.trouble = ""
    judged = sum(told.is_judged for told in trial.running.told)
    latencies = [
        float(told.table["latency_ms"])
        for told in trial.running.told
        if isinstance(told.table["latency_ms"], int | float)
    ]
    text = (
        f"{judged} of {len(trial.running.told)} parts judged, {scene.judged_hz:.1f} a second of "
        f"a camera, {percentile(latencies, 50):.0f} ms after the frame (median); first verdict "
        f"{scene.start_s:.1f} s after the start; journal: {found.said}"
    )
    return Seen(not found.wrong, text)


FAULT = Fault(
    "steady",
    "nothing",
    "parts are judged; all of them and all that was told is in the journal",
    tried,
)
