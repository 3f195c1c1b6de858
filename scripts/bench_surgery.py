"""Measure what each rewriting of a graph gains on this machine, and what all of them do together.

    python scripts/bench_surgery.py [--networks NAME ...] [--rounds 7] [--threads 1 2]
        [--no-spinning] [--json FILE]

Networks of timm, untrained: speed does not depend on the weights. Calibration sees a few images of
smooth noise. Every line is the model alone, with and without one thing, called in turn, so that a
busy machine slows both; a ratio is the median over rounds of the base's time by the line's (each
the fastest of a round's calls), with the lowest and the highest round. "apart" is the
largest difference of a score from the line's base, relative to the largest score.

fp32: "as exported" has none of the rewritings. int8 is target x86-avx2: "all integers" is the
scheme without ``mixed`` and without rewritings; then what ``mixed`` leaves float, then each
rewriting on top of those before it.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from edgecls.prediction import Task
from edgecls_exporters import mixed, targets
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.export import FP32_REWRITINGS
from edgecls_exporters.faster import BY_NAME, STANDARD
from edgecls_exporters.graph import INPUT, export_graph
from edgecls_exporters.quantization import Plan, calibrate, quantize

NETWORKS = (
    "mobilenetv3_small_100",
    "mobilenetv4_conv_small",
    "tf_efficientnet_lite0",
    "resnet50",
    "vit_tiny_patch16_224",
)
TARGET = targets.find("x86-avx2")
CALIBRATION_IMAGES = 4
N_LABELS = 1000
# Calls of a round go on for about this long a line: small networks are called more often.
ROUND_SECONDS = 0.3
FEWEST_CALLS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One file to measure, and the name of the line that it is compared with."""

    name: str
    model: ModelProto
    base: str


def exported(name: str) -> tuple[ModelProto, NDArray[np.uint8]]:
    """Return a network's graph as exported, without rewritings, and images of its size."""
    torch.manual_seed(0)
    original = open_source(f"timm:{name}", N_LABELS, Task.MULTICLASS, None, {})
    model = export_graph(original, Task.MULTICLASS, rewritten=False)
    height, width = original.preprocessing.size
    coarse = np.random.default_rng(0).integers(
        0, 256, (CALIBRATION_IMAGES, height // 16, width // 16, 3), dtype=np.uint8
    )
    return model, np.repeat(np.repeat(coarse, 16, axis=1), 16, axis=2)


def lines(graph: ModelProto, images: NDArray[np.uint8]) -> Iterator[Line]:
    """Give the float files, each rewriting on top of those before it, then the integer ones."""
    name = "fp32, as exported"
    yield Line(name, graph, name)
    standard, found = graph, ""
    for rewriting in STANDARD:
        after = _copy(standard)
        if rewriting(after):
            found = f"fp32, {rewriting.__name__}"
            yield Line(found, after, name)
            name, standard = found, after
    yield from _rewritten("fp32", standard, name, FP32_REWRITINGS)

    def batches(_text: str) -> Iterator[NDArray[np.uint8]]:
        return (image[np.newaxis] for image in images)

    plain = quantize(calibrate(graph, batches, 0), TARGET, Plan("minmax"))[0]
    yield Line("int8, all integers", plain, "fp32, as exported")
    facts = calibrate(standard, batches, 0)
    plan = mixed.operators(facts.graph)
    model = quantize(facts, TARGET, Plan("minmax", plan))[0]
    name = f"int8, standard rewritings, {plan}"
    yield Line(name, model, "int8, all integers")
    yield from _rewritten("int8", model, name, TARGET.rewritings)


def _rewritten(kind: str, model: ModelProto, base: str, names: tuple[str, ...]) -> Iterator[Line]:
    for name in names:
        after = _copy(model)
        if BY_NAME[name](after):
            yield Line(f"{kind}, {name}", after, base)
            model, base = after, f"{kind}, {name}"


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def session(model: ModelProto, threads: int, *, spinning: bool) -> ort.InferenceSession:
    """Load a model on some threads."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def timed(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return, by name, a time for each round, s: the fastest of its calls, taken in turn."""
    quickest = min(_seconds(call) for call in calls.values() for _ in range(3))
    repeats = max(FEWEST_CALLS, int(ROUND_SECONDS / quickest))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        spent: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(repeats):
            for name, call in calls.items():
                call()  # brings its own weights back into the cache
                spent[name].append(_seconds(call))
        for name, found in spent.items():
            times[name].append(min(found))
    return times


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measured(name: str, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Measure all lines of a network on each number of threads, and print them."""
    graph, images = exported(name)
    found = list(lines(graph, images))
    rows = []
    for count in arguments.threads:
        spinning = not arguments.no_spinning
        runners = {line.name: session(line.model, count, spinning=spinning) for line in found}
        calls = {key: partial(run.run, None, {INPUT: images[:1]}) for key, run in runners.items()}
        scores = {key: call()[0] for key, call in calls.items()}
        times = timed(calls, arguments.rounds)
        for line in found:
            first = found[0].name
            apart = np.abs(scores[line.name] - scores[line.base]).max() / scores[line.base].max()
            row = {
                "network": name,
                "threads": count,
                "file": line.name,
                "ms": round(1e3 * statistics.median(times[line.name]), 3),
                "over its base": _ratio(times[line.base], times[line.name]),
                "over fp32 as exported": _ratio(times[first], times[line.name]),
                "apart": float(f"{apart:.1e}"),
                "MB": round(line.model.ByteSize() / 1e6, 1),
            }
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return rows


def _ratio(base: list[float], taken: list[float]) -> str:
    ratios = [b / t for b, t in zip(base, taken, strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.2f}-{max(ratios):.2f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--networks", metavar="NAME", nargs="+", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--no-spinning", action="store_true", help="idle threads sleep")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    print(f"onnxruntime {ort.__version__}")
    rows = []
    for name in arguments.networks:
        rows += measured(name, arguments)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
