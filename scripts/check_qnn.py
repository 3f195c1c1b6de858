"""Run a variant on Qualcomm's HTP simulator, and hold its answers to fp32 on the processor.

    python3 -m venv qnn && qnn/bin/pip install onnxruntime==1.32.0 onnxruntime-qnn==2.7.0 \
        opencv-python-headless numpy
    PYTHONPATH=.:runtime qnn/bin/python scripts/check_qnn.py BUNDLE --data DIR [--variant NAME]

onnxruntime-qnn is a plug-in that brings the simulator with it (x86-64 Linux); it wants a venv of
its own. An image takes some seconds. DIR is as for ``edgecls evaluate``. Prints JSON, below a line
of the simulator's. Exit code 1 where a smaller share of the images than ``--least`` is answered as
fp32 on the processor answers them.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
import onnxruntime_qnn
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.progress import track
from edgecls_runtime.images import Labelled, find_labelled, readable
from edgecls_runtime.preprocessing import prepare

QNN = "QNNExecutionProvider"
FATAL = 4
# Snapdragon 8 Gen 2 (SM8550), by Qualcomm's own numbers.
PROCESSOR = {"soc_model": "43", "htp_arch": "73"}
Scores = NDArray[np.float32]


def session_on_htp(model: Path) -> ort.InferenceSession:
    """Load a file for the simulator; what it cannot take stays on the processor."""
    if all(device.ep_name != QNN for device in ort.get_ep_devices()):
        ort.register_execution_provider_library(QNN, onnxruntime_qnn.get_library_path())
    (device, *_) = [device for device in ort.get_ep_devices() if device.ep_name == QNN]
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.add_free_dimension_override_by_name("batch", 1)  # it takes no free dimension
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices(
        [device], {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), **PROCESSOR}
    )
    return ort.InferenceSession(model, options)


def placement(session: ort.InferenceSession) -> dict[str, dict[str, int]]:
    """Return how many nodes of each operator each provider runs."""
    placed: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        count = placed.setdefault(part.ep_name, Counter())
        count.update(node.op_type for node in part.get_nodes())
    return {provider: dict(count) for provider, count in placed.items()}


def on_processor(model: Path, *, fused: bool) -> ort.InferenceSession:
    """Load a file for the processor, its operators fused or each computed as it is written."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    if not fused:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def answers(session: ort.InferenceSession, batches: list[NDArray[np.uint8]], text: str) -> Scores:
    """Return the scores of each image: float32, shape (n, labels)."""
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: batch})[0] for batch in track(batches, text, len(batches))]
    )


def chosen(data: list[Labelled], count: int) -> list[Labelled]:
    """Return images evenly from all of them."""
    return [data[i] for i in np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)]


def compare(bundle: Bundle, model: Path, data: list[Labelled]) -> dict[str, object]:
    """Return the figures: top-1 and agreement as shares, differences in scores of 0..1."""
    found = list(readable(data, []))
    batches = [prepare(image, bundle.preprocessing)[np.newaxis] for _, image in found]
    htp = session_on_htp(model)
    fp32 = next(v.file for v in bundle.variants if v.name == "fp32")
    plain = answers(on_processor(bundle.path / fp32, fused=True), batches, "fp32: answering")
    exact = answers(on_processor(model, fused=False), batches, "as written: answering")
    there = answers(htp, batches, "HTP: answering")
    truth = [item.label for item, _ in found]

    def top1(scores: Scores) -> float | None:
        if None in truth:
            return None
        said = [bundle.labels[best] for best in scores.argmax(1)]
        return float(np.mean([one == other for one, other in zip(said, truth, strict=True)]))

    def agreement(one: Scores, other: Scores) -> float:
        return float(np.mean(one.argmax(1) == other.argmax(1)))

    return {
        "images": len(batches),
        "top1_fp32": top1(plain),
        "top1_as_written": top1(exact),
        "top1_htp": top1(there),
        "agreement_of_htp_with_fp32": agreement(there, plain),
        "agreement_of_htp_with_as_written": agreement(there, exact),
        "largest_difference_from_as_written": float(np.abs(there - exact).max()),
        "placement": placement(htp),
    }


def main() -> int:
    """Check one variant and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variant", default="int8-qnn")
    parser.add_argument("--file", type=Path, help="an ONNX file in place of a variant's")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--least", type=float, default=0.95, help="agreement with fp32, 0..1")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    model = arguments.file or bundle.path / bundle.variant(arguments.variant).file
    figures = compare(bundle, model, chosen(find_labelled(arguments.data), arguments.images))
    print(json.dumps({"model": str(model), **figures}, indent=2))
    agreed = figures["agreement_of_htp_with_fp32"]
    return int(not isinstance(agreed, float) or agreed < arguments.least)


if __name__ == "__main__":
    sys.exit(main())
