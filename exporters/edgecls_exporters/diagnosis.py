"""Which known fault of preprocessing explains a difference, or a lack of accuracy.

Why two sides disagree: a fault explains it when one side, made to have that fault, gives the
other's scores. Why a model whose preprocessing is a guess is not better: a fault is suspected when
undoing it raises accuracy by more than chance.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecls import metrics
from edgecls.prediction import Task
from edgecls.progress import track
from edgecls_exporters.faults import Fault, known_faults, said
from edgecls_exporters.ledger import Answers, answered
from edgecls_exporters.views import View, normalised, shaped
from edgecls_runtime.images import Labelled, read_image

BATCH = 16
# Images that every fault is tried on: those on which the sides differ most.
TRIED = 48
# A fault explains a difference when no more than this share of it is left. On EfficientNet-Lite0
# and 100 ImageNet photos the right one left under 0.001, and 0.01 to 0.3 where the other side was
# int8 and the fault plain; a wrong one left 0.36 and more (0.23 between two colours of letterbox).
LEFT = 0.25
# What is left beyond rounding may be a second fault; more than HALFWAY, and there was no first one.
ROUNDING, HALFWAY = 0.01, 0.9
# Two faults that leave as little as each other (rounding aside): the plainer one is named.
SAME = 1.2, 1e-4
CHANCE = 0.05

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be shown images in other ways than its own.

    Attributes:
        name: In messages, such as ``A``.
        view: What it should see.
        scores: Normalised float32 (n, 3, height, width) -> scores (n, n_labels).

    """

    name: str
    view: View
    scores: Callable[[NDArray[np.float32]], Scores]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Faults that make one side answer as the other.

    Attributes:
        faults: Names; mostly one.
        message: A sentence to act on.
        agreement: Share of images, 0..1, with the other side's answer once the faults are made.
        agreement_before: The same without them.
        difference: Mean over the images of the largest difference of a score, once they are made.
        difference_before: The same without them.

    """

    faults: tuple[str, ...]
    message: str
    agreement: float
    agreement_before: float
    difference: float
    difference_before: float


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A change of preprocessing that raises accuracy by more than chance.

    Attributes:
        fault: Its name.
        message: A sentence to act on.
        accuracy: Top-1, 0..1, with the change.
        accuracy_before: Top-1 as declared.
        p: Exact McNemar p, times the number of changes that were tried (Bonferroni).

    """

    fault: str
    message: str
    accuracy: float
    accuracy_before: float
    p: float


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two sides' answers on the same images, each as it sees them itself.

    Attributes:
        data: The images.
        base: Answers of the side that can be shown them in other ways.
        other: Answers of the side whose difference is to be explained.
        name: Of the other side.
        task: How scores are read.
        thresholds: The other side's.

    """

    data: Sequence[Labelled]
    base: Answers
    other: Answers
    name: str
    task: Task
    thresholds: tuple[float, ...]


def explain(subject: Subject, dispute: Dispute, more: tuple[Fault, ...] = ()) -> Explanation | None:
    """Find the fault, or the pair of faults, with which the subject answers as the other side.

    Args:
        subject: The side whose answers are ``dispute.base``.
        dispute: What the two sides answer.
        more: Faults to try after the known ones.

    Returns:
        None where no known fault explains the difference.

    """
    apart = _apart(dispute.base.scores, dispute.other.scores)
    chosen = np.sort(np.argsort(-apart, kind="stable")[:TRIED])
    data = [dispute.data[i] for i in chosen]
    wanted, before = dispute.other.scores[chosen], float(apart[chosen].mean())
    # A side that answers the same whatever it sees is like any other that does: a fault must tell
    # its images apart as well.
    enough = LEFT * min(before, float(_apart(wanted, wanted.mean(axis=0)).mean()))
    faults = (*known_faults(), *more)
    tried = _tried(subject, data, faults, (), subject.view)
    best = _best(tried, wanted)
    if best is None:
        return None
    if ROUNDING * before < best.left <= HALFWAY * before:
        second = _best(_tried(subject, data, faults, best.faults, best.view), wanted)
        # Two faults fit more than one does by chance alone: they must leave much less.
        best = second if second is not None and second.left <= best.left / 2 else best
    if best.left > enough:
        return None
    return _confirmed(subject, dispute, best)


def suspect(
    subject: Subject, data: Sequence[Labelled], truth: metrics.Indices, task: Task
) -> tuple[Suspicion, ...]:
    """Find the changes of preprocessing that make a model more accurate, the best first.

    A better crop or filter is only a hint: some networks gain from another size than training's.

    Args:
        subject: The model, with the preprocessing that is guessed.
        data: Labelled images that can be read; 100 and more tell a swapped colour order.
        truth: Index of the true label of each image, shape (n_images,).
        task: Multiclass or binary; of a binary task the positive score counts from 0.5 on.

    Returns:
        Empty where none is better by more than chance.

    """
    thresholds = (0.5,) if task is Task.BINARY else ()
    own = _shown(subject, data, [subject.view], "as declared")[0]
    right = answered("", own, task, thresholds).answers == truth
    tried = _tried(subject, data, known_faults(), (), subject.view)
    found = []
    for trial in tried:
        now = answered("", trial.scores, task, thresholds).answers == truth
        p = min(1.0, metrics.mcnemar(now, right) * len(tried))
        if now.sum() <= right.sum() or p >= CHANCE:
            continue
        fault, after, before = trial.faults[0], metrics.share(now), metrics.share(right)
        message = (
            f"{subject.name} is right on {100 * after:.2f} % of {len(data)} images when it "
            f"{fault.does} (as declared: {100 * before:.2f} %, p {p:.2g}): {fault.remedy}"
        )
        found.append(Suspicion(fault.name, message, after, before, p))
    return tuple(sorted(found, key=lambda suspicion: -suspicion.accuracy))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Faults in the order they were made, what is seen with them, and the answers."""

    faults: tuple[Fault, ...]
    view: View
    scores: Scores
    left: float = 0.0


def _tried(
    subject: Subject,
    data: Sequence[Labelled],
    faults: tuple[Fault, ...],
    made: tuple[Fault, ...],
    view: View,
) -> list[_Trial]:
    """Make each fault upon a view that has some; leave out what changes nothing, or is known."""
    views: dict[View, tuple[Fault, ...]] = {}
    for fault in faults:
        changed = fault.change(view)
        if changed not in (view, subject.view):
            views.setdefault(changed, (*made, fault))
    scores = _shown(subject, data, list(views), f"{subject.name}: trying {len(views)} faults")
    rows = zip(views.items(), scores, strict=True)
    return [_Trial(named, changed, found) for (changed, named), found in rows]


def _best(trials: list[_Trial], wanted: Scores) -> _Trial | None:
    """Return the trial nearest to the wanted scores; of equals the first."""
    measured = [
        _Trial(t.faults, t.view, t.scores, float(_apart(t.scores, wanted).mean())) for t in trials
    ]
    if not measured:
        return None
    least = min(trial.left for trial in measured)
    factor, rounding = SAME
    return next(trial for trial in measured if trial.left <= factor * least + rounding)


def _confirmed(subject: Subject, dispute: Dispute, best: _Trial) -> Explanation | None:
    """Show every image with the fault: what explains the worst must not disturb the others."""
    scores = _shown(subject, dispute.data, [best.view], f"{subject.name}: confirming")[0]
    made = answered(subject.name, scores, dispute.task, dispute.thresholds)
    before, after = (_agreement(answers, dispute.other) for answers in (dispute.base, made))
    apart_before = float(_apart(dispute.base.scores, dispute.other.scores).mean())
    apart = float(_apart(scores, dispute.other.scores).mean())
    if after < before or apart >= apart_before:
        return None
    names = tuple(fault.name for fault in best.faults)
    return Explanation(
        names,
        _sentence(subject, dispute.name, best.faults, after, before),
        after,
        before,
        apart,
        apart_before,
    )


def _sentence(
    subject: Subject, other: str, faults: tuple[Fault, ...], after: float, before: float
) -> str:
    does = ", and ".join(fault.does for fault in faults)
    mine = ", and ".join(said(subject.view, fault.concern) for fault in faults)
    remedies = "; ".join(dict.fromkeys(fault.remedy for fault in faults))
    return (
        f"{other} {does}, where {subject.name} {mine}: made to do the same, {subject.name} answers "
        f"like {other} on {100 * after:.2f} % of the images (now {100 * before:.2f} %); {remedies}"
    )


def _shown(
    subject: Subject, data: Sequence[Labelled], views: list[View], text: str
) -> list[Scores]:
    """Return the scores of all images, (n_images, n_labels), under each view.

    An image is decoded once, and scaled once for all views of one geometry.
    """
    found: list[list[Scores]] = [[] for _ in views]
    starts = range(0, len(data), BATCH)
    for start in track(starts, f"{text}, batches", len(starts)):
        for scores, batch in zip(found, _batches(data[start : start + BATCH], views), strict=True):
            scores.append(subject.scores(batch))
    return [np.concatenate(scores) for scores in found]


def _batches(data: Sequence[Labelled], views: list[View]) -> Iterator[NDArray[np.float32]]:
    geometries = dict.fromkeys(view.geometry for view in views)
    pixels: dict[object, list[NDArray[np.uint8]]] = {geometry: [] for geometry in geometries}
    for item in data:
        image = read_image(item.path)
        for geometry in geometries:
            pixels[geometry].append(shaped(image, geometry))
    for view in views:
        yield normalised(np.stack(pixels[view.geometry]), view)


def _apart(scores: Scores, others: Scores) -> NDArray[np.float64]:
    """Return the largest difference of any score on each image: shape (n_images,)."""
    return np.asarray(np.abs(scores.astype(np.float64) - others).max(axis=1))


def _agreement(answers: Answers, others: Answers) -> float:
    return metrics.share((answers.present == others.present).all(axis=1))
