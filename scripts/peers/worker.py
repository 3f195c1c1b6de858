"""A peer's process: JSON lines in, JSON lines out, at rest in between.

    python -P -m peers.worker PEER        (with scripts/ in PYTHONPATH)

Requests: {"do": NAME, ...}, NAME and the other keys as ``Worker``'s methods. Each gets one line;
{"failed": reason} where the peer could not.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from peers.model import Engine, Floats, Model, Pixels

NETWORK = "network"
WARM_UP = 2


class Worker:
    """One peer, with at most one engine open."""

    def __init__(self, peer: str) -> None:
        """Import the peer."""
        self.peer = importlib.import_module(f"peers.{peer}")
        self.model: Model
        self.engine: Engine

    def prepare(self, model: str, engine: str) -> dict[str, Any]:
        """Convert a model."""
        self.peer.prepare(Model.read(Path(model)), engine)
        return {}

    def open(self, model: str, engine: str, threads: int) -> dict[str, Any]:
        """Load a model; return its ways of answering."""
        cv2.setNumThreads(threads)
        self.model = Model.read(Path(model))
        self.engine = self.peer.open(self.model, engine, threads)
        ways = [*self.engine.pipelines]
        if self.engine.network is not None:
            ways.insert(0, NETWORK)
        return {"ways": ways, "version": self.engine.version}

    def run(self, way: str, frame: str, iterations: int) -> dict[str, Any]:
        """Time so many answers; return the seconds of each by the clock and by the processor."""
        call = self._call(way, np.load(frame))
        clock: list[float] = []
        processor: list[float] = []
        for _ in range(iterations):
            started, used = time.perf_counter(), time.process_time()
            call()
            processor.append(time.process_time() - used)
            clock.append(time.perf_counter() - started)
        return {"clock": clock, "processor": processor}

    def agree(self) -> dict[str, Any]:
        """Compare the network's logits with PyTorch's: the cosine around their mean."""
        network, worst = self.engine.network, 1.0
        if network is None:
            return {"cosine": None}
        inputs, expected = (np.load(self.model.folder / f) for f in ("inputs.npy", "logits.npy"))
        for one, logits in zip(inputs, expected, strict=True):
            found = np.ravel(network(self.engine.given(one[np.newaxis])))
            worst = min(worst, _cosine(_as_logits(found), logits))
        return {"cosine": worst}

    def error(self, way: str, images: str) -> dict[str, Any]:
        """Return the mean difference, grey levels, from training's resize, over a folder."""
        resized = self.engine.pipelines[way].resized
        if resized is None:
            return {"error": None}
        off = []
        for file in sorted(Path(images).glob("*.image.npy")):
            wanted = np.load(file.with_name(file.name.replace("image", self.model.name)))
            off.append(float(np.abs(np.asarray(resized(np.load(file)), float) - wanted).mean()))
        return {"error": float(np.mean(off))}

    def answers(self, way: str, images: str) -> dict[str, Any]:
        """Return the index of the best label of each image of a folder."""
        answer = self.engine.pipelines[way].answer
        files = sorted(Path(images).glob("*.image.npy"))
        return {"answers": [int(np.argmax(answer(np.load(file)))) for file in files]}

    def _call(self, way: str, frame: Pixels) -> Callable[[], Floats]:
        """Return one answer, ready to be timed and warm."""
        engine = self.engine
        call: Callable[[], Floats]
        if way == NETWORK:
            network = engine.network
            assert network is not None  # noqa: S101 - ``open`` offers it only then
            given = engine.given(np.load(self.model.folder / "inputs.npy")[:1])
            call = lambda: network(given)  # noqa: E731 - one of two
        else:
            answer = engine.pipelines[way].answer
            call = lambda: answer(frame)  # noqa: E731
        for _ in range(WARM_UP):
            call()
        return call


def _as_logits(found: Floats) -> Floats:
    """Undo a softmax: scores become logits but for a constant."""
    if found.min() >= 0 and abs(float(found.sum()) - 1) < 1e-2:
        return np.log(np.maximum(found, 1e-12))
    return found


def _cosine(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))


def _private_stdout() -> TextIO:
    """Keep stdout for answers: what a library prints goes to stderr."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def main() -> None:
    """Answer requests until stdin ends."""
    out = _private_stdout()
    worker: Worker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker(sys.argv[1])
            reply = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001 - a peer's failure is a line of the table
            said = str(error).strip().partition("\n")[0]
            reply = {"failed": f"{type(error).__name__}: {said}"[:300]}
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
