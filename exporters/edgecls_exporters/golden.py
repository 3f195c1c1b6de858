"""Choose golden samples and write them, with the reference scores, into a bundle."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from edgecls.prediction import Task
from edgecls_exporters.graph import to_scores
from edgecls_exporters.ledger import Answers
from edgecls_exporters.original import Original
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled, read_image

COUNT = 8
SYNTHETIC_SIZE = (480, 640)


def chosen(data: list[Labelled], reference: Answers) -> list[NDArray[np.uint8]]:
    """Return camera-size images: half of them those where the original hesitates most.

    A hesitant answer is the first to tip over when a device computes something else.
    """
    two_best = np.sort(reference.scores, axis=1)[:, -2:]
    by_margin = np.argsort(two_best[:, 1] - two_best[:, 0], kind="stable").tolist()
    spread = np.linspace(0, len(data) - 1, min(COUNT, len(data))).astype(int).tolist()
    picked = list(dict.fromkeys([*by_margin[: COUNT // 2], *spread]))[:COUNT]
    return [read_image(data[i].path) for i in picked]


def synthetic(seed: int) -> list[NDArray[np.uint8]]:
    """Return seeded images for an export without data: soft blobs under fine noise."""
    random = np.random.default_rng(seed)
    height, width = SYNTHETIC_SIZE
    images = []
    for _ in range(COUNT):
        blobs = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        soft = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
        noise = random.integers(-20, 21, soft.shape)
        images.append(np.clip(soft.astype(np.int64) + noise, 0, 255).astype(np.uint8))
    return images


def write(
    folder: Path,
    images: list[NDArray[np.uint8]],
    original: Original,
    task: Task,
    classifiers: list[Classifier],
) -> tuple[golden.Sample, ...]:
    """Write the images as PNG, and what the original and each variant answer on them."""
    (folder / "golden").mkdir()
    samples = []
    for number, image in enumerate(images):
        file = f"golden/{number:02d}.png"
        Image.fromarray(image).save(folder / file)
        with torch.inference_mode():
            logits = original.logits(original.transform(Image.fromarray(image))[None])
        scores = {c.variant.name: _plain(c(image).scores) for c in classifiers}
        samples.append(golden.Sample(file, _plain(to_scores(logits, task)[0].numpy()), scores))
    text = golden.Samples(tuple(samples)).to_json()
    (folder / golden.FILE).write_text(text, encoding="utf-8")
    return tuple(samples)


def _plain(scores: NDArray[np.float32]) -> tuple[float, ...]:
    """Round to 7 digits: far below any tolerance, and a quarter of the file's size."""
    return tuple(round(float(score), 7) for score in scores)
