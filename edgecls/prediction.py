"""What a classifier answers: a score for every label, and how to read them."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """What a score means, and how many labels may be true at once."""

    MULTICLASS = "multiclass"
    """Exactly one label; scores are a softmax and sum to 1."""
    BINARY = "binary"
    """Two labels, negative first; the positive one is told by one threshold on its score."""
    MULTILABEL = "multilabel"
    """Any number of labels; scores are independent sigmoids, each with a threshold of its own."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The scores of one image.

    Attributes:
        scores: float32, shape (n_labels,), each in 0..1.
        labels: One name per score, in the order of the model's output.
        task: How the scores are read.
        thresholds: Lowest score that counts as true: none for multiclass, one for binary,
            one a label for multilabel.

    """

    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    task: Task = Task.MULTICLASS
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse scores that do not fit the labels: a shifted label is a wrong verdict."""
        if self.scores.shape != (len(self.labels),):
            raise ValueError(
                f"prediction: scores of shape {self.scores.shape}; "
                f"expected ({len(self.labels)},), one per label"
            )

    @property
    def best(self) -> int:
        """Index of the answer in ``labels``."""
        if self.task is Task.BINARY:
            return int(self.scores[1] >= self.thresholds[0])
        return int(self.scores.argmax())

    @property
    def label(self) -> str:
        """The answer; for multilabel the label with the highest score."""
        return self.labels[self.best]

    @property
    def score(self) -> float:
        """Score of the answer, 0..1."""
        return float(self.scores[self.best])

    @property
    def margin(self) -> float:
        """Score of the answer less the best other score: 0 is a coin toss, 1 is certainty.

        Negative when a binary threshold overrules the higher score.
        """
        return self.score - float(np.delete(self.scores, self.best).max())

    @property
    def present(self) -> tuple[str, ...]:
        """Every label held to be true: one, or for multilabel those at their threshold or above."""
        if self.task is not Task.MULTILABEL:
            return (self.label,)
        scored = zip(self.labels, self.scores, self.thresholds, strict=True)
        return tuple(label for label, score, threshold in scored if score >= threshold)

    def top(self, k: int) -> tuple[tuple[str, float], ...]:
        """Return the ``k`` highest (label, score), highest first; equals keep the label order."""
        order = np.argsort(-self.scores, kind="stable")[:k]
        return tuple((self.labels[i], float(self.scores[i])) for i in order)
