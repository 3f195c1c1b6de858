"""What the original answers, what each variant answers, and how far they agree.

The original runs as in the user's own Python: Pillow, its own transform, PyTorch. A variant runs as
on the device: the runtime's decoder, resize and engine, from the image file on.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgecls import metrics
from edgecls.prediction import Prediction, Task
from edgecls.progress import track
from edgecls_exporters.checkpoint import Original
from edgecls_exporters.graph import to_scores
from edgecls_exporters.transforms import open_upright
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled, read_image

BATCH = 16


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers on the measured images.

    Attributes:
        name: ``pytorch`` or the variant's name.
        scores: float32, shape (n_images, n_labels).
        answers: Index of the answered label of each image, shape (n_images,).
        present: Whether each label is held to be true, shape (n_images, n_labels): what must agree.

    """

    name: str
    scores: NDArray[np.float32]
    answers: metrics.Indices
    present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the proof.

    Attributes:
        name: ``pytorch`` or the variant's name.
        images: How many images it was measured on.
        accuracy: Top-1, 0..1; None without labels.
        agreement: Share of images, 0..1, with the original's answer (multilabel: all its labels).
        largest_difference: Of any score on any image, 0..1, from the original's.
        drop_p: Exact McNemar p of being as accurate as the original; None without labels.
        recall: Share of each label's images answered rightly, by label; empty without labels.
        size_bytes: Of the ONNX file; None for the original.
        engine_ms: Median time of the network alone on the build machine; None for the original.

    """

    name: str
    images: int
    accuracy: float | None
    agreement: float
    largest_difference: float
    drop_p: float | None
    recall: dict[str, float]
    size_bytes: int | None = None
    engine_ms: float | None = None


def original_answers(
    original: Original, data: list[Labelled], task: Task, thresholds: tuple[float, ...]
) -> Answers:
    """Run the PyTorch model with its own transform."""
    scores = []
    starts = range(0, len(data), BATCH)
    with torch.inference_mode():
        for start in track(starts, "pytorch: answering, batches", len(starts)):
            images = [open_upright(item.path) for item in data[start : start + BATCH]]
            batch = torch.stack([original.transform(image) for image in images])
            scores.append(to_scores(original.model(batch), task).numpy())
    return _answers("pytorch", np.concatenate(scores), task, thresholds)


def variant_answers(classifier: Classifier, data: list[Labelled]) -> Answers:
    """Run a variant as the device does."""
    name = classifier.variant.name
    tracked = track(data, f"{name}: answering", len(data))
    predictions = [classifier(read_image(item.path)) for item in tracked]
    manifest = classifier.bundle.manifest
    scores = np.stack([prediction.scores for prediction in predictions])
    return _answers(name, scores, manifest.task, manifest.thresholds)


def row(found: Answers, reference: Answers, data: list[Labelled], labels: tuple[str, ...]) -> Row:
    """Compare a model's answers with the original's and, where there are labels, with the truth."""
    named = [item.label for item in data]
    difference = float(np.abs(found.scores - reference.scores).max())
    agreement = metrics.share((found.present == reference.present).all(axis=1))
    if None in named:
        return Row(found.name, len(data), None, agreement, difference, None, {})
    truth = np.array([labels.index(label) for label in named if label is not None])
    right, reference_right = found.answers == truth, reference.answers == truth
    recall = {
        label: metrics.share(right[truth == i])
        for i, label in enumerate(labels)
        if (truth == i).any()
    }
    return Row(
        found.name,
        len(data),
        metrics.share(right),
        agreement,
        difference,
        metrics.mcnemar(right, reference_right),
        recall,
    )


def _answers(
    name: str, scores: NDArray[np.float32], task: Task, thresholds: tuple[float, ...]
) -> Answers:
    labels = tuple(map(str, range(scores.shape[1])))
    predictions = [Prediction(values, labels, task, thresholds) for values in scores]
    present = np.array([[label in p.present for label in labels] for p in predictions])
    return Answers(name, scores, np.array([p.best for p in predictions]), present)
