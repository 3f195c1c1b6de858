"""A station on 1080p MJPEG, side by side with decode, resize, infer in sequence, in one run.

    python scripts/bench_pipeline.py BUNDLE [--variant fp32] [--rounds 5] [--rate-hz 30]

Sequence is what one writes without threads of one's own: ``cv2.VideoCapture``, this project's
resize, onnxruntime on 2 threads as it comes. Ours is the station, with frames prepared ahead, and
without. A ratio is the median over interleaved rounds, with its range. Ages are of verdicts on a
live camera: an HTTP server in a process of its own that sends at a rate.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from edgecls_runtime import Classifier, Rule, Station, cameras
from edgecls_runtime.capture.ahead import Ahead
from edgecls_runtime.preprocessing import Preparer
from edgecls_runtime.providers import cpu
from servers import MjpegServer

FULL_HD = (1080, 1920)
FRAMES = 90
LIVE_S = 5.0
IDLE_HZ, IDLE_S = 10.0, 5.0


def scene(seed: int) -> NDArray[np.uint8]:
    """Draw a 1080p frame, uint8 RGB: smooth shapes with a little noise, about 250 kB as JPEG."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (68, 120, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, FULL_HD[::-1], interpolation=cv2.INTER_CUBIC)
    noise = random.normal(0, 3, smooth.shape)
    return np.asarray(np.clip(smooth + noise, 0, 255), np.uint8)


def film(file: Path) -> None:
    """Write ``FRAMES`` of ten scenes as an MJPEG video."""
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, code, 30, FULL_HD[::-1])
    scenes = [cv2.cvtColor(scene(seed), cv2.COLOR_RGB2BGR) for seed in range(10)]
    for number in range(FRAMES):
        writer.write(scenes[number % len(scenes)])
    writer.release()


def in_sequence(file: Path, classify: Classifier) -> Callable[[], int]:
    """Return the plain loop over a video; it returns how many frames it classified."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    model = classify.bundle.path / classify.variant.file
    engine = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, prepare = engine.get_inputs()[0].name, Preparer(classify.bundle.preprocessing)

    def run() -> int:
        capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG)
        count = 0
        while True:
            arrived, image = capture.read()
            if not arrived:
                return count
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            engine.run(None, {name: prepare(rgb)[np.newaxis]})[0].argmax()
            count += 1

    return run


def by_station(file: Path, classify: Classifier, workers: int) -> Callable[[], int]:
    """Return a station over a video; 0 workers prepares nothing ahead."""

    def run() -> int:
        camera = cameras.open_table({"kind": "video", "path": str(file)})
        ahead = Ahead(camera, classify.prepare, workers=workers) if workers else camera
        with closing(ahead):
            station = Station(ahead, classify, Rule(classify.bundle.labels[:1]), max_age=60.0)
            return sum(1 for _ in station.run(lambda: False))

    return run


def throughput(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, object]:
    """Time each way in turn; return ms and processor ms a frame, and ratios to the first."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            began, used = time.perf_counter(), time.process_time()
            count = run()
            wall[name].append((time.perf_counter() - began) / count)
            busy[name].append((time.process_time() - used) / count)
    base = wall[next(iter(ways))]
    found: dict[str, object] = {}
    for name, times in wall.items():
        ratios = [b / t for b, t in zip(base, times, strict=True)]
        found[name] = (
            f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})  "
            f"{1000 * statistics.median(times):.2f} ms, "
            f"processor {1000 * statistics.median(busy[name]):.2f} ms a frame"
        )
    return found


@contextmanager
def served(rate_hz: float) -> Iterator[str]:
    """Run a camera that sends a scene at a rate, in a process of its own; yield its address."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs, rate_hz), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(told: Connection, rate_hz: float) -> None:
    with MjpegServer(scene(0), rate_hz=rate_hz) as server:
        told.send(server.url)
        told.recv()


def ages(classify: Classifier, rate_hz: float, workers: int) -> dict[str, object]:
    """Judge a live camera for some seconds; return ages in frame periods, and what it cost."""
    with served(rate_hz) as url:
        camera = cameras.open_table({"kind": "http", "url": url})
        ahead = Ahead(camera, classify.prepare, workers=workers) if workers else camera
        with closing(ahead):
            station = Station(ahead, classify, Rule(classify.bundle.labels[:1]))
            next(station.run(lambda: False))
            began, used = time.perf_counter(), time.process_time()
            end = began + LIVE_S
            run = station.run(lambda: time.perf_counter() > end)
            latencies = [verdict.latency for verdict in run]
            wall, busy = time.perf_counter() - began, time.process_time() - used
    known = [latency for latency in latencies if latency is not None]
    p50, p99 = (float(np.percentile(known, percent)) for percent in (50, 99))
    return {
        "rate sent, Hz": rate_hz,
        "rate judged, Hz": round(len(latencies) / wall, 1),
        "age p50, ms": round(1000 * p50, 2),
        "age p99, ms": round(1000 * p99, 2),
        "age p99, frame periods": round(p99 * rate_hz, 2),
        "share of one core": f"{100 * busy / wall:.1f} %",
    }


def idle_share(classify: Classifier) -> str:
    """Classify a 1080p frame in memory ten times a second; return the share of one core."""
    image = scene(0)
    classify(image)
    began, used = time.perf_counter(), time.process_time()
    for number in range(int(IDLE_S * IDLE_HZ)):
        time.sleep(max(began + number / IDLE_HZ - time.perf_counter(), 0.0))
        classify(image)
    return f"{100 * (time.process_time() - used) / (time.perf_counter() - began):.1f} %"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("--variant", default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate-hz", type=float, default=30.0)
    arguments = parser.parse_args()
    made = {
        (threads, spinning): Classifier(
            arguments.bundle, cpu.open(threads=threads, spinning=spinning), arguments.variant
        )
        for threads, spinning in ((1, False), (2, False), (2, True))
    }
    ours = made[2, False]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "line.avi"
        film(file)
        ways = {
            "sequence": in_sequence(file, ours),
            "station, nothing ahead": by_station(file, ours, 0),
        }
        for (threads, spinning), classify in made.items():
            for workers in (1, 2):
                name = f"{workers} ahead, engine threads {threads}{' spinning' * spinning}"
                ways[name] = by_station(file, classify, workers)
        result: dict[str, object] = {
            "load average": os.getloadavg()[0],
            "video, back to back": throughput(ways, arguments.rounds),
            "live camera": ages(ours, arguments.rate_hz, 2),
            "live camera, nothing ahead": ages(ours, arguments.rate_hz, 0),
            "live camera, 10 Hz": ages(ours, 10.0, 2),
            "frame in memory at 10 Hz, share of one core": idle_share(ours),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
