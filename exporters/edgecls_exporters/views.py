"""What a network sees of an image file: shape, colour order and normalisation, as one value.

A declaration says what should be done. A view can also say what programs do by mistake: colours
swapped, the crop before the resize, OpenCV's resize without antialias, normalisation left out.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Preprocessing, Resize
from edgecls_runtime.preprocessing import prepare, scaled_size

Triple = tuple[float, float, float]


class Scaler(StrEnum):
    """Whose code scales the image."""

    PILLOW = "pillow"
    """Antialiased, with the declared interpolation: what the runtime does."""
    OPENCV_NEAREST = "opencv nearest"
    OPENCV_LINEAR = "opencv linear"
    """No antialias; within rounding also torchvision's tensors with ``antialias=False``."""
    OPENCV_CUBIC = "opencv cubic"
    OPENCV_AREA = "opencv area"


class Crop(StrEnum):
    """When the middle of the image is cut out."""

    AFTER = "after the resize"
    SHARE_BEFORE = "a share, before the resize"
    """The middle square, ``size / resize_size`` of the shorter side; then it is scaled."""
    PIXELS_BEFORE = "pixels, before the resize"
    """``resize_size`` pixels of the middle, whatever the image's size; then they are scaled."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an image of any size becomes the network's.

    Attributes:
        declared: Sizes, rule and interpolation; its mean and std are not used here.
        scaler: Whose code scales.
        crop: When the middle is cut out.

    """

    declared: Preprocessing
    scaler: Scaler = Scaler.PILLOW
    crop: Crop = Crop.AFTER


@dataclass(frozen=True, slots=True)
class View:
    """What a network sees: ``pixel * factor + offset``, pixels 0..255.

    Attributes:
        geometry: From the image to pixels of the network's size.
        factor: Of each channel.
        offset: Of each channel.
        swapped: Whether red and blue change places before that.

    """

    geometry: Geometry
    factor: Triple
    offset: Triple
    swapped: bool = False


def declared_view(wanted: Preprocessing) -> View:
    """Return what a network sees when the declaration is carried out."""
    factor, offset = normalisation(wanted.mean, wanted.std)
    return View(Geometry(wanted), factor, offset)


def normalisation(mean: Triple, std: Triple) -> tuple[Triple, Triple]:
    """Return factor and offset of ``(pixel / 255 - mean) / std``."""
    (m0, m1, m2), (s0, s1, s2) = mean, std
    factor = (1 / (255 * s0), 1 / (255 * s1), 1 / (255 * s2))
    return factor, (-m0 / s0, -m1 / s1, -m2 / s2)


def shaped(image: NDArray[np.uint8], wanted: Geometry) -> NDArray[np.uint8]:
    """Bring an image, uint8 RGB (h, w, 3), to the network's size: uint8 (*size, 3)."""
    declared = wanted.declared
    if wanted.crop is not Crop.AFTER:
        image = _middle(image, _cut(image.shape[:2], wanted))
        declared = replace(declared, resize=Resize.STRETCH, resize_size=declared.size)
    if wanted.scaler is not Scaler.PILLOW:
        height, width = scaled_size(image.shape[:2], declared)
        image = np.asarray(cv2.resize(image, (width, height), interpolation=FLAGS[wanted.scaler]))
    # An image that is scaled already has the size that the declaration asks for: only the crop
    # and the frame are left to do.
    return prepare(image, declared)


def normalised(pixels: NDArray[np.uint8], view: View) -> NDArray[np.float32]:
    """Map pixels, uint8 RGB (n, h, w, 3), to what the network sees: float32 (n, 3, h, w)."""
    ordered = pixels[..., ::-1] if view.swapped else pixels
    seen = ordered * np.array(view.factor, np.float32) + np.array(view.offset, np.float32)
    return np.ascontiguousarray(seen.transpose(0, 3, 1, 2))


FLAGS = {
    Scaler.OPENCV_NEAREST: cv2.INTER_NEAREST,
    Scaler.OPENCV_LINEAR: cv2.INTER_LINEAR,
    Scaler.OPENCV_CUBIC: cv2.INTER_CUBIC,
    Scaler.OPENCV_AREA: cv2.INTER_AREA,
}


def _cut(size: tuple[int, ...], wanted: Geometry) -> tuple[int, int]:
    """Return the (height, width), px, that is cut out of an image of ``size`` before the resize."""
    tall, wide = wanted.declared.resize_size
    if wanted.crop is Crop.PIXELS_BEFORE:
        return min(tall, size[0]), min(wide, size[1])
    height, width = wanted.declared.size
    # The largest window of the network's proportions, less what the crop leaves out.
    scale = min(size[0] / tall, size[1] / wide)
    return max(math.floor(height * scale), 1), max(math.floor(width * scale), 1)


def _middle(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    top, left = ((whole - part) // 2 for whole, part in zip(image.shape[:2], size, strict=True))
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])
