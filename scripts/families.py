"""Export one small member of every timm family and say how it went: the table of docs/families.md.

    python scripts/families.py [--only FAMILY ...] [--fp32] [--jobs N] [--results FILE] [--write]

A family is a module of timm. Its member is the one with the fewest parameters whose image is at
most 288 px, or the smallest image there is. Weights are random, so the columns tell what the graph
and the kernels do to an answer, and nothing of accuracy. Each member has a process of its own, with
limits of time and memory, so that what it takes comes back. Results are appended to FILE
(docs/families.jsonl), and what stands there is not measured again: about an hour of two cores, in
as many goes as it takes.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import timm
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from PIL import Image
from torch import nn

from edgecls.errors import EdgeclsError
from edgecls.prediction import Task
from edgecls_exporters import golden, targets
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.graph import export_graph, to_scores
from edgecls_exporters.original import Original
from edgecls_exporters.quantization import Calibration, Plan, calibrate, quantize
from edgecls_runtime.preprocessing import prepare
from edgecls_runtime.reasons import first_line
from families_page import COSINE, LABELS, LARGEST_PX, PAGE, RESULTS, Result, line, page, read

SECONDS = 1800
MEMORY = 12 * 2**30
# Seeds of the made-up photos: the measured ones are not those of calibration.
CALIBRATE, MEASURE = (1, 2), (3, 4)
# From integers everywhere to none in kernels (``Plan.operators``), until scores are as near.
PLANS = ("all", "layers", "weights", "head")


def members(family: str) -> list[tuple[float, int, str]]:
    """Return (millions of parameters, px, name) of a family's models that fit, smallest first."""
    sides = {}
    for name in timm.list_models(module=family):
        config = timm.get_pretrained_cfg(name)
        channels, height, width = config.input_size if config else (3, 224, 224)
        if channels == 3:
            sides[name] = max(height, width)
    largest = max(LARGEST_PX, min(sides.values(), default=0))
    found = []
    for name, side in sides.items():
        if side > largest:
            continue
        try:
            with torch.device("meta"):
                model = timm.create_model(name, num_classes=LABELS)
        except Exception:  # noqa: BLE001, S112 - whatever a model's code does on the meta device
            continue
        found.append((sum(p.numel() for p in model.parameters()) / 1e6, side, name))
    return sorted(found)


def classifies(side: int, name: str) -> bool:
    """Return whether a member gives a logit a label; encoders give maps or tokens instead."""
    try:
        with torch.device("meta"), torch.inference_mode():
            model = timm.create_model(name, num_classes=LABELS).eval()
            shape = tuple(model(torch.zeros(1, 3, side, side)).shape)
    except Exception:  # noqa: BLE001 - some code does not run without values; then the export tells
        return True
    return shape == (1, LABELS)


def measure(family: str, *, int8: bool) -> Result:
    """Export the smallest member of a family, and quantize it."""
    started = time.monotonic()
    fitting = next((member for member in members(family) if classifies(*member[1:])), None)
    if fitting is None:
        return Result(family, export="no member that takes RGB images and can be built")
    parameters, size, name = fitting
    head = Result(family, name, round(parameters, 2), size)
    try:
        torch.manual_seed(0)
        original = open_source(
            f"timm:{name}", LABELS, Task.MULTICLASS, None, {}, random_weights=True
        )
        liven(original)
        graph = export_graph(original, Task.MULTICLASS)
        images = prepared(original, MEASURE)
        expected, found = reference(original, MEASURE), answers(graph, images)
    except EdgeclsError as error:
        return replace(head, export=str(error), seconds=round(time.monotonic() - started, 1))
    result = replace(head, export="ok", difference=float(np.abs(expected - found).max()))
    if int8:
        result = with_int8(result, graph, original, images, found)
    return replace(result, seconds=round(time.monotonic() - started, 1))


def with_int8(
    result: Result,
    graph: ModelProto,
    original: Original,
    images: NDArray[np.uint8],
    fp32: NDArray[np.float32],
) -> Result:
    """Quantize as an export does whose answers change; a failure is named by its first line."""
    try:
        facts = calibrated(graph, original)
    except Exception as error:  # noqa: BLE001 - onnxruntime's classes derive from Exception alone
        return replace(result, int8=f"{type(error).__name__}: {first_line(error)}")
    for operators in PLANS:
        plan = Plan(operators=operators)
        try:
            found = answers(quantize(facts, targets.find("x86-avx2"), plan)[0], images)
        except Exception as error:  # noqa: BLE001 - likewise
            if result.int8 != "ok":  # an earlier plan's answers stand
                reason = f"{operators}: {type(error).__name__}: {first_line(error)}"
                result = replace(result, int8=reason)
            continue
        near = cosine(found, fp32)
        same = float((found.argmax(1) == fp32.argmax(1)).mean())
        result = replace(result, int8="ok", operators=operators, agreement=same, cosine=near)
        if near >= COSINE:
            break
    return result


def calibrated(graph: ModelProto, original: Original) -> Calibration:
    """Return what made-up photos show of a graph."""
    images = prepared(original, CALIBRATE)

    def batches(_: str) -> Iterator[NDArray[np.uint8]]:
        yield from images[:, np.newaxis]

    return calibrate(graph, batches, 0)


def photos(seeds: tuple[int, ...]) -> list[NDArray[np.uint8]]:
    """Return made-up photos, uint8 RGB."""
    return [image for seed in seeds for image in golden.synthetic(seed)]


def prepared(original: Original, seeds: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the photos as the runtime prepares them: uint8 (n, height, width, 3)."""
    return np.stack([prepare(image, original.preprocessing) for image in photos(seeds)])


def reference(original: Original, seeds: tuple[int, ...]) -> NDArray[np.float32]:
    """Return PyTorch's scores by the source's own transform."""
    batch = torch.stack([original.transform(Image.fromarray(image)) for image in photos(seeds)])
    with torch.inference_mode():
        return np.asarray(to_scores(original.logits(batch), Task.MULTICLASS))


def answers(graph: ModelProto, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a graph's scores, in batches of several sizes."""
    runner = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    parts = np.split(images, [1, 3, 8])
    name = runner.get_inputs()[0].name
    return np.concatenate([runner.run(None, {name: part})[0] for part in parts])


def cosine(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the mean cosine of two answers' log scores, the mean of each photo taken out."""
    logs = [np.log(np.maximum(scores, 1e-30)) for scores in (found, expected)]
    a, b = (log - log.mean(1, keepdims=True) for log in logs)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / np.maximum(norms, 1e-30)).mean())


def liven(original: Original) -> None:
    """Make random weights answer like trained ones: no dead branch, settled batch norms.

    Much of timm starts residual branches at zero, or at 1e-6 of their weight; such a branch proves
    nothing. Batch norms take the statistics of made-up photos.
    """
    model = original.model
    assert isinstance(model, nn.Module)  # noqa: S101 - all of timm is
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.detach().abs().max() < 1e-2:
            width = 0.1 if parameter.ndim < 2 else 0.02
            noise = torch.randn(parameter.shape, generator=generator) * width
            parameter.data.copy_(noise)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    batch = torch.stack([original.transform(Image.fromarray(image)) for image in photos((5,))])
    with torch.no_grad():
        model(batch)
    model.eval()


def child(family: str, threads: int, *, int8: bool) -> Result:
    """Measure a family in a process of its own, whose PyTorch takes so many threads."""
    command = [sys.executable, __file__, "--child", family, *([] if int8 else ["--fp32"])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(family, export=f"not done within {SECONDS} s", seconds=SECONDS)
    try:
        return Result(**json.loads(done.stdout.strip().rpartition("\n")[2]))
    except (json.JSONDecodeError, TypeError):
        last = done.stderr.strip().rpartition("\n")[2]
        took = round(time.monotonic() - started, 1)
        return Result(family, export=f"exit code {done.returncode}: {last}", seconds=took)


def missing(results: dict[str, Result], family: str, *, int8: bool) -> bool:
    """Return whether a family's result lacks what is measured now."""
    known = results.get(family)
    if known is None or known.export != "ok" or not int8:
        return known is None
    far = known.cosine is not None and known.cosine < COSINE and known.operators != PLANS[-1]
    return not known.int8 or far


def measured(families: list[str], jobs: int, *, int8: bool) -> Iterator[Result]:
    """Measure families, so many at a time; yield each as it is done."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ThreadPoolExecutor(jobs)
    try:
        runs = [pool.submit(child, family, threads, int8=int8) for family in families]
        for run in as_completed(runs):
            yield run.result()
    finally:  # after Ctrl-C nothing more is begun
        pool.shutdown(cancel_futures=True)


def main() -> int:
    """Measure what is wanted and missing; return 1 where a family failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="FAMILY", help="default: every one")
    parser.add_argument("--fp32", action="store_true", help="leave out int8")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="families at a time")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--child", metavar="FAMILY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        print(json.dumps(asdict(measure(arguments.child, int8=not arguments.fp32))))
        return 0
    results = read(arguments.results)
    wanted = arguments.only or [
        family
        for family in timm.list_modules()
        if missing(results, family, int8=not arguments.fp32)
    ]
    for result in measured(wanted, max(1, arguments.jobs), int8=not arguments.fp32):
        results[result.family] = result
        with arguments.results.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(asdict(result)) + "\n")
        print(line(result), f"{result.seconds:.0f} s", flush=True)
    if arguments.write:
        PAGE.write_text(page(list(results.values())), encoding="utf-8")
    return int(any(result.export != "ok" for result in results.values()))


if __name__ == "__main__":
    os.nice(10)
    sys.exit(main())
