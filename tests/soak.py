"""Scripted faults through every way that frames can take, all at the same time.

    python tests/soak.py FAULTS

Whatever the camera does: no read hangs, no announced part is without a verdict or with another
part's picture, counters balance, and neither threads, files nor processes stay. What was held on
the way, memory too, comes as a line of JSON: in a process that has loaded nothing else.
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.frame import Frame
from edgecls.prediction import Prediction, Task
from edgecls.verdict import Verdict
from edgecls_runtime import cameras, lines
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.cameras import fake
from edgecls_runtime.cameras.fake import ScriptedCamera
from edgecls_runtime.capture import isolated as isolation
from edgecls_runtime.capture import live
from edgecls_runtime.capture.ahead import Ahead
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.together import Together
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.decision import Rule
from edgecls_runtime.protocols import Camera
from edgecls_runtime.scripted import Step
from edgecls_runtime.station import Station
from held import Held, held

Image = NDArray[np.uint8]
LABELS = ("ok", "scratch")
SCORES = np.array([0.99, 0.01], np.float32)
# How often each fault is drawn; hung drivers, which cost seconds, come on top of it.
FAULTS = {
    "black": 6, "same*3": 6, "damaged": 8, "lost": 8, "old:2": 6, "slow:0.02": 6, "slow:0.3": 1,
    "silent:0.02": 6, "skip:2": 6, "resize:24x40": 3, "resize:48x32": 3, "gone": 3, "bug": 2,
    "close:0.02": 1, "open:0.02": 1, "refused": 1, "busy*2": 1, "auth": 1, "hang:0.1": 1,
}  # fmt: skip
# Of every hundred faults; only where the process is ended instead of waiting for the driver.
HANGS = 0.5


def drawn(faults: int, seed: int, *, isolated: bool) -> list[str]:
    """Draw a script of so many faults, with a few frames between them."""
    random = np.random.default_rng(seed)
    weights = np.array([*FAULTS.values()], float)
    script = ["frame*5"]
    for fault in random.choice([*FAULTS], faults, p=weights / weights.sum()):
        hangs = isolated and random.uniform(0, 100) < HANGS
        script += ["hang:99" if hangs else str(fault), f"frame*{random.integers(1, 4)}"]
    return script


def counted(script: list[str]) -> int:
    return sum(int(line.partition("*")[2] or 1) for line in script)


class Witness(ScriptedCamera):
    """A camera whose pictures show for which part they were ordered."""

    orders: deque[int]
    said: "Way"

    def fire(self) -> None:
        parts = self.said.parts
        assert parts is not None
        assert parts._looking is not None
        self.orders.append(int(parts._looking[0]))
        super().fire()

    def _frame(self, event: Step, now: float) -> Undecoded | None:
        part = self.orders.popleft()
        found = super()._frame(event, now)
        if found is None or event.word == "damaged":
            return found
        return replace(found, decode=lambda: np.full((4, 4, 3), part % 251, np.uint8))


@dataclass
class Way:
    """One way from a camera to verdicts, and what came out of it."""

    name: str
    keep: Keep = Keep.NEWEST
    isolated: bool = False
    announced: bool = False
    fires: bool = False
    script: list[str] = field(default_factory=list)
    state: Path = field(default_factory=Path)
    camera: LiveCamera | None = None
    parts: TriggeredCamera | None = None
    ahead: Ahead | None = None
    bell: Announcements = field(default_factory=Announcements)
    told: Counter[str] = field(default_factory=Counter)
    swapped: int = 0
    twice: int = 0
    seen: int = 0

    @property
    def place(self) -> int:
        with suppress(OSError, ValueError):
            return int(self.state.read_bytes() or b"0")
        return 0

    @property
    def is_played(self) -> bool:
        return self.place >= counted(self.script)

    def open(self, faults: int, folder: Path, seed: int) -> Camera:
        """Open the camera with all that stands before it."""
        self.script = drawn(faults, seed, isolated=self.isolated)
        self.state = folder / self.name
        settings = CaptureSettings(keep=self.keep, isolated=self.isolated)
        table = {
            "kind": "fake", "script": self.script, "state": str(self.state), "rate_hz": 400.0,
            "height_px": 32, "width_px": 32, "fires": self.fires,
        }  # fmt: skip
        if self.fires and not self.isolated:
            self.camera = LiveCamera(self._witness(), self._witness)
        else:
            camera = cameras.open_table(table, capture=settings)
            assert isinstance(camera, LiveCamera)
            self.camera = camera
        found: Camera = self.camera
        if self.announced:
            found = self.parts = TriggeredCamera(self.camera, self.bell, settings, timeout=0.15)
        self.ahead = Ahead(found, prepared, timeout=0.2)
        return self.ahead

    def _witness(self) -> Camera:
        camera = fake.open(script=tuple(self.script), state=self.state, rate_hz=400.0, fires=True)
        camera.__class__ = Witness
        assert isinstance(camera, Witness)
        camera.orders, camera.said = deque(), self
        return camera

    def station(self, camera: Camera) -> Station[Prediction]:
        return Station(camera, self.classify, Rule(LABELS), timeout=0.2, name=self.name)

    def classify(self, frame: Frame) -> Prediction:
        if self.fires and not self.isolated:
            assert frame.part is not None
            self.swapped += int(frame.image[0, 0, 0]) != int(frame.part) % 251
        return Prediction(SCORES, LABELS, Task.MULTICLASS)

    def ring(self) -> None:
        """Announce the next part, unless some wait or the script is over."""
        if self.announced and self.bell.heard.announced - self.seen < 3 and not self.is_played:
            self.bell.put(str(self.bell.heard.announced + 1))

    def count(self, verdict: Verdict) -> None:
        """Sort a verdict by what it says."""
        reason = verdict.reason
        if self.announced:  # parts come in their order, each once
            self.seen += 1
            self.twice += verdict.part != f"{self.name} {self.seen}"
        if verdict.frame_number is not None:
            self.told["frame"] += 1
        elif "no frame within" in reason:  # and what was wrong before
            self.told["silence"] += 1
        elif "was lost on its way" in reason:
            self.told["gap"] += 1
        elif "others were waiting" in reason:
            self.told["overrun"] += 1
        elif "not a JPEG" in reason:
            self.told["damaged"] += 1
        else:
            self.told["other"] += 1


def prepared(image: Image, _: Image | None) -> Image:
    return image[:8, :8].copy()


def ways() -> list[Way]:
    """Return every way there is."""
    made = []
    for isolated, place in ((False, "thread"), (True, "process")):
        made += [Way(f"{keep} {place}", keep, isolated) for keep in Keep]
        made.append(Way(f"announced {place}", isolated=isolated, announced=True))
        made.append(Way(f"fired {place}", isolated=isolated, announced=True, fires=True))
    return made


def soak(faults: int, folder: Path) -> tuple[list[Way], list[Held]]:
    """Play so many faults; return what came of them, and what was held during and after it."""
    every = ways()
    measured: list[Held] = []
    with Together() as together:
        stations = []
        for seed, way in enumerate(every):
            camera = way.open(faults // len(every), folder, seed)
            together.add(camera)
            stations.append(way.station(camera))
        by_name = {way.name: way for way in every}
        over = threading.Event()
        overseer = threading.Thread(target=oversee, args=(every, measured, over))
        overseer.start()
        for verdict in lines.run(stations, over.is_set):
            by_name[verdict.camera].count(verdict)
        overseer.join()
    return every, measured


def oversee(every: list[Way], measured: list[Held], over: threading.Event) -> None:
    """Ring bells until each script is over and all was told; note what is held on the way."""
    marks = deque(sorted(0.3 + 0.7 * share for share in (0.0, 0.2, 0.4, 0.6, 0.8)))
    total = sum(counted(way.script) for way in every)
    stuck_at = time.monotonic() + 60
    last = -1
    while not all(way.is_played for way in every) and time.monotonic() < stuck_at:
        for way in every:
            way.ring()
        done = sum(way.place for way in every)
        if done != last:
            last, stuck_at = done, time.monotonic() + 60
        if marks and done >= marks[0] * total:
            marks.popleft()
            measured.append(held())
        time.sleep(0.004)
    quiet_at = time.monotonic() + 10
    while any(way.announced and way.seen < way.bell.heard.announced for way in every):
        if time.monotonic() > quiet_at:
            break
        time.sleep(0.01)
    time.sleep(1.0)  # until what waits in queues is told
    over.set()


def hasten() -> None:
    """Shorten waits that only cost time here; for a process of its own."""
    live.READ_S, live.RETRY_S, live.LOCKED_RETRY_S, live.OWED_S = 0.3, 0.05, 0.1, 0.5
    isolation.GRACE_S = 0.7


def check(every: list[Way]) -> None:
    for way in every:
        camera, ahead = way.camera, way.ahead
        assert camera is not None
        assert ahead is not None
        what = f"{way.name}: {way.told}, {camera.delivered} delivered, {camera.missed} missed"
        assert way.is_played, f"{what}: hangs at {way.place} of {counted(way.script)}"
        assert camera.reopened, what
        told = way.told
        if way.announced:
            assert way.parts is not None
            counts = way.parts.counts
            assert counts.announced == way.bell.heard.announced == way.seen, (what, counts)
            assert counts.announced == counts.taken + counts.missed, (what, counts)
            assert (way.twice, way.swapped) == (0, 0), what
        elif way.keep is Keep.NEWEST:
            unaccounted = camera.delivered - camera.dropped - ahead.dropped - told["frame"]
            # Damaged ones are passed over for the next; a few are on their way at the end.
            assert 0 <= unaccounted <= way.script.count("damaged") + 4, what
        else:
            assert told["frame"] + told["damaged"] + told["overrun"] == camera.delivered, what
            assert told["gap"] + told["overrun"] == camera.missed, what


def play(faults: int, folder: Path) -> list[Held]:
    before = held()
    every, measured = soak(faults, folder)
    check(every)
    deadline = time.monotonic() + 10
    while (after := held()).threads > before.threads or after.processes > before.processes:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)
    assert after.files <= before.files, (before, after)
    return measured


def main() -> None:
    """Play, check, and print what was held."""
    hasten()
    with tempfile.TemporaryDirectory() as folder:
        measured = play(int(sys.argv[1]), Path(folder))
    sys.stdout.write(json.dumps([asdict(one) for one in measured]) + "\n")


if __name__ == "__main__":
    main()
