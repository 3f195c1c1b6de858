# /// script
# dependencies = ["mediapipe==0.10.21", "pillow==13.0.0"]
# [tool.edgecls]
# needs = "0.10.21: from 1.0 on its metadata writer does not import; its threads cannot be set"
# ///
"""MediaPipe's ImageClassifier on LiteRT's file, with the centre given as its region of interest."""

from importlib.metadata import version
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.components.containers.rect import Rect
from mediapipe.tasks.python.metadata.metadata_writers import image_classifier, metadata_writer
from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions
from mediapipe.tasks.python.vision.core.image_processing_options import ImageProcessingOptions

from peers.model import Engine, Floats, Model, Pipeline, Pixels

ENGINES = ("fp32",)
LABELS = 1000


def prepare(model: Model, engine: str) -> None:
    """Write labels and normalisation into LiteRT's file."""
    source = model.at("litert") / "fp32.tflite"
    if not source.exists():
        raise FileNotFoundError("no fp32.tflite: it takes what the peer litert converted")
    labels = metadata_writer.Labels().add([str(number) for number in range(LABELS)])
    mean, std = ([255 * value for value in values] for values in (model.mean, model.std))
    buffer = bytearray(source.read_bytes())
    written = image_classifier.MetadataWriter.create(buffer, mean, std, labels).populate()[0]
    _file(model).write_bytes(written)


def _file(model: Model) -> Path:
    return model.at("mediapipe") / "fp32.tflite"


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load; the best label alone comes back, so the other logits are zeros."""
    base = BaseOptions(model_asset_path=str(_file(model)))
    classifier = ImageClassifier.create_from_options(ImageClassifierOptions(base, max_results=1))

    def answer(image: Pixels) -> Floats:
        frame = mp.Image(image_format=mp.ImageFormat.SRGB, data=image)
        region = ImageProcessingOptions(region_of_interest=_region(image, model))
        best = classifier.classify(frame, region).classifications[0].categories[0]
        logits = np.zeros(LABELS, np.float32)
        logits[best.index] = 1
        return logits

    pipelines = {"ImageClassifier": Pipeline(answer, None)}
    return Engine(np.asarray, None, f"mediapipe {version('mediapipe')}", pipelines)


def _region(image: Pixels, model: Model) -> Rect:
    """Return what the training transform keeps, as shares of the image."""
    short = min(image.shape[:2])
    tall, wide = (size * short / model.resize_size for size in model.size)
    height, width = image.shape[:2]
    top, left = (height - tall) / 2 / height, (width - wide) / 2 / width
    return Rect(left=left, top=top, right=1 - left, bottom=1 - top)
