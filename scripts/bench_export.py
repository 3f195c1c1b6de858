"""Measure what an export promises, side by side with onnxruntime's plain int8.

    python scripts/bench_export.py DATA [--only NAME ...] [--json]

DATA holds imagenet-samples, imagenet-labels.txt, {magnetic-tile,strawberry-leaf}/{train,val} and
checkpoints/<name>.pth of EfficientNet-Lite0. ImageNet photos are divided; of the other sets train
calibrates and chooses, val measures. vit and mobilenetv3 are trained on strawberry-leaf first and
given loud channels (scripts/train_loud.py). "Plain" is quantize_static with its defaults but u8
activations and one weight scale per channel, on the same images, in exact arithmetic and by this
processor's kernels. Speed is this processor's on one thread: the median over interleaved rounds of
the other's processor time divided by ours, with the lowest and highest round. Memory and time are
those of the whole ``edgecls export``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from edgecls.bundle import Bundle
from edgecls_exporters.demo.training import ARCHITECTURE, imagenet
from edgecls_exporters.splits import Split, Wanted, split
from edgecls_runtime.images import find_labelled, read_image
from edgecls_runtime.preprocessing import prepare
from interleaved import faster, one_thread, seconds

CALIBRATION_IMAGES = {"strawberry-leaf": 512}
LOUD = {"vit": "vit_tiny_patch16_224", "mobilenetv3": "mobilenetv3_small_100"}
CASES = ("imagenet", "magnetic-tile", "strawberry-leaf", *LOUD)
# Ours for x86-64, against which plain u8s8 stands.
VARIANT = "int8-x86-avx2"
ROUNDS = 31
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One export: the flags, and the images they lead to."""

    flags: tuple[str, ...]
    data: Path
    aside: Path | None
    calibration_images: int = 128

    def split(self) -> Split:
        """Divide the images as the export does."""
        aside = find_labelled(self.aside) if self.aside else []
        return split(find_labelled(self.data), aside, Wanted(self.calibration_images, 128, 2000, 0))


def case(name: str, shared: Path, folder: Path) -> Case:
    """Return a case by its name; weights that are not in ``shared`` are made."""
    if name == "imagenet":
        torch.save(imagenet().state_dict(), weights := folder / "imagenet.pth")
        labels = str(shared / "imagenet-labels.txt")
        flags = (f"timm:{ARCHITECTURE}", "--weights", str(weights), "--labels", labels)
        return Case(flags, shared / "imagenet-samples", None)
    photos = shared / ("strawberry-leaf" if name in LOUD else name)
    weights, architecture = shared / "checkpoints" / f"{name}.pth", ARCHITECTURE
    if name in LOUD:
        weights, architecture = folder / f"{name}.pth", LOUD[name]
        script = Path(__file__).with_name("train_loud.py")
        subprocess.run(
            [sys.executable, script, architecture, photos / "train", weights], check=True
        )
    good = "free" if name == "magnetic-tile" else "healthy"
    drop = "1" if name in LOUD else "0.5"
    flags = (f"timm:{architecture}", "--weights", str(weights), "--max-drop", drop)
    guarded = flags if name in LOUD else (*flags, "--good", good)
    n = CALIBRATION_IMAGES.get(name, 128)
    aside = ("--calibration-data", str(photos / "train"), "--calibration-images", str(n))
    return Case((*guarded, *aside), photos / "val", photos / "train", n)


def exported(found: Case, target: Path) -> tuple[dict[str, Any], float, float]:
    """Export in a process of its own; return its report, seconds, and peak memory in MB."""
    command = [sys.executable, "-m", "edgecls", "export", *found.flags, "--data", str(found.data)]
    with (target.parent / "report.txt").open("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen([*command, "--to", str(target), "--json"], stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
        output.seek(0)
        return json.load(output), seconds, usage.ru_maxrss / 1024


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, images: Iterator[Images]) -> None:
        self._left = images

    def get_next(self) -> dict[str, Images] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image[None]}


def plain(found: Case, target: Path) -> dict[str, object]:
    """Quantize the bundle's fp32 variant with onnxruntime alone; return its figures."""
    bundle, images = Bundle.open(target), found.split()

    def prepared(items: list[Any]) -> Iterator[Images]:
        for item in items:
            yield prepare(read_image(item.path), bundle.preprocessing)

    file = target.parent / "plain.onnx"
    quantize_static(
        target / "model.fp32.onnx",
        file,
        _Reader(prepared(images.calibrate)),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    models = {"fp32": (target / "model.fp32.onnx", True), "exact": (file, False)}
    models["kernels"] = (file, True)
    sessions = {name: _session(model, fast=fast) for name, (model, fast) in models.items()}
    answers: dict[str, list[int]] = {name: [] for name in sessions}
    for image in prepared(images.measure):
        for name, session in sessions.items():
            answers[name].append(int(session.run(None, {"image": image[None]})[0].argmax()))
    truth = [bundle.labels.index(item.label or "") for item in images.measure]
    by_name = {name: np.array(values) for name, values in answers.items()}
    return {
        f"plain int8, {name}: top-1, agreement": _figures(
            float((by_name[name] == truth).mean()), float((by_name[name] == by_name["fp32"]).mean())
        )
        for name in ("exact", "kernels")
    }


def _session(model: Path, *, fast: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not fast:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def speed(found: Case, target: Path) -> dict[str, object]:
    """Return how fast our variant for this processor is, if it shipped; after ``plain``."""
    bundle = Bundle.open(target)
    ours = [variant for variant in bundle.variants if variant.name == VARIANT]
    if not ours:
        return {}
    (first, *_) = found.split().measure
    files = {"fp32": target / "model.fp32.onnx", "plain": target.parent / "plain.onnx"}
    files["ours"] = target / ours[0].file
    runners = {name: one_thread(file) for name, file in files.items()}
    image = prepare(read_image(first.path), bundle.preprocessing)
    taken = seconds(runners, image, ROUNDS)
    against = (f"{faster(taken[name], taken['ours'])} of {name}" for name in ("plain", "fp32"))
    return {f"{VARIANT}: speed": ", ".join(against)}


def _figures(accuracy: float, agreement: float) -> str:
    return f"{100 * accuracy:.2f} %, {100 * agreement:.2f} %"


def measured(name: str, shared: Path) -> dict[str, object]:
    """Return the figures of one case."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = case(name, shared, folder)
        report, seconds, megabytes = exported(found, folder / "bench.bundle")
        fp32 = next(row for row in report["rows"] if row["name"] == "fp32")
        figures: dict[str, object] = {
            "images measured": fp32["images"],
            "fp32: top-1, agreement with PyTorch": _figures(fp32["accuracy"], fp32["agreement"]),
        }
        figures |= plain(found, folder / "bench.bundle")
        for row in report["rows"]:
            if not row["name"].startswith("int8") or row["size_bytes"] is None:
                continue
            said = _figures(row["accuracy"], row["agreement"])
            share = 100 * row["size_bytes"] / fp32["size_bytes"]
            out = report["left_out"].get(row["name"])
            escapes = "" if row["escapes"] is None else f"; {row['escapes']} new escapes"
            shipped = f"; left out: {out}" if out else ""
            figures[f"{row['name']}: top-1, agreement"] = (
                f"{said}; {share:.1f} % of fp32's size{escapes}{shipped}"
            )
        figures |= speed(found, folder / "bench.bundle")
        figures["whole export, s"] = round(seconds)
        figures["peak memory, MB (under 2500)"] = round(megabytes)
        return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", metavar="DATA", type=Path)
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {}
    for name in arguments.only:
        results[name] = measured(name, arguments.data)
        if not arguments.json:
            print(f"\n{name}")
            for what, value in results[name].items():
                print(f"  {what:44} {value}", flush=True)
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
