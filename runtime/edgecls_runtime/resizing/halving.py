"""Means of 2x2 pixels: how a camera image is made smaller before the filter, at memory's speed."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def halved_size(height: int, width: int) -> tuple[int, int]:
    """Return the (height, width), px, of an image after halving."""
    return (height + 1) // 2, (width + 1) // 2


def halve(image: Image, out: Image) -> None:
    """Write the means of 2x2 pixels, halves rounded up.

    A last row or column without a partner stands for itself.

    Args:
        image: uint8, shape (height, width, 3).
        out: uint8, shape (ceil(height / 2), ceil(width / 2), 3); written.

    """
    height, width = (side // 2 * 2 for side in image.shape[:2])
    if height and width:
        _halve_even(image[:height, :width], out[: height // 2, : width // 2])
    # Only the edge is doubled, not the whole image, as copyMakeBorder would copy it.
    if image.shape[1] % 2:
        _halve_even(_evened(image[:, -1:]), out[:, -1:])
    if image.shape[0] % 2:
        _halve_even(_evened(image[-1:]), out[-1:])


def _halve_even(image: Image, out: Image) -> None:
    size = (image.shape[1] // 2, image.shape[0] // 2)
    # At exactly one half OpenCV has fast code for this, (a + b + c + d + 2) >> 2.
    made = cv2.resize(image, size, out, interpolation=cv2.INTER_AREA)
    if made is not out:
        out[...] = made


def _evened(image: Image) -> Image:
    bottom, right = image.shape[0] % 2, image.shape[1] % 2
    return np.asarray(
        cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8
    )
