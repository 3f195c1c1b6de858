"""The ledger: every step from the original to what a device runs, and what each one cost.

A row stands for one way to answer the measured images. Each names the row it follows, so that a
reader sees at which step an answer changed: PyTorch and Pillow, the graph, the normalisation in
the graph, the runtime's own resize, integers, this processor's kernels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecls import metrics
from edgecls.prediction import Prediction, Task

BINS = 10

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers on the measured images.

    Attributes:
        name: Of the row, such as ``pytorch`` or ``int8-arm``.
        scores: float32, shape (n_images, n_labels).
        answers: Index of the answered label of each image, shape (n_images,).
        present: Whether each label is held to be true, shape (n_images, n_labels): what must agree.

    """

    name: str
    scores: Scores
    answers: metrics.Indices
    present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose best score lies in one tenth of 0..1.

    Attributes:
        images: How many.
        score: Their mean best score, 0..1.
        right: Share of them answered rightly, 0..1.

    """

    images: int
    score: float
    right: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ledger.

    Attributes:
        name: ``pytorch``, a stage such as ``resize``, or a variant's name.
        after: Name of the row it follows; None for the original.
        images: How many images it was measured on.
        agreement: Share of images, 0..1, with the original's answer (multilabel: all its labels).
        changed: Images whose answer is another than in the row it follows.
        largest_difference: Of any score on any image, 0..1, from the original's.
        accuracy: Top-1, 0..1; None without labels, as are the next four.
        drop: Points of top-1 lost against the original; below 0 when it is better.
        drop_interval: Where that drop lies with 95 % confidence, points.
        drop_p: Exact McNemar p of being as accurate as the original.
        escapes: Defective parts that the original stops and this row passes; None without ``good``.
        recall: Share of each label's images answered rightly, by label; empty without labels.
        confusions: (true label, answered label, images), indices; empty without labels.
        reliability: Tenths of the best score that hold an image; empty without labels.
        size_bytes: Of the ONNX file; None for what is no file.
        engine_ms: Median time of the network alone on the build machine; None if not timed.

    """

    name: str
    after: str | None
    images: int
    agreement: float
    changed: int
    largest_difference: float
    accuracy: float | None = None
    drop: float | None = None
    drop_interval: tuple[float, float] | None = None
    drop_p: float | None = None
    escapes: int | None = None
    recall: dict[str, float] = field(default_factory=dict)
    confusions: tuple[tuple[int, int, int], ...] = ()
    reliability: tuple[Bin, ...] = ()
    size_bytes: int | None = None
    engine_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """An image that a shipped variant answers otherwise than the original.

    Attributes:
        file: Path of the image, as the data folder names it.
        label: Its true label; None without labels.
        original: What the original answers.
        answers: What each row answers, by its name, in the order of the ledger.

    """

    file: str
    label: str | None
    original: str
    answers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of the measured images.

    Attributes:
        labels: Names in the order of the scores.
        truth: Index of the true label of each image, shape (n_images,); None without labels.
        good: Labels that let a part pass; empty when escapes are not counted.

    """

    labels: tuple[str, ...]
    truth: metrics.Indices | None
    good: tuple[str, ...] = ()


def known(named: Sequence[str | None], labels: tuple[str, ...], good: tuple[str, ...]) -> Truth:
    """Return what is known of images with these labels."""
    given = [label for label in named if label is not None]
    if len(given) < len(named):
        return Truth(labels, None, good)
    return Truth(labels, np.array([labels.index(label) for label in given], np.intp), good)


def answered(name: str, scores: Scores, task: Task, thresholds: tuple[float, ...]) -> Answers:
    """Read scores as the runtime reads them."""
    labels = tuple(map(str, range(scores.shape[1])))
    predictions = [Prediction(values, labels, task, thresholds) for values in scores]
    present = np.zeros(scores.shape, np.bool_)
    for held, prediction in zip(present, predictions, strict=True):
        held[[int(label) for label in prediction.present]] = True
    return Answers(name, scores, np.array([p.best for p in predictions]), present)


def row(found: Answers, original: Answers, before: Answers | None, images: Truth) -> Row:
    """Compare answers with the original's, with the step before and, if known, with the truth."""
    same = (found.present == original.present).all(axis=1)
    step = original if before is None else before
    changed = int((found.present != step.present).any(axis=1).sum())
    after = None if before is None else before.name
    difference = float(np.abs(found.scores - original.scores).max())
    counts = (found.name, after, len(same), metrics.share(same), changed, difference)
    if images.truth is None:
        return Row(*counts)
    right, original_right = found.answers == images.truth, original.answers == images.truth
    low, high = metrics.paired_drop(original_right, right)
    confused = metrics.confusion(images.truth, found.answers, len(images.labels))
    pairs = zip(*(indices.tolist() for indices in np.nonzero(confused)), strict=True)
    return Row(
        *counts,
        accuracy=metrics.share(right),
        drop=100 * (metrics.share(original_right) - metrics.share(right)),
        drop_interval=(100 * low, 100 * high),
        drop_p=metrics.mcnemar(right, original_right),
        escapes=new_escapes(found, original, images),
        recall={
            label: metrics.share(right[images.truth == i])
            for i, label in enumerate(images.labels)
            if (images.truth == i).any()
        },
        confusions=tuple((t, a, int(confused[t, a])) for t, a in pairs),
        reliability=reliability(found, right),
    )


def new_escapes(found: Answers, original: Answers, images: Truth) -> int | None:
    """Count defective parts that the original stops and these answers pass."""
    if not images.good or images.truth is None:
        return None
    is_good = np.isin(images.labels, images.good)
    defective = ~is_good[images.truth]
    return int((defective & _passes(found, is_good) & ~_passes(original, is_good)).sum())


def _passes(found: Answers, is_good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether each image shows a good label and no other: shape (n_images,)."""
    some_good = found.present[:, is_good].any(axis=1)
    return np.asarray(some_good & ~found.present[:, ~is_good].any(axis=1))


def reliability(found: Answers, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Group images by their best score: a score of 0.9 should be right nine times of ten."""
    best = found.scores[np.arange(len(right)), found.answers]
    tenths = np.minimum((np.nan_to_num(best) * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(int(mine.sum()), float(best[mine].mean()), metrics.share(right[mine]))
        for mine in (tenths == number for number in range(BINS))
        if mine.any()
    )


def flips(
    files: Sequence[str], rows: Sequence[Answers], original: Answers, images: Truth
) -> tuple[Flip, ...]:
    """Return the images that any of the rows answers otherwise than the original."""
    found = []
    for i, file in enumerate(files):
        if all((a.present[i] == original.present[i]).all() for a in rows):
            continue
        label = None if images.truth is None else images.labels[images.truth[i]]
        said = {answers.name: images.labels[answers.answers[i]] for answers in rows}
        found.append(Flip(file, label, images.labels[original.answers[i]], said))
    return tuple(found)
