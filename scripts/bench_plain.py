"""What one would write without edgecls: Pillow's resize, onnxruntime, top-1. For scripts/bench.py.

Prints JSON: ``cold_start_s`` to the first answer from an image file, and ``latency_ms_p50`` from a
1080p frame in memory to its answer.
"""

import json
import statistics
import sys
import time

import numpy as np
import onnxruntime as ort
from PIL import Image

model, file, size, resized, frames, started = sys.argv[1:]
session = ort.InferenceSession(model)
crop, short = int(size), int(resized)


def answer(image: Image.Image) -> int:
    """Return the index of the best label."""
    scale = short / min(image.size)
    width, height = (int(scale * side) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - crop) // 2, (height - crop) // 2
    pixels = np.asarray(image)[top : top + crop, left : left + crop]
    (scores,) = session.run(None, {"image": pixels[np.newaxis]})
    return int(np.asarray(scores).argmax())


answer(Image.open(file).convert("RGB"))
cold = time.monotonic() - float(started)
frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
times = []
for _ in range(int(frames)):
    begun = time.perf_counter()
    answer(Image.fromarray(frame))
    times.append(time.perf_counter() - begun)
print(json.dumps({"cold_start_s": cold, "latency_ms_p50": 1000 * statistics.median(times)}))
