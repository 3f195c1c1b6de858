"""Compare ways to quantize one network: what saturation costs each, and what each costs.

    python scripts/bench_int8.py --imagenet DIR --labels FILE [--emulated 100] [--keep FOLDER]

EfficientNet-Lite0 with ImageNet weights. DIR holds photos as DIR/<label>/*, FILE all thousand
labels in logit order. 128 photos, at most a quarter, calibrate every scheme; as many choose between
ranges for ours alone, the rest measure. "Exact" is exact
arithmetic; "pairs" is the kernel that adds pairs of products in 16 bits, by the bit-exact model of
it, on the first --emulated of the measured photos (half a second a photo and scheme; on a busy
machine with OPENBLAS_NUM_THREADS=1). Speed is that of this processor, one thread: the median over
interleaved rounds of fp32's processor time divided by the scheme's.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from edgecls.bundle import Bundle
from edgecls.manifest import Preprocessing
from edgecls_exporters.demo.training import ARCHITECTURE, imagenet
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from edgecls_exporters.interpreter import fused
from edgecls_exporters.pair_probe import saturates
from edgecls_exporters.saturation_check import Check, check
from edgecls_exporters.splits import Wanted, split
from edgecls_runtime.images import Labelled, find_labelled, read_image
from edgecls_runtime.preprocessing import prepare
from interleaved import faster, one_thread, seconds

U8, S8 = QuantType.QUInt8, QuantType.QInt8
SCHEMES: dict[str, dict[str, Any]] = {
    "u8s8 per channel": {"activation_type": U8, "weight_type": S8, "per_channel": True},
    "u8s8 per tensor": {"activation_type": U8, "weight_type": S8, "per_channel": False},
    "s8s8 per channel": {"activation_type": S8, "weight_type": S8, "per_channel": True},
    "reduce_range": {
        "activation_type": U8,
        "weight_type": S8,
        "per_channel": True,
        "reduce_range": True,
    },
    "u8u8 per channel": {"activation_type": U8, "weight_type": U8, "per_channel": True},
}
# The variant whose kernel saturates, if it is not bounded.
TARGET, VARIANT = "x86-avx2", "int8-x86-avx2"
OURS, PRECISE = "edgecls", "u8s8, x64quantprecision=1"


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._left = iter(images)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image[np.newaxis]}


def prepared(data: list[Labelled], wanted: Preprocessing) -> NDArray[np.uint8]:
    """Return the network's inputs: uint8 (n, height, width, 3)."""
    return np.stack([prepare(read_image(item.path), wanted) for item in data])


def quantized(fp32: Path, folder: Path, images: NDArray[np.uint8]) -> dict[str, Path]:
    """Quantize by onnxruntime alone, in every scheme; the softmax stays float."""
    heads = [node.name for node in onnx.load(fp32).graph.node if node.op_type == "Softmax"]
    files = {}
    for number, (name, scheme) in enumerate(SCHEMES.items()):
        files[name] = folder / f"scheme{number}.onnx"
        if files[name].exists():
            continue
        quantize_static(fp32, files[name], _Reader(images), nodes_to_exclude=heads, **scheme)
    return files


def answers(runner: ort.InferenceSession, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the answer to each image."""
    found = [runner.run(None, {"image": image[np.newaxis]})[0].argmax() for image in images]
    return np.array(found, np.int64)


def emulated(file: Path, folder: Path, images: NDArray[np.uint8]) -> tuple[Check, NDArray[Any]]:
    """Run the kernel's model; return the counts and the answers by it."""
    said: list[int] = []

    def answer(outputs: list[NDArray[Any]]) -> int:
        said.append(int(outputs[0].argmax()))
        return said[-1]

    inputs: Iterator[dict[str, NDArray[Any]]] = ({"image": image[np.newaxis]} for image in images)
    found = check(fused(file, folder), inputs, answer)
    return found, np.array(said[1::2])  # of each image first the exact answer, then the kernel's


def bundle_of(folder: Path, photos: Path, labels: Path) -> Bundle:
    """Export our own variants; no budget, so that none is left out."""
    weights, target = folder / "imagenet.pth", folder / "lite0.bundle"
    if not target.exists():
        torch.save(imagenet().state_dict(), weights)
        source = f"timm:{ARCHITECTURE}"
        job = Job(source, target, weights, data=photos, labels=labels, max_drop=100)
        export(replace(job, targets=(TARGET,)))
    return Bundle.open(target)


def measured(folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Quantize, run and compare; return a row a scheme."""
    bundle = bundle_of(folder, arguments.imagenet, arguments.labels)
    parts = split(find_labelled(arguments.imagenet), [], Wanted(128, 128, 2000, 0))
    fp32 = bundle.path / bundle.variant("fp32").file
    files = quantized(fp32, folder, prepared(parts.calibrate, bundle.preprocessing))
    files[OURS] = bundle.path / bundle.variant(VARIANT).file
    images = prepared(parts.measure, bundle.preprocessing)
    truth = np.array([bundle.labels.index(str(item.label)) for item in parts.measure])
    # On a processor that saturates, exact answers come from onnxruntime's slow but exact kernel.
    exactly = {name: one_thread(file, precise=saturates()) for name, file in files.items()}
    wanted = answers(one_thread(fp32), images)
    few = slice(0, arguments.emulated)
    runners = {name: one_thread(file) for name, file in files.items()}
    runners = {
        "fp32": one_thread(fp32),
        **runners,
        PRECISE: one_thread(files["u8s8 per channel"], precise=True),
    }
    taken = seconds(runners, images[0], arguments.rounds)
    ratio = {name: faster(taken["fp32"], own) for name, own in taken.items()}
    rows: dict[str, dict[str, object]] = {
        "fp32": {"exact": _row(wanted, wanted, truth), "speed": ratio["fp32"]}
    }
    rows["fp32"]["exact, same photos"] = _row(wanted[few], wanted[few], truth[few])
    for name, file in files.items():
        found = answers(exactly[name], images)
        seen, kernel = emulated(file, folder, images[few])
        rows[name] = {
            "pairs saturated": seen.total.saturated / max(seen.total.pairs, 1),
            "can saturate": seen.possible,
            "exact": _row(found, wanted, truth),
            "exact, same photos": _row(found[few], wanted[few], truth[few]),
            "pairs": _row(kernel, wanted[few], truth[few]),
            "answers changed": seen.changed,
            "largest difference": seen.largest_difference,
            "speed": ratio[name],
        }
        _print(name, rows[name])
    rows[PRECISE] = {"speed": ratio[PRECISE]}
    return rows


def _row(found: NDArray[Any], wanted: NDArray[Any], truth: NDArray[Any]) -> dict[str, object]:
    return {
        "images": len(found),
        "top-1": round(float((found == truth).mean()), 4),
        "agreement with fp32": round(float((found == wanted).mean()), 4),
    }


def _print(name: str, row: dict[str, object]) -> None:
    print(f"\n{name}", flush=True)
    for key, value in row.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"  {key:24} {text}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--imagenet", metavar="DIR", type=Path, required=True)
    parser.add_argument("--labels", metavar="FILE", type=Path, required=True)
    parser.add_argument("--emulated", metavar="N", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="of quantized files; reused")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    print(f"onnxruntime {ort.__version__}; this processor saturates: {saturates()}")
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        rows = measured(folder, arguments)
    for name in ("fp32", PRECISE):
        _print(name, rows[name])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
