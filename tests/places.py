"""A made-up place in front of a camera: it stays, a disc in it does not, and there is noise."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
SIZE = (240, 320)


def place(number: int, *, right_px: float = 0.0, noise: float = 2.0) -> Image:
    """Draw one frame: uint8 (240, 320, 3), RGB.

    Args:
        number: Each has its own place of the disc, light and noise.
        right_px: How far the camera was moved.
        noise: Standard deviation, grey levels.

    """
    random = np.random.default_rng((5, number))
    coarse = np.random.default_rng(4).integers(40, 200, (80, 107, 3), dtype=np.uint8)
    still = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    center = (int(160 + random.integers(-9, 10)), int(120 + random.integers(-5, 6)))
    cv2.circle(still, center, 40, (180, 175, 170), -1, cv2.LINE_AA)
    move = np.array([[1, 0, right_px], [0, 1, 0]], np.float32)
    seen = cv2.warpAffine(still, move, SIZE[::-1], borderMode=cv2.BORDER_REFLECT_101)
    seen = cv2.GaussianBlur(seen, (0, 0), 0.8) * random.normal(1, 0.01)
    return np.clip(seen + random.normal(0, noise, seen.shape), 0, 255).astype(np.uint8)


def blurred(image: Image, sigma_px: float) -> Image:
    """Return an image out of focus, with the noise of a sensor behind the lens."""
    noise = np.random.default_rng(6).normal(0, 2, image.shape)
    soft = cv2.GaussianBlur(image, (0, 0), sigma_px) + noise
    return np.clip(soft, 0, 255).astype(np.uint8)


def write_places(folder: Path, count: int) -> Path:
    """Write ``count`` good frames as PNG files."""
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:03}.png"), place(number)[..., ::-1])
    return folder
