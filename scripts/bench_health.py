"""What frame health finds, what it finds wrongly, and what it costs.

    python scripts/bench_health.py [--data DIR] [--scenes 5] [--seed 0] [--held-out 800]

Each scene is a camera of ``health_scenes.py``: its limits are learned from 300 good frames with
``edgecls calibrate``'s own code; then other good frames of it, and frames with one fault each, are
held to them. A photo of ``--data`` (a folder with folders of photos) is the view of each; without
it, photos of solar cells are. Parts are solar cells of the package ``elpv-dataset``.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from elpv_dataset.utils import load_dataset

from edgecls.frame import Frame
from edgecls.metrics import rule_of_three, wilson
from edgecls_runtime.health import kept
from edgecls_runtime.health.calibration import Calibrated, Gathered
from edgecls_runtime.health.learning import MARGIN
from edgecls_runtime.health.measures import grey_levels, measured
from edgecls_runtime.health.settings import HealthSettings
from edgecls_runtime.health.view import Reference, View, small, small_size
from edgecls_runtime.health.watch import Expected, Watch
from edgecls_runtime.images import read_image
from health_scenes import (
    SIZE,
    Image,
    Scene,
    Shot,
    blurred,
    cut_off,
    exposed,
    moved,
    noisier,
    slipped,
    smeared,
    torn_of_two,
    warmer,
)

GOOD_FRAMES, EACH_FAULT, RATE_HZ = 300, 40, 10.0
PARTS = 200
SHOTS = {
    "black: light off": exposed(0.0),
    "exposure / 4": exposed(0.25),
    "exposure / 2": exposed(0.5),
    "exposure x 2": exposed(2.0),
    "exposure x 4": exposed(4.0),
    "white: exposure x 10,000": exposed(10_000),
    "out of focus, 0.7 px": blurred(0.7),
    "out of focus, 1 px": blurred(1.0),
    "out of focus, 2 px": blurred(2.0),
    "out of focus, 4 px": blurred(4.0),
    "smeared over 3 px": smeared(3),
    "smeared over 7 px": smeared(7),
    "noise x 2": noisier(2.0),
    "noise x 4": noisier(4.0),
    "colour: red x 1.1, blue / 1.1": warmer(1.1),
    "colour: red x 1.3, blue / 1.3": warmer(1.3),
    "fog over 15 %": Shot(veil=0.15),
    "fog over 30 %": Shot(veil=0.3),
    "something near hides 10 %": Shot(cover=0.1),
    "something near hides 25 %": Shot(cover=0.25),
    "camera moved by 1 px": moved(1),
    "camera moved by 2 px": moved(2),
    "camera moved by 4 px": moved(4),
    "camera moved by 40 px": moved(40),
    "camera turned by 0.5 degrees": moved(0, 0.5),
    "camera turned by 2 degrees": moved(0, 2),
    "lens zoomed by 2 %": moved(0, 0, 1.02),
}
Faulty = Callable[[Scene, int], Image]


def faults() -> dict[str, Faulty]:
    """Return how each fault is made of a scene and a frame's number."""
    made: dict[str, Faulty] = {
        name: lambda scene, number, shot=shot: scene.frame(number, shot)  # type: ignore[misc]
        for name, shot in SHOTS.items()
    }
    made["torn: two frames, another part"] = lambda scene, number: torn_of_two(
        scene.frame(number), scene.frame(number + 7), _row(number)
    )
    made["torn: two frames, camera shaken 10 px"] = lambda scene, number: torn_of_two(
        scene.frame(number), scene.frame(number + 7, moved(10)), _row(number)
    )
    made["torn: rows slipped by 8 px"] = lambda scene, number: slipped(
        scene.frame(number), _row(number), 8
    )
    for share in (0.5, 0.9, 0.97):
        made[f"half decoded: {100 * share:.0f} % of the JPEG"] = (
            lambda scene, number, share=share: cut_off(scene.jpeg(number), share)  # type: ignore[misc]
        )
    return made


def _row(number: int) -> int:
    """Return a row for a tear, somewhere in the part."""
    return SIZE[0] // 2 - 80 + 16 * (number % 11)


def scenes(data: Path | None, count: int, seed: int) -> Iterator[Scene]:
    """Yield scenes; in the last one the part fills the view, so that nothing stays still."""
    cells = [np.asarray(cv2.cvtColor(cell, cv2.COLOR_GRAY2RGB)) for cell in load_dataset()[0]]
    photos = sorted(data.glob("*/*")) if data else []
    for number in range(seed, seed + count):
        random = np.random.default_rng(number)
        parts = [cells[i] for i in random.permutation(len(cells))[:PARTS]]
        view = (
            read_image(photos[int(random.integers(len(photos)))])
            if photos
            else np.vstack(
                [np.hstack(cells[k : k + 4]) for k in range(20 * number, 20 * number + 12, 4)]
            )
        )
        yield Scene(view, parts, 700 if number == seed + count - 1 else 200, number)


def calibrated(scene: Scene) -> Calibrated:
    """Learn from frames that lie over the whole drift of the light."""
    gathered = Gathered()
    for number in range(GOOD_FRAMES):
        gathered.add(Frame(scene.frame(9 * number), number, number / RATE_HZ, "camera"))
    return gathered.calibrated(MARGIN, live=True)


def expected(found: Calibrated) -> Expected:
    """Return what a station expects that reads these limits from their files."""
    with tempfile.TemporaryDirectory() as folder:
        kept.write(Path(folder), "", found.kept, found.png)
        return HealthSettings(limits=Path(folder)).expected("", live=True)


def frozen_after(scene: Scene, wanted: Expected) -> float | None:
    """Return after how many seconds of one and the same frame it is called frozen."""
    watch, still = Watch(wanted), scene.frame(50_000)
    for number in range(40):
        image = still if number >= 5 else scene.frame(50_001 + number)
        at = number / RATE_HZ
        if "frozen" in watch.fault(Frame(image, number, at, "camera")):
            return at - 5 / RATE_HZ
    return None


def held(scene: Scene, wanted: Expected, faulty: Faulty, first: int, count: int) -> Counter[str]:
    """Count the figures that break a limit in frames, and under "" the frames where one does."""
    found: Counter[str] = Counter()
    for number in range(first, first + count):
        broken = wanted.limits.all_broken(measured(faulty(scene, number), wanted.reference))
        found.update(broken)
        found[""] += bool(broken)
    return found


def cost(rounds: int = 100) -> dict[str, float]:
    """Return the processor time of measuring one 1080p frame on one thread, ms, in turns."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (68, 120, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    image = np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
    grey = small(grey_levels(image), small_size(1080, 1920))
    reference = Reference(View((1080, 1920), grey, np.full_like(grey, 255)))
    times: dict[str, list[float]] = {"without a view": [], "with a view": [], "a copy of it": []}
    for _ in range(rounds):
        for name, taken in times.items():
            began = time.thread_time()
            if name == "a copy of it":
                image.copy()
            else:
                measured(image, reference if name == "with a view" else None)
            taken.append(1000 * (time.thread_time() - began))
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path)
    parser.add_argument("--scenes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=800)
    arguments = parser.parse_args()
    alarms: Counter[str] = Counter()
    hits: dict[str, list[Counter[str]]] = {name: [] for name in faults()}
    freezes = []
    for scene in scenes(arguments.data, arguments.scenes, arguments.seed):
        learned = calibrated(scene)
        wanted = expected(learned)
        own = held(scene, wanted, Scene.frame, 20_000, arguments.held_out)
        print(f"scene: {own['']} of {arguments.held_out} good frames refused;", end=" ")
        print(f"expected at most {100 * learned.kept.false_alarms.at_most:.2g} %;", end=" ")
        print("; ".join(learned.learned.warnings) or "no warnings", flush=True)
        alarms.update(own)
        freezes.append(frozen_after(scene, wanted))
        for name, faulty in faults().items():
            hits[name].append(held(scene, wanted, faulty, 40_000, EACH_FAULT))
    report(hits, alarms, arguments.scenes * arguments.held_out)
    print(f"frozen after, s: {freezes}")
    print("cost, ms:", {name: round(value, 2) for name, value in cost().items()})


def report(hits: dict[str, list[Counter[str]]], alarms: Counter[str], good: int) -> None:
    """Print what was found, as a table of Markdown; the last scene, without a view, on its own."""
    wrong = alarms[""]
    most = wilson(wrong, good)[1] if wrong else rule_of_three(good)
    print(f"good frames refused: {wrong} of {good}: at most {100 * most:.3f} % ({dict(alarms)})")
    print("| fault | found, with a view | without one | by |\n|---|---|---|---|")
    for name, found in hits.items():
        *viewed, alone = found
        rate = sum(one[""] for one in viewed) / (EACH_FAULT * len(viewed)) if viewed else 0.0
        by = sum(found, Counter[str]())
        del by[""]
        names = ", ".join(which for which, _ in by.most_common(3))
        print(f"| {name} | {100 * rate:.0f} % | {100 * alone[''] / EACH_FAULT:.0f} % | {names} |")


if __name__ == "__main__":
    main()
