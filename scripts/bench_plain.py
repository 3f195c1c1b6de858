"""What one writes without edgecls: resize, onnxruntime, top-1; run by bench.py and bench_peers.py.

Resizes with Pillow, as training did, or with OpenCV's INTER_AREA. Prints JSON: ``cold_start_s`` to
the first answer from an image file, ``peak_memory_mb`` up to there, and ``latency_ms_p50`` from a
1080p frame in memory to its answer.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

model, file, size, resized, frames, started, library = sys.argv[1:]
session = ort.InferenceSession(model)
crop, short = int(size), int(resized)


def with_pillow() -> tuple[Callable[[str], Pixels], Callable[[Pixels, int, int], Pixels]]:
    """Return how to read a file, and how to resize."""
    from PIL import Image  # noqa: PLC0415 - the other way does without

    def resize(image: Pixels, width: int, height: int) -> Pixels:
        filtered = Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(image).resize((width, height), filtered))

    return lambda path: np.asarray(Image.open(path).convert("RGB")), resize


def with_opencv() -> tuple[Callable[[str], Pixels], Callable[[Pixels, int, int], Pixels]]:
    """Return how to read a file, and how to resize."""
    import cv2  # noqa: PLC0415 - the other way does without

    def read(path: str) -> Pixels:
        return np.asarray(cv2.imread(path, cv2.IMREAD_COLOR_RGB), np.uint8)

    def resize(image: Pixels, width: int, height: int) -> Pixels:
        return np.asarray(
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )

    return read, resize


def answer(image: Pixels) -> int:
    """Return the index of the best label."""
    scale = short / min(image.shape[:2])
    height, width = (int(scale * side) for side in image.shape[:2])
    image = resize(image, width, height)
    left, top = (width - crop) // 2, (height - crop) // 2
    (scores,) = session.run(
        None, {"image": image[np.newaxis, top : top + crop, left : left + crop]}
    )
    return int(np.asarray(scores).argmax())


def peak_mb() -> float:
    """Return the peak of resident memory, in 2**20 bytes, from the kernel's counter."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


read, resize = with_pillow() if library == "pillow" else with_opencv()
answer(read(file))
figures = {"cold_start_s": time.monotonic() - float(started), "peak_memory_mb": peak_mb()}
frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
times = []
for _ in range(int(frames)):
    begun = time.perf_counter()
    answer(frame)
    times.append(time.perf_counter() - begun)
print(json.dumps({**figures, "latency_ms_p50": 1000 * statistics.median(times)}))
