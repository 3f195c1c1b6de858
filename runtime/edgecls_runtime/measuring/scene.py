"""The 1080p frame that speed is measured with: one of the bundle's own golden images, enlarged.

How long a JPEG takes to decode depends on what it shows: random pixels take several times as long
as a photo, an even surface a fraction. A little noise stands for the camera's sensor, which
enlarging has smoothed away.
"""

from pathlib import Path

import cv2
import numpy as np

from edgecls.bundle import Bundle
from edgecls.errors import BundleError
from edgecls_runtime.images import read_image

FULL_HD = (1080, 1920)
NOISE = 6  # grey levels to either side, evenly spread
QUALITY = 90  # of 100: between a camera's usual 80 and 95


def write(bundle: Bundle, folder: Path) -> Path:
    """Write the frame as a JPEG file into a folder and return its path."""
    height, width = FULL_HD
    image = read_image(bundle.path / golden_image(bundle))
    frame = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    frame += np.random.default_rng(0).integers(-NOISE, NOISE + 1, frame.shape, np.int16)
    pixels = np.clip(frame, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    path = folder / "frame.jpg"
    path.write_bytes(encoded.tobytes())
    return path


def golden_image(bundle: Bundle) -> str:
    """Return the name of a camera-size image in a bundle.

    Raises:
        BundleError: It has none.

    """
    for name in bundle.manifest.files:
        if name.endswith(".png"):
            return name
    raise BundleError(f"{bundle.path}: no golden image to measure with; export the bundle again")
