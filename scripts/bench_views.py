"""Several places of a frame in one call of the engine, against one call for each, in one run.

    python scripts/bench_views.py BUNDLE [--variant fp32] [--threads 2] [--rounds 7] [--frames 5]

From a 1080p frame in memory to its verdict, nothing prepared ahead. "Separate" is what one writes
around a classifier: crop, classify, judge, place after place. A ratio is the median over
interleaved rounds of separate by ours, with its range; above 1 ours is faster. Processor time is of
all threads, and leaves out waiting for a processor that others use.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.frame import Frame
from edgecls.verdict import Outcome
from edgecls_runtime import Classifier, Rule
from edgecls_runtime.failover import Failover
from edgecls_runtime.providers import cpu
from edgecls_runtime.views.looking import Looking
from edgecls_runtime.views.settings import View

FULL_HD_PX = (1920, 1080)
# So many places, in columns and rows; each takes the same share of the frame at any number.
GRIDS = {1: (1, 1), 4: (2, 2), 9: (3, 3)}
ROI_PX = (480, 300)


def scene() -> NDArray[np.uint8]:
    """Draw a 1080p frame, uint8 RGB: smooth shapes with a little noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (68, 120, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, FULL_HD_PX, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255), np.uint8)


def views(count: int) -> tuple[View, ...]:
    """Return so many places of one size, spread over the frame."""
    columns, rows = GRIDS[count]
    width, height = ROI_PX
    lefts = np.linspace(0, FULL_HD_PX[0] - width, columns).astype(int)
    tops = np.linspace(0, FULL_HD_PX[1] - height, rows).astype(int)
    return tuple(View(f"{x},{y}", roi=(int(x), int(y), width, height)) for y in tops for x in lefts)


def separate(places: tuple[View, ...], classify: Classifier, rule: Rule) -> Callable[[Frame], bool]:
    """Return the loop over places that one writes; it tells whether all pass."""
    rois = [view.roi for view in places if view.roi is not None]

    def run(frame: Frame) -> bool:
        found = []
        for x, y, width, height in rois:
            crop = frame.image[y : y + height, x : x + width]
            found.append(rule(classify(crop)).outcome is Outcome.PASS)
        return all(found)

    return run


def together(places: tuple[View, ...], classify: Failover, rule: Rule) -> Callable[[Frame], bool]:
    """Return what a station does."""
    looking = Looking(places, FULL_HD_PX, classify)
    return lambda frame: rule.judge_places(looking(frame)).outcome is Outcome.PASS


def seconds(run: Callable[[Frame], bool], frame: Frame, frames: int) -> tuple[float, float]:
    """Return the mean time and processor time of some frames in a row."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(frames):
        run(frame)
    return (time.perf_counter() - began) / frames, (time.process_time() - used) / frames


def measured(
    ways: dict[str, Callable[[Frame], bool]], frame: Frame, rounds: int, frames: int
) -> dict[str, object]:
    """Time both ways in turns; the first round warms up."""
    taken = [
        {name: seconds(run, frame, frames) for name, run in ways.items()} for _ in range(rounds + 1)
    ][1:]
    found: dict[str, object] = {}
    for index, clock in enumerate(("time", "processor")):
        ratios = [one["separate"][index] / one["together"][index] for one in taken]
        for name in ways:
            median = statistics.median(one[name][index] for one in taken)
            found[f"{name}, {clock} ms"] = round(1000 * median, 2)
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        found[f"ratio, {clock}"] = f"{statistics.median(ratios):.2f}x {spread}"
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("--variant", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=5)
    arguments = parser.parse_args()
    frame = Frame(scene(), 0, time.monotonic(), "memory")
    provider = cpu.open(threads=arguments.threads)

    def opened() -> Classifier:
        return Classifier(arguments.bundle, provider, arguments.variant)

    with closing(Failover(opened, print)) as classify:
        rule = Rule(classify.classifier.bundle.labels[:1])
        result: dict[str, object] = {"load average": os.getloadavg()[0]}
        for count in GRIDS:
            ways = {
                "separate": separate(views(count), classify.classifier, rule),
                "together": together(views(count), classify, rule),
            }
            assert len({run(frame) for run in ways.values()}) == 1  # noqa: S101 - the same verdict
            found = measured(ways, frame, arguments.rounds, arguments.frames)
            result[f"{count} places"] = found
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
