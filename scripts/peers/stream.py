"""A 1080p MJPEG stream to its verdicts, each way in a process of its own.

    python -P -m peers.stream ours|sequence BUNDLE VARIANT VIDEO THREADS

Prints JSON: ``frames_per_s``, and of ours ``age_p99_periods``: the 99th percentile of a verdict's
age, from the frame's arrival in memory, in periods of that rate.
"""

import json
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from edgecls.bundle import Bundle
from edgecls.manifest import Resampling
from edgecls.metrics import percentile
from edgecls_runtime import Rule, Station
from edgecls_runtime.cameras import video
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.preprocessing import scaled_size
from edgecls_runtime.providers import cpu
from peers.edgecls import with_rung
from peers.pixels import area, cropped


def ours_pipeline(bundle: Path, variant: str, file: Path, threads: int) -> dict[str, float]:
    """Judge every frame by a station, as ``edgecls run`` does."""
    halved = with_rung(Bundle.open(bundle), Resampling.HALVING)
    classifier = Classifier(halved, cpu.open(threads=threads, spinning=True), variant)
    rule = Rule(good=classifier.bundle.labels[:1])
    with closing(video.open(path=file)) as camera:
        station = Station(camera, classifier, rule)
        verdicts = station.run(stop=lambda: False)
        next(verdicts)
        started = time.perf_counter()
        ages = [verdict.latency or 0.0 for verdict in verdicts]
        rate = len(ages) / (time.perf_counter() - started)
    return {"frames_per_s": rate, "age_p99_periods": percentile(ages, 99) * rate}


def sequence(bundle: Path, variant: str, file: Path, threads: int) -> dict[str, float]:
    """Decode, resize, infer, one after the other, as one writes it by hand."""
    opened = Bundle.open(bundle)
    wanted = opened.preprocessing
    cv2.setNumThreads(threads)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(bundle / opened.variant(variant).file, options)
    capture = cv2.VideoCapture(str(file))
    count, started = -1, 0.0
    while True:
        there, image = capture.read()
        if not there:
            return {"frames_per_s": count / (time.perf_counter() - started)}
        frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        resized = cropped(area(frame, *scaled_size(frame.shape[:2], wanted)), wanted.size)
        np.argmax(session.run(None, {"image": resized[np.newaxis]})[0])
        count += 1
        started = started or time.perf_counter()


def main() -> None:
    """Measure one of them."""
    way, bundle, variant, file, threads = sys.argv[1:]
    run = ours_pipeline if way == "ours" else sequence
    print(json.dumps(run(Path(bundle), variant, Path(file), int(threads))))


if __name__ == "__main__":
    main()
