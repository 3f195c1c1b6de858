"""What else was promised: a camera's stream, an idle loop, memory and cold start."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bench
from edgecls.manifest import Resampling
from edgecls_runtime.benchmark import Wanted
from edgecls_runtime.benchmark import measure as measured
from edgecls_runtime.environment import environment
from peers.edgecls import BUNDLE
from peers.model import Model
from peers.process import SCRIPTS
from peers.tables import spread

FRAMES, STREAM_THREADS = 150, 2
PACED = 80
IDLE: dict[str, object] = {"kind": "cpu", "threads": 1, "spinning": False}
VARIANT = "fp32"


def measure(model: Model, frame: Path, rounds: int) -> dict[str, Any]:
    """Measure all three, ours beside the plain way, interleaved."""
    return {
        "environment": environment(),
        "model": model.name,
        **_stream(model, frame, rounds),
        **_idle(model),
        **_start(model, rounds),
    }


def _stream(model: Model, frame: Path, rounds: int) -> dict[str, Any]:
    file = _video(model, frame)
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "sequence": []}
    for _ in range(rounds):
        for way, found in runs.items():
            found.append(_streamed(way, model, file))
    pairs = zip(runs["ours"], runs["sequence"], strict=True)
    return {
        "stream: frames a second": _median(runs["ours"], "frames_per_s"),
        "stream: in sequence, frames a second": _median(runs["sequence"], "frames_per_s"),
        "stream: ratio (at least 1.6)": _spread(
            [a["frames_per_s"] / b["frames_per_s"] for a, b in pairs]
        ),
        "stream: p99 age of a verdict, frame periods (under 2)": _median(
            runs["ours"], "age_p99_periods"
        ),
    }


def _video(model: Model, frame: Path) -> Path:
    """Write the frame as MJPEG, a little further to the right each time."""
    file = model.folder / "stream.avi"
    if not file.exists():
        image = np.load(frame)
        size = (image.shape[1], image.shape[0])
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 30, size)
        for number in range(FRAMES):
            writer.write(np.roll(image[..., ::-1], 4 * number, axis=1))
        writer.release()
    return file


def _streamed(way: str, model: Model, file: Path) -> dict[str, float]:
    arguments = [way, str(model.folder / BUNDLE), VARIANT, str(file), str(STREAM_THREADS)]
    paths = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "peers.stream", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _idle(model: Model) -> dict[str, Any]:
    """Measure the share of a core that a loop of ten frames a second takes, threads asleep."""
    found: dict[str, Any] = {}
    for rung in (Resampling.EXACT, Resampling.HALVING):
        wanted = Wanted(model.folder / BUNDLE, VARIANT, IDLE, PACED, resampling=rung, whole=True)
        share = measured(wanted).cpu_share_10_hz
        assert share is not None  # noqa: S101 - asked for by ``whole``
        found[f"10 Hz, {rung}: % of a core (under 10)"] = round(100 * share, 1)
    return found


def _start(model: Model, rounds: int) -> dict[str, Any]:
    bundle = model.folder / BUNDLE
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(measured(Wanted(bundle, VARIANT, frames=5, resampling=Resampling.HALVING)))
        plain.append(bench.plain(bundle, "opencv", frames=5))
    cold = [o.cold_start_s / p["cold_start_s"] for o, p in zip(ours, plain, strict=True)]
    return {
        "peak memory to the first answer, MB (at most 115)": max(o.peak_memory_mb for o in ours),
        "the plain script's, MB": round(max(p["peak_memory_mb"] for p in plain), 1),
        "peak memory with 1080p frames, MB": max(o.peak_memory_1080p_mb for o in ours),
        "cold start, s": round(statistics.median(o.cold_start_s for o in ours), 3),
        "cold start: ours to the plain script's (at most 1.3)": _spread(cold),
    }


def _median(found: list[dict[str, float]], key: str) -> float:
    return round(statistics.median(one[key] for one in found), 2)


def _spread(values: list[float]) -> str:
    median, least, most = spread(values)
    return f"{median:.2f} ({least:.2f} to {most:.2f})"


def text(figures: dict[str, Any]) -> str:
    """Return the figures for people."""
    return "\n".join(f"{name:60} {value}" for name, value in figures.items())
