"""A camera that delivers nothing: unplugged, or with a driver that does not come back."""

from collections.abc import Callable

from edgecls_runtime import cameras
from edgecls_runtime.capture.live import Keep
from edgecls_runtime.drill.fault import Fault, Seen
from edgecls_runtime.drill.running import Told
from edgecls_runtime.drill.scene import Broken, Scene

BEFORE_S = 1.5
AWAY = 6  # attempts to open it, each a quarter to half a second after the one before
HANGS_S = 5.0
BACK_S = 30.0


def unplugged(scene: Scene) -> Seen:
    """Take the camera away for a while."""
    return _tried(scene, ("gone", f"refused*{AWAY}"), "it was taken away")


def frozen(scene: Scene) -> Seen:
    """Let a call into the camera's driver not come back."""
    isolated = scene.settings.capture.isolated
    table = scene.settings.all_cameras[scene.camera]
    if cameras.may_hang(table) if isolated is None else isolated:
        # For ever: the process that it lives in has to be ended.
        return _tried(scene, ("hang",), "its driver hung, in a process of its own")
    return _tried(scene, (f"hang:{HANGS_S:g}",), f"its driver hung, for {HANGS_S:g} s")


def _tried(scene: Scene, script: tuple[str, ...], what: str) -> Seen:
    scene.require(live=True)
    before = scene.frames(BEFORE_S)
    with scene.trial(scene.plan((f"frame*{before}", *script))) as trial:
        trial.first()
        last, back = _around(trial.own, trial.running.until, before)
        if last is None or back is None:
            raise Broken(f"it was not judged again within {BACK_S:g} s after {what}: {trial.why}")
        # Those of other cameras go on meanwhile, and are not counted here.
        between = [told for told in trial.own() if last.at < told.at < back.at]
        found = trial.ended()
    wrong = [f"{told.table['part']}: {told.table['reason']}" for told in between if told.is_judged]
    reviews = "no verdict meanwhile" if not between else f"{len(between)} REVIEW meanwhile"
    text = f"{reviews}; judged again {back.at - last.at:.1f} s after {what}; journal: {found.said}"
    if wrong:
        text = f"judged without a picture: {', '.join(wrong[:3])}; {text}"
    # Where the camera's own trigger line announces parts, none came by.
    noticed = bool(between) or scene.settings.capture.keep is Keep.TRIGGERED
    return Seen(not wrong and not found.wrong and noticed, text)


def _around(
    own: Callable[[], list[Told]], until: Callable[[Callable[[], bool], float], bool], before: int
) -> tuple[Told | None, Told | None]:
    """Wait for the camera to be back; return the last verdict before, and the first after."""

    def back() -> Told | None:
        return next((t for t in own() if t.is_judged and (t.frame or 0) >= before), None)

    until(lambda: back() is not None, BEFORE_S + BACK_S)
    last = [t for t in own() if t.frame is not None and t.frame < before]
    return (last[-1] if last else None), back()


UNPLUG = Fault(
    "unplug",
    f"the camera is lost and cannot be opened {AWAY} times",
    "REVIEW with the reason, for each part or each time-out; it is opened again by itself",
    unplugged,
)
FREEZE = Fault(
    "freeze",
    "a call into the camera's driver does not come back",
    "REVIEW with the reason, for each part or each time-out; then it goes on by itself",
    frozen,
)
