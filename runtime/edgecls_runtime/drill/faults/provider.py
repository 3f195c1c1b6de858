"""A provider that is lost, as when a device is reset or its driver updated."""

from pathlib import Path

from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.scene import Broken, Scene
from edgecls_runtime.journal import open_reader

AWAY_S = 2.0
# Attempts to open it again are up to 30 s apart.
BACK_S = 60.0


def tried(scene: Scene) -> Seen:
    """Take the provider away for a while."""
    scene.require()
    with scene.trial(scene.plan()) as trial:
        trial.first()
        trial.more(5, BACK_S)
        trial.running.do("lose provider", AWAY_S)
        lost = trial.running.until_told(lambda t: t.table["cause"] == "error", BACK_S)
        if lost is None:
            raise Broken(f"nothing noticed that the provider was away: {trial.why}")
        back = trial.running.until_told(
            lambda t: t.is_judged and t.at > lost.at, BACK_S + 3 * scene.start_s
        )
        if back is None:
            raise Broken(f"nothing was judged after the provider was back: {trial.why}")
        reviews = [told for told in trial.running.told if lost.at <= told.at < back.at]
        found = trial.ended()
    said = [line for _, line in trial.running.said if line.startswith("provider")]
    text = (
        f"{len(reviews)} REVIEW while it was away for {AWAY_S:g} s; judged again "
        f"{back.at - lost.at:.1f} s after it was lost; said {len(said)} times; "
        f"journal: {_sessions(trial.plan.journal)}{found.said}"
    )
    judged = [told for told in reviews if told.is_judged]
    return Seen(not judged and not found.wrong and bool(said), text)


def _sessions(journal: Path | None) -> str:
    if journal is None:
        return ""
    with open_reader(journal) as reader:
        return f"{len(reader.table('sessions'))} sessions, "


FAULT = Fault(
    "provider",
    f"the provider fails, and cannot be opened again for {AWAY_S:g} s",
    "REVIEW with the reason; it is opened again by itself, and a session of its own begins",
    tried,
)
