"""Time ONNX files in turns on one thread: what else the machine does falls on all of them alike.

What is counted is the thread's processor time: waiting for a processor that others use is left out.
"""

import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

# Answers in a row; a round gives each file one such block.
BLOCK = 8


def one_thread(file: Path, *, precise: bool = False) -> ort.InferenceSession:
    """Load a file on one thread; ``precise`` asks onnxruntime for its kernel that is exact."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", str(int(precise)))
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def seconds(
    runners: dict[str, ort.InferenceSession], image: NDArray[np.uint8], rounds: int
) -> dict[str, list[float]]:
    """Return each runner's median processor time in every round, s.

    Args:
        runners: Of ``one_thread``, by any names.
        image: uint8 (height, width, 3).
        rounds: One more is run first, to warm up.

    """
    feeds = {"image": image[np.newaxis]}
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds + 1):
        for name, runner in runners.items():
            spent = []
            for _ in range(BLOCK):
                started = time.thread_time()
                runner.run(None, feeds)
                spent.append(time.thread_time() - started)
            times[name].append(statistics.median(spent))
    return {name: taken[1:] for name, taken in times.items()}


def faster(than: list[float], taken: list[float]) -> str:
    """Return how many times faster: the median over rounds, the lowest and the highest round."""
    ratios = [other / own for other, own in zip(than, taken, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
