"""Measure what edgecls promises, side by side with plain onnxruntime, in one run.

    python scripts/bench.py [--imagenet DIR --labels FILE] [--rounds 7] [--json]

DIR holds ImageNet photos as DIR/<label>/*, FILE all thousand labels in logit order; without them
the accuracy lines are left out. Times are whole processes, interleaved; a ratio is the median over
rounds of plain onnxruntime (scripts/bench_plain.py: Pillow, fp32) divided by edgecls.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from edgecls.bundle import Bundle
from edgecls_exporters.demo.training import ARCHITECTURE, imagenet
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from edgecls_exporters.ledger import Row
from edgecls_runtime.measuring.benchmark import Measured, Wanted, measure
from edgecls_runtime.measuring.environment import environment
from edgecls_runtime.measuring.scene import golden_image

FRAMES = 40
SMALL = "mobilenetv3_small_100"
INT8 = ("int8-x86-avx2", "int8-arm", "int8-tensorrt")


def accuracy(folder: Path, photos: Path, labels: Path) -> dict[str, object]:
    """Export EfficientNet-Lite0 with ImageNet weights; return the proof's figures, as shares."""
    weights = folder / "imagenet.pth"
    torch.save(imagenet().state_dict(), weights)
    target = folder / "lite0.bundle"
    source = f"timm:{ARCHITECTURE}"
    report = export(Job(source, target, weights, data=photos, labels=labels, max_drop=100))
    rows = {row.name: row for row in report.rows}
    fp32 = rows["fp32"]
    figures: dict[str, object] = {
        "images measured": fp32.images,
        "fp32 agreement with PyTorch (at least 0.995)": round(fp32.agreement, 4),
        "fp32 top-1": round(_top1(fp32), 4),
    }
    for name in INT8:
        found = rows[name]
        lost = round(100 * (_top1(fp32) - _top1(found)), 2)
        figures[f"{name} top-1"] = round(_top1(found), 4)
        figures[f"{name} points below fp32 (at most 0.3)"] = lost
        figures[f"{name} agreement (at least 0.99)"] = round(found.agreement, 4)
    return figures


def _top1(row: Row) -> float:
    assert row.accuracy is not None  # noqa: S101 - the photos have labels
    return row.accuracy


def small_bundle(folder: Path) -> Path:
    """Export an untrained MobileNetV3-small of a thousand labels."""
    labels = folder / "labels.txt"
    labels.write_text("\n".join(map(str, range(1000))), encoding="utf-8")
    target = folder / "small.bundle"
    export(Job(f"timm:{SMALL}", target, random_weights=True, labels=labels))
    return target


def speeds(bundle: Path, rounds: int) -> dict[str, object]:
    """Measure edgecls and the plain script in turn, the latter also with OpenCV for Pillow."""
    ours: list[Measured] = []
    others: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    for _ in range(rounds):
        ours.append(measure(Wanted(bundle, "fp32", frames=FRAMES)))
        others.append(plain(bundle))
        bare.append(plain(bundle, "opencv"))
    frame = [p["latency_ms_p50"] / o.latency_ms_p50 for p, o in zip(others, ours, strict=True)]
    cold = [p["cold_start_s"] / o.cold_start_s for p, o in zip(others, ours, strict=True)]
    slower = [o.cold_start_s / b["cold_start_s"] for b, o in zip(bare, ours, strict=True)]
    return {
        "peak memory, MB (at most 115)": max(o.peak_memory_mb for o in ours),
        "that of numpy, OpenCV and onnxruntime alone, MB": max(b["peak_memory_mb"] for b in bare),
        "peak memory with 1080p frames, MB": max(o.peak_memory_1080p_mb for o in ours),
        "first answer after start, s (within 1.5)": _median([o.cold_start_s for o in ours]),
        "first answer: speed against plain onnxruntime": _spread(cold),
        "first answer: time against numpy, OpenCV, onnxruntime alone (1.3x)": _spread(slower),
        "1080p frame to answer, ms": _median([o.latency_ms_p50 for o in ours]),
        "1080p frame to answer: speed against plain onnxruntime": _spread(frame),
    }


def help_time(rounds: int) -> dict[str, object]:
    """Time ``edgecls --help`` against an empty Python."""
    empty = [_seconds(lambda: _call(["-c", "pass"])) for _ in range(rounds)]
    ours = [_seconds(lambda: _call(["-m", "edgecls", "--help"])) for _ in range(rounds)]
    return {
        "edgecls --help, s (under 0.2)": _median(ours),
        "of that, an empty Python, s": _median(empty),
    }


def plain(bundle: Path, library: str = "pillow", frames: int = FRAMES) -> dict[str, float]:
    """Run the plain script on a bundle's fp32 file; ``library`` resizes: pillow or opencv."""
    opened = Bundle.open(bundle)
    image, done = golden_image(opened), opened.preprocessing
    arguments = [bundle / "model.fp32.onnx", bundle / image, done.size[0], done.resize_size[0]]
    script = Path(__file__).with_name("bench_plain.py")
    printed = _call([script, *arguments, frames, time.monotonic(), library])
    result: dict[str, float] = json.loads(printed)
    return result


def _call(arguments: list[object]) -> str:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--imagenet", metavar="DIR", type=Path)
    parser.add_argument("--labels", metavar="FILE", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if (arguments.imagenet is None) is not (arguments.labels is None):
        parser.error("--imagenet and --labels belong together")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        result: dict[str, object] = {"environment": environment()}
        if arguments.imagenet is not None:
            proof = accuracy(folder, arguments.imagenet, arguments.labels)
            result["EfficientNet-Lite0, ImageNet"] = proof
        result[f"{SMALL}, fp32"] = speeds(small_bundle(folder), arguments.rounds)
        result["command line"] = help_time(arguments.rounds)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for title, figures in result.items():
        print(f"\n{title}")
        for name, value in dict(figures).items():  # type: ignore[call-overload]
            print(f"  {name:68} {value}")


if __name__ == "__main__":
    main()
