"""A camera that delivers pictures that say nothing: black ones, or the same again and again."""

from edgecls_runtime.config import Settings
from edgecls_runtime.decision.votes import Vote
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.running import Told
from edgecls_runtime.drill.scene import Broken, Scene, Untried
from edgecls_runtime.health.settings import HealthSettings

BLACK_S = 2.0
BACK_S = 30.0
# A camera that nobody has calibrated is called frozen once so many of its frames differed.
LIVELY = 40
SLACK_S = 1.0
LONGEST_S = 120.0
# Frames by which two cameras of one part may be apart.
TOGETHER = 3


def black(scene: Scene) -> Seen:
    """Put the cap on the lens."""
    scene.require(live=True)
    return _tried(scene, "black", scene.frames(BLACK_S), scene.frames(1.5), 0)


def repeated(scene: Scene) -> Seen:
    """Show one picture again and again."""
    scene.require(live=True)
    if scene.shown[scene.camera].count < 2:
        raise Untried("the camera showed one picture only; repeats cannot be told from it")
    after = _frozen_after(scene.settings.health, scene.camera)
    if after > LONGEST_S:
        raise Untried(f"by [health] a camera is frozen after {after:.0f} s; a drill is shorter")
    # As many as the station judges in that time, and not as many as the camera delivers.
    before = scene.frames(LIVELY / min(scene.judged_hz, scene.pace_hz) + 1)
    told_from = scene.frames(after + SLACK_S)
    return _tried(scene, "same", told_from + scene.frames(BLACK_S), before, told_from)


def _tried(scene: Scene, word: str, count: int, before: int, told_from: int) -> Seen:
    """Show so many bad pictures; from one of them on, each must be REVIEW."""
    with scene.trial(scene.plan((f"frame*{before}", f"{word}*{count}"))) as trial:
        trial.first()

        def back() -> Told | None:
            after = before + count
            return next((t for t in trial.own() if t.is_judged and (t.frame or 0) >= after), None)

        seconds = (before + count) / scene.pace_hz + BACK_S
        trial.running.until(lambda: back() is not None, seconds)
        if back() is None:
            raise Broken(f"good pictures were not judged again: {trial.why}")
        edge = _edge(scene.settings)
        bad = range(before + told_from + edge, before + count - edge)
        shown = [told for told in trial.own() if told.frame in bad]
        found = trial.ended()
    judged = [told for told in shown if told.is_judged]
    passed = sum(told.passed for told in judged)
    if judged:
        text = (
            f"{len(judged)} of {len(shown)} such pictures were judged, {passed} of them PASS; "
            f"edgecls calibrate learns which pictures are not fit, and [health] off may have this"
        )
    else:
        reason = shown[-1].table["reason"] if shown else "none was looked at"
        text = f"{len(shown)} REVIEW: {reason}; then judged again; journal: {found.said}"
    return Seen(bool(shown) and not judged and not found.wrong, text)


def _edge(settings: Settings) -> int:
    """Return how many frames at either end may belong to a part that other frames show, too."""
    vote = settings.vote
    if vote == Vote() and not settings.together:
        return 0
    return vote.frames + vote.consecutive + TOGETHER


def _frozen_after(health: HealthSettings, camera: str) -> float:
    """Return after how many seconds of the same picture a camera is frozen."""
    frozen = health.expected(camera, live=True).frozen
    return frozen.after_ms / 1000 if frozen else 2.0


BLACK = Fault(
    "black",
    "the camera's pictures are black",
    "REVIEW with the reason before the network sees one",
    black,
)
REPEATED = Fault(
    "repeated",
    "the camera shows one picture again and again",
    "REVIEW as frozen, once it has shown the same for as long as [health] says",
    repeated,
)
