"""A classifier against labelled images: the figures that need ground truth."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecls import metrics
from edgecls.errors import ConfigError
from edgecls.prediction import Prediction
from edgecls.progress import track
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled, readable


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Answers on labelled images.

    Attributes:
        labels: Names, in the order of the indices.
        truth: Index of the true label of each image, int, shape (n,).
        answers: Index of the answered label of each image, int, shape (n,).
        present: Whether each label is held to be true, shape (n, n_labels).
        skipped: Messages of the files that could not be read; they are in no figure.

    """

    labels: tuple[str, ...]
    truth: metrics.Indices
    answers: metrics.Indices
    present: NDArray[np.bool_]
    skipped: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is right: shape (n,)."""
        return np.equal(self.truth, self.answers)

    @property
    def confusion(self) -> NDArray[np.intp]:
        """Counts by (true, answered): shape (n_labels, n_labels)."""
        return metrics.confusion(self.truth, self.answers, len(self.labels))

    @property
    def top1(self) -> float:
        """Share of images answered rightly, 0..1."""
        return metrics.share(self.right)

    @property
    def top1_interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence."""
        return metrics.wilson(int(self.right.sum()), len(self.right))

    @property
    def recall(self) -> dict[str, float]:
        """Share of each label's images that were answered rightly, for labels with images."""
        return {
            label: metrics.share(self.right[self.truth == i])
            for i, label in enumerate(self.labels)
            if (self.truth == i).any()
        }

    def errors(self, good: tuple[str, ...]) -> tuple[float | None, float | None]:
        """Return the rates of escapes and overkill, 0..1, when ``good`` labels let parts pass.

        None where the images show no defective part, or no good one.
        """
        is_good = np.isin(self.labels, good)
        some_good = np.any(self.present[:, is_good], axis=1)
        called_good = np.logical_and(some_good, ~np.any(self.present[:, ~is_good], axis=1))
        escapes = metrics.escape_rate(is_good[self.truth], called_good)
        overkill = metrics.overkill_rate(is_good[self.truth], called_good)
        return _or_none(escapes), _or_none(overkill)


def _or_none(rate: float) -> float | None:
    return None if math.isnan(rate) else rate


def check_labels(data: list[Labelled], labels: tuple[str, ...], where: str) -> None:
    """Raise ConfigError for a folder that is no label of the bundle, or data without labels."""
    if any(item.label is None for item in data):
        raise ConfigError(f"{where}: images without labels; expected {where}/<label>/<image>")
    for label in sorted({item.label for item in data if item.label is not None}):
        if label not in labels:
            raise ConfigError(
                f"{where}/{label}: no label of the bundle; its labels are {', '.join(labels[:20])}"
            )


def evaluate(classifier: Classifier, data: list[Labelled]) -> Evaluation:
    """Classify labelled images and compare.

    Raises:
        ConfigError: None of the files could be read.

    """
    labels = classifier.bundle.labels
    predictions, truth, skipped = predict(classifier, data)
    if not predictions:
        raise ConfigError(f"{data[0].path.parent}: none of {len(data)} files is an image")
    answers = np.array([prediction.best for prediction in predictions])
    indices = np.array([labels.index(label) for label in truth if label is not None])
    present = np.array([[label in p.present for label in labels] for p in predictions])
    return Evaluation(labels, indices, answers, present, tuple(skipped))


def predict(
    classifier: Classifier, data: list[Labelled]
) -> tuple[list[Prediction], list[str | None], list[str]]:
    """Classify every readable image; return predictions, their labels, messages of the others."""
    skipped: list[str] = []
    predictions, truth = [], []
    tracked = track(data, f"{classifier.variant.name}: classifying", len(data))
    for item, image in readable(tracked, skipped):
        predictions.append(classifier(image))
        truth.append(item.label)
    return predictions, truth, skipped
