"""Pre-processing that one writes by hand around an engine, from a frame to the network's input.

All of them scale the short side, cut the centre and normalise by the same quick code, so that they
differ in the resize alone.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from peers.model import Engine, Floats, Model, Pipeline, Pixels

Resize = Callable[[Pixels, int, int], Pixels]


def pil(image: Pixels, height: int, width: int) -> Pixels:
    """Resize as training did: Pillow's bicubic filter, antialiased."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def pil_gap(image: Pixels, height: int, width: int) -> Pixels:
    """Resize by Pillow after it took means over whole factors."""
    filtered = Image.Resampling.BICUBIC
    resized = Image.fromarray(image).resize((width, height), filtered, reducing_gap=2.0)
    return np.asarray(resized)


def area(image: Pixels, height: int, width: int) -> Pixels:
    """Resize by OpenCV's INTER_AREA."""
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def linear(image: Pixels, height: int, width: int) -> Pixels:
    """Resize by OpenCV's INTER_LINEAR, which skips most pixels of a large image."""
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


RESIZES: dict[str, Resize] = {
    "PIL": pil,
    "PIL reducing_gap=2": pil_gap,
    "INTER_AREA": area,
}
BLOB = "blobFromImage"
ALL = (*RESIZES, BLOB)
# What is worth writing around any engine: the others are measured on onnxruntime.
GOOD = ("PIL reducing_gap=2", "INTER_AREA")


def scaled(image: Pixels, short: int) -> tuple[int, int]:
    """Return (height, width), px, with the short side given, as torchvision's Resize computes."""
    height, width = image.shape[:2]
    if height <= width:
        return short, math.floor(short * width / height)
    return math.floor(short * height / width), short


def cropped(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Cut the centre out, as torchvision's CenterCrop does."""
    top, left = (
        round((have - want) / 2.0) for have, want in zip(image.shape[:2], size, strict=True)
    )
    return image[top : top + size[0], left : left + size[1]]


def by_hand(model: Model, engine: Engine, names: tuple[str, ...]) -> dict[str, Pipeline]:
    """Return pipelines around an engine that takes normalised input."""
    return {name: _pipeline(model, engine, name) for name in names}


def _pipeline(model: Model, engine: Engine, name: str) -> Pipeline:
    network = engine.network
    assert network is not None  # noqa: S101 - an engine with pipelines by hand has one

    def resized(image: Pixels) -> Pixels:
        resize = RESIZES.get(name, linear)
        return cropped(resize(image, *scaled(image, model.resize_size)), model.size)

    def answer(image: Pixels) -> Floats:
        floats = _blob(image, model) if name == BLOB else model.normalised(resized(image))
        return network(engine.given(floats))

    return Pipeline(answer, resized)


def _blob(image: Pixels, model: Model) -> Floats:
    """Do what OpenCV's own pre-processing for networks does; one std for all channels."""
    resized = linear(image, *scaled(image, model.resize_size))
    std = sum(model.std) / 3
    blob = cv2.dnn.blobFromImage(
        cropped(resized, model.size),
        1 / (255 * std),
        mean=tuple(255 * value for value in model.mean),
    )
    return np.asarray(blob, np.float32)
