"""What the original answers, and what each variant answers.

The original runs as in the user's own Python: Pillow, its own transform, PyTorch. A variant runs as
on the device: the runtime's decoder, resize and engine, from the image file on.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from edgecls.prediction import Task
from edgecls.progress import track
from edgecls_exporters.graph import to_scores
from edgecls_exporters.ledger import Answers, answered
from edgecls_exporters.original import Original
from edgecls_exporters.transforms import open_upright
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled, read_image

BATCH = 16


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
            scores.append(to_scores(original.logits(batch), task).numpy())
    return answered("pytorch", np.concatenate(scores), task, thresholds)


def on_tensors(
    original: Original, task: Task
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a function of normalised images, float32 (n, 3, height, width), to scores."""

    def scores(seen: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = to_scores(original.logits(torch.from_numpy(seen)), task)
        return np.asarray(found.numpy(), np.float32)

    return scores


def variant_answers(classifier: Classifier, data: list[Labelled], suffix: str = "") -> Answers:
    """Run a variant as the device does; a suffix tells its row from the variant's own."""
    name = classifier.variant.name + suffix
    tracked = track(data, f"{name}: answering", len(data))
    predictions = [classifier(read_image(item.path)) for item in tracked]
    manifest = classifier.bundle.manifest
    scores = np.stack([prediction.scores for prediction in predictions])
    return answered(name, scores, manifest.task, manifest.thresholds)
