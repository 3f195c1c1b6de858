"""Choose how exactly images are resized: the fastest rung that leaves the user's answers alone.

The exact rung needs no proof. A faster one has to show on the user's own images, through the fp32
model, that it changes no more answers than allowed, and that it is worth having. Where the images
are too few or too small to show either, the exact one stays. No labels are needed.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Preprocessing, Resampling
from edgecls.prediction import Task
from edgecls.progress import track
from edgecls_exporters.ledger import Answers, answered
from edgecls_exporters.report import Rung
from edgecls_runtime.images import Labelled, read_image
from edgecls_runtime.preprocessing import Preparer, halvings

Image = NDArray[np.uint8]
# No changed answer among n images leaves, with 95 % confidence, up to 3/n of all ("rule of three").
FEWEST = 100
# Images that are timed; medians of more are no steadier.
TIMED = 200
# A rung must be faster than the exact one by more than this share, well above the clock's noise.
WORTH = 0.10


@dataclass(frozen=True, slots=True)
class Judge:
    """Who says whether two images are answered alike.

    Attributes:
        classify: uint8 (n, height, width, 3) of network size -> scores, float32 (n, n_labels).
        task: How scores are read.
        thresholds: As ``Prediction.thresholds``.

    """

    classify: Callable[[Image], NDArray[np.float32]]
    task: Task
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One image at every rung, in the order of ``Resampling``.

    Attributes:
        scores: float32, shape (n_rungs, n_labels).
        seconds: Of the whole preprocessing; None where it was not timed.

    """

    scores: NDArray[np.float32]
    seconds: tuple[float, ...] | None


def choose(
    judge: Judge,
    images: Sequence[Labelled],
    preprocessing: Preprocessing,
    most_changed: float = 0.001,
    wanted: Resampling | None = None,
) -> tuple[Resampling, tuple[Rung, ...]]:
    """Measure every rung on images that can be read, and choose one.

    Args:
        judge: The fp32 model.
        images: Files to measure on; they are read one at a time.
        preprocessing: The declaration; its own ``resampling`` does not matter.
        most_changed: Share of images, 0..1, whose answer a rung may change; part of an image is
            none.
        wanted: The user's choice, which is then measured and not questioned.

    Returns:
        The chosen rung, and what was measured of each; nothing was without images.

    """
    if not images:
        return wanted or Resampling.EXACT, ()
    preparers = [Preparer(replace(preprocessing, resampling=rung)) for rung in Resampling]
    seen = [
        _look(judge, read_image(item.path), preparers, number)
        for number, item in enumerate(track(images, "resize: measuring", len(images)))
    ]
    rungs = measured(seen, judge)
    chosen = wanted or fastest(rungs, len(images), most_changed)
    return chosen, tuple(replace(rung, chosen=rung.name == chosen) for rung in rungs)


def fastest(rungs: Sequence[Rung], n_images: int, most_changed: float) -> Resampling:
    """Return the fastest rung that keeps to the budget and is worth leaving the one above for."""
    best, *faster = rungs
    # A product such as 0.29 * 100 falls just short of its whole number.
    allowed = math.floor(most_changed * n_images + 1e-9)
    for rung in faster:
        changed = round((1 - rung.agreement) * n_images)
        if changed <= allowed and rung.milliseconds < (1 - WORTH) * best.milliseconds:
            best = rung
    return Resampling(best.name) if n_images >= FEWEST else Resampling.EXACT


def measured(seen: Sequence[Seen], judge: Judge) -> tuple[Rung, ...]:
    """Compare every rung with the exact one; none is chosen yet."""
    by_rung = np.stack([one.scores for one in seen], axis=1)
    answers = [
        answered(rung, scores, judge.task, judge.thresholds)
        for rung, scores in zip(Resampling, by_rung, strict=True)
    ]
    timed = [one.seconds for one in seen if one.seconds is not None]
    medians = [1000 * statistics.median(times) for times in zip(*timed, strict=True)]
    exact = answers[0]
    return tuple(
        Rung(
            found.name, _alike(found, exact), _difference(found, exact), milliseconds, chosen=False
        )
        for found, milliseconds in zip(answers, medians, strict=True)
    )


def _alike(found: Answers, exact: Answers) -> float:
    return float((found.present == exact.present).all(axis=1).mean())


def _difference(found: Answers, exact: Answers) -> float:
    return float(np.abs(found.scores - exact.scores).max())


def _look(judge: Judge, image: Image, preparers: Sequence[Preparer], number: int) -> Seen:
    """Prepare one image at every rung; rungs that halve it as often share the work and its time."""
    halved = [halvings(image.shape[:2], prepare.wanted) for prepare in preparers]
    distinct = dict(zip(halved, preparers, strict=True))
    # This turn makes weights and buffers too, which a device makes once; it is not timed.
    prepared = np.stack([prepare(image) for prepare in distinct.values()])
    scores = dict(zip(distinct, judge.classify(prepared), strict=True))
    seconds = None
    if number < TIMED:
        # Each is first as often as last: a busy moment or a warm cache favours none.
        turn = number % len(distinct)
        order = [*distinct.items()]
        took = {count: _seconds(image, prepare) for count, prepare in order[turn:] + order[:turn]}
        seconds = tuple(took[count] for count in halved)
    return Seen(np.stack([scores[count] for count in halved]), seconds)


def _seconds(image: Image, prepare: Preparer) -> float:
    started = time.perf_counter()
    prepare(image)
    return time.perf_counter() - started
