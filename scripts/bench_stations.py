"""Four cameras, one classifier: who is judged how often, and how old the frames are.

    python scripts/bench_stations.py [--bundle BUNDLE] [--seconds 5] [--rounds 3]

MobileNetV3-small (drawn weights, exported once to the user's cache) on cameras that send JPEGs at a
rate. Ours is one station with four cameras; plain is what one writes first: a thread for each
camera that decodes, resizes and runs a shared session behind ``threading.Lock``. Both decode and
resize with the same code, and take turns in rounds: what else the machine does falls on both alike.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edgecls_runtime import Classifier, Rule, cameras, lines, user_cache
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.config import Settings
from edgecls_runtime.wiring import open_stations

MODEL = "mobilenetv3_small_100"
SIZES = {"1080p": (1080, 1920), "640x480": (480, 640)}
LOADS = {
    "4 x 15 Hz": (15.0,) * 4,
    "4 x 60 Hz": (60.0,) * 4,
    "60 Hz and 3 x 5 Hz": (60.0, 5.0, 5.0, 5.0),
}
WARM_S = 1.0
PICTURES = 5


@dataclass
class Judged:
    """What one way did in one round: ages of judged frames, s, by camera."""

    ages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def bundle() -> Path:
    """Return the bundle of the cache; make it the first time."""
    target = user_cache.folder("bench") / f"{MODEL}.bundle"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        labels = target.with_suffix(".txt")
        labels.write_text("\n".join(f"label {n}" for n in range(1000)), encoding="utf-8")
        command = [sys.executable, "-m", "edgecls", "export", f"timm:{MODEL}", "--random-weights"]
        command += ["--precision", "fp32", "--labels", str(labels), "--to", str(target)]
        subprocess.run(command, check=True)
    return target


def pictures(folder: Path, size: tuple[int, int]) -> Path:
    """Write a few scenes of a size (height, width) as JPEG: smooth, with a little noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = random.integers(0, 256, (size[0] // 16, size[1] // 16, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        image = np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), image)
    return folder


def tables(images: Path, rates: tuple[float, ...]) -> dict[str, dict[str, object]]:
    """Return a fake camera for each rate."""
    return {
        f"{number} ({rate:g} Hz)": {
            "kind": "fake", "script": ("frame",), "repeat": True,
            "images": str(images), "rate_hz": rate,
        }
        for number, rate in enumerate(rates)
    }  # fmt: skip


def ours(path: Path, images: Path, rates: tuple[float, ...], seconds: float) -> Judged:
    """Run a station with a camera for each rate."""
    judged, settings = Judged(), Settings(
        bundle=path,
        cameras=tables(images, rates),
        rule=Rule(Classifier(path, "cpu").bundle.labels[:1]),
        providers=({"kind": "cpu"},),
        outputs=(),
    )  # fmt: skip
    with open_stations([(settings, Path())]) as opened:
        begin = time.monotonic() + WARM_S
        for verdict in lines.run(opened.stations, lambda: time.monotonic() > begin + seconds):
            if verdict.prediction and verdict.latency and verdict.decided_at > begin:
                judged.ages[verdict.camera].append(verdict.latency)
    return judged


def plain(path: Path, images: Path, rates: tuple[float, ...], seconds: float) -> Judged:
    """Run a thread for each rate, with one session behind a lock."""
    judged, lock, classify = Judged(), threading.Lock(), Classifier(path, "cpu")
    begin = time.monotonic() + WARM_S

    def work(name: str, camera: LiveCamera) -> None:
        while time.monotonic() < begin + seconds:
            frame = camera.read(1.0)
            prepared = classify.prepare(frame.image)
            with lock:
                classify.scored(prepared[np.newaxis])
            now = time.monotonic()
            if now > begin:
                judged.ages[name].append(now - frame.captured_at)

    with ExitStack() as stack:
        threads = []
        for name, table in tables(images, rates).items():
            camera = stack.enter_context(closing(cameras.open_table(table)))
            assert isinstance(camera, LiveCamera)  # noqa: S101 - they have rates
            threads.append(threading.Thread(target=work, args=(name, camera)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    classify.close()
    return judged


def told(rounds: list[Judged], rates: tuple[float, ...], seconds: float) -> dict[str, object]:
    """Sum up the rounds of one way."""
    names = [f"{number} ({rate:g} Hz)" for number, rate in enumerate(rates)]
    counts = {name: sum(len(one.ages[name]) for one in rounds) for name in names}
    ages = {name: [age for one in rounds for age in one.ages[name]] for name in names}
    total = len(rounds) * seconds
    # Of cameras of one rate: how far the one that is worst off is from their mean.
    worst = 0.0
    for rate in {*rates}:
        alike = [counts[name] for name, own in zip(names, rates, strict=True) if own == rate]
        mean = statistics.mean(alike)
        worst = max(worst, *(abs(count - mean) / max(mean, 1) for count in alike))
    return {
        "judged, Hz": {name: round(count / total, 1) for name, count in counts.items()},
        "of what was sent, %": {
            name: round(100 * counts[name] / total / rate)
            for name, rate in zip(names, rates, strict=True)
        },
        "largest deviation from the mean, %": round(100 * worst, 1),
        "age p50, p95, ms": {
            name: [round(1000 * float(np.percentile(own or [0], q)), 1) for q in (50, 95)]
            for name, own in ages.items()
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--size", choices=SIZES, nargs="*", default=[*SIZES])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    path = arguments.bundle or bundle()
    ways: dict[str, Callable[[Path, Path, tuple[float, ...], float], Judged]] = {
        "ours": ours,
        "plain": plain,
    }
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.size:
            images = pictures(Path(folder) / size, SIZES[size])
            for load, rates in LOADS.items():
                rounds: dict[str, list[Judged]] = {name: [] for name in ways}
                for _ in range(arguments.rounds):
                    for name, way in ways.items():
                        rounds[name].append(way(path, images, rates, arguments.seconds))
                for name, found in rounds.items():
                    summary = told(found, rates, arguments.seconds)
                    print(json.dumps({"size": size, "load": load, "way": name, **summary}))


if __name__ == "__main__":
    main()
