"""The process that a trial measures: ``python -m edgecls_runtime.measuring.trial_process START``.

Loads one configuration, answers one image, then a question a line on stdin with a line on stdout,
until stdin ends. What goes wrong is the last line of stderr.
"""

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import numpy as np

from edgecls import plugins, schema
from edgecls.bundle import Bundle
from edgecls.errors import EdgeclsError
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier, Image
from edgecls_runtime.images import read_image
from edgecls_runtime.measuring import rungs
from edgecls_runtime.measuring.scene import golden_image
from edgecls_runtime.measuring.trial_messages import Ask, Ready, Start, Told

PROVIDERS = "edgecls_runtime.providers"
WARM_UP = 2
PACE_S = 0.1


def main() -> int:
    """Load, and answer until nobody asks any more."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        # What an engine prints is no answer.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            _serve(schema.call(Start, json.loads(sys.argv[1]), "start"), answers)
        except EdgeclsError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
    return 0


def _serve(start: Start, answers: TextIO) -> None:
    bundle = rungs.at(Bundle.open(start.bundle), start.resampling)
    provider = plugins.open_table(PROVIDERS, start.provider, "provider")
    classify = Classifier(bundle, provider, start.variant)
    classify(read_image(bundle.path / golden_image(bundle)))
    cold, peak = time.monotonic() - start.started, peak_mb()
    placed = classify.placement
    _write(Ready(round(cold, 3), peak, asdict(placed), str(placed)), answers)
    frame = Path(start.frame)
    image = read_image(frame)
    for line in sys.stdin:
        question, before = schema.call(Ask, json.loads(line), "ask"), time.process_time()
        table = _answer(classify, question, frame, image)
        work = round(time.process_time() - before, 6)
        _write(Told(**table, work_s=work, peak_memory_mb=peak_mb()), answers)  # type: ignore[arg-type]


def _write(answer: Ready | Told, answers: TextIO) -> None:
    answers.write(json.dumps(asdict(answer)) + "\n")
    answers.flush()


def _answer(classify: Classifier, question: Ask, frame: Path, image: Image) -> dict[str, object]:
    if question.golden:
        try:
            golden.require(classify)
        except EdgeclsError as error:
            return {"wrong": str(error)}
        return {}
    if question.paced:
        return {"cpu_share": _paced(classify, question.paced, image)}
    return _timed(classify, question, frame, image)


def _timed(classify: Classifier, question: Ask, frame: Path, image: Image) -> dict[str, object]:
    """Time calls from the file, from memory and of the engine in turn."""
    images = [image] * question.batch
    shape = (question.batch, *classify.bundle.preprocessing.size, 3)
    prepared = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for _ in range(WARM_UP):
        classify.batch(images)
    taken: dict[str, list[float]] = {"jpeg_s": [], "frame_s": [], "engine_s": []}
    for _ in range(question.frames):
        times = [time.perf_counter()]
        if question.jpeg:
            classify.batch([read_image(frame) for _ in images])
        times.append(time.perf_counter())
        classify.batch(images)
        times.append(time.perf_counter())
        if question.engine:
            classify.scored(prepared)
        times.append(time.perf_counter())
        for name, began, ended in zip(taken, times, times[1:], strict=False):
            taken[name].append(round(ended - began, 7))
    asked = {"jpeg_s": question.jpeg, "frame_s": True, "engine_s": question.engine}
    return {name: taken[name] for name, wanted in asked.items() if wanted}


def _paced(classify: Classifier, frames: int, image: Image) -> float:
    """Return the work of the process at ten frames a second, as a share of one core."""
    classify(image)
    time.sleep(PACE_S)  # threads that still wait actively belong to the frame before
    work, began = time.process_time(), time.monotonic()
    for number in range(frames):
        time.sleep(max(began + number * PACE_S - time.monotonic(), 0.0))
        classify(image)
    time.sleep(max(began + frames * PACE_S - time.monotonic(), 0.0))
    return round((time.process_time() - work) / (time.monotonic() - began), 4)


def peak_mb() -> float:
    """Return the peak of resident memory, in 2**20 bytes.

    From the kernel's own counter of this program: that of ``getrusage`` begins with what the
    process that started this one had in memory.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    lines = status.read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return round(int(peak) / 1024, 1)


if __name__ == "__main__":
    sys.exit(main())
