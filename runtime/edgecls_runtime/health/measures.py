"""The figures of a frame: cheap enough to be taken of every one, in the thread that decoded it.

Half of the pixels are looked at for what concerns light and colour; sharpness, tears and fills need
neighbours as the sensor delivered them, and are looked for in patches and narrow bands.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls_runtime.health.view import Reference, small_size

Image = NDArray[np.uint8]

# Of 0..255: limited-range video has its black at 16, and a sensor in the dark some noise on it.
DARK, BRIGHT = 20, 250
# Full-resolution patches, in rows and columns over the frame, and their side.
ROWS, COLUMNS, PATCH_PX = 3, 4, 64
# Full-height bands of a few columns, spread over the width, and how many groups they make.
BANDS, BAND_PX, GROUPS = 15, 4, 5
# What decoders leave where no data came: libjpeg 128 in each colour, FFmpeg's empty YUV is green.
FILLS = ((128, 128, 128), (0, 135, 0))
FILL_TOLERANCE = 3
# Steps between rows, in grey levels, that are noise.
QUIET_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one frame.

    Attributes:
        size: Height and width, px.
        brightness: Mean of the grey levels, 0..255.
        dark: Share, 0..1, of the pixels that are black but for noise (20 or less).
        bright: Share, 0..1, of the pixels that are white (250 or more).
        contrast: Standard deviation of the grey levels.
        sharpness: Detail in the finest scale, in percent of that over 4 pixels; lower when blurred,
            higher when noisy. It does not depend on light and contrast.
        red: Mean red over mean green.
        blue: Mean blue over mean green.
        torn: The largest step between two rows, over the steps beside it.
        fill: Share, 0..1, of the height at the bottom that a decoder filled.
        shift_px: How far the view lies from the reference; None without one.
        likeness: Correlation, -1..1, with what stays still in the reference; None without one.
        sample: uint8, shape (n,): pixels that tell whether a frame repeats the one before.

    """

    size: tuple[int, int]
    brightness: float
    dark: float
    bright: float
    contrast: float
    sharpness: float
    red: float
    blue: float
    torn: float
    fill: float
    shift_px: float | None
    likeness: float | None
    sample: Image = field(repr=False, compare=False)


def measured(image: Image, reference: Reference | None = None) -> Figures:
    """Measure one frame.

    Args:
        image: uint8, shape (height, width, 3), RGB, of any size from 1 x 1 on.
        reference: The view of the camera as it should be, of frames of this size.

    """
    height, width = image.shape[:2]
    colours = _sampled(image)
    grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
    levels = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256]), np.float64).ravel()
    levels /= grey.size
    brightness = float(levels @ np.arange(256))
    red, green, blue, _ = cv2.mean(colours)
    patches, bands = _patches(image), _bands(image)
    found = None if reference is None else reference.compared(grey)
    return Figures(
        size=(height, width),
        brightness=brightness,
        dark=float(levels[: DARK + 1].sum()),
        bright=float(levels[BRIGHT:].sum()),
        contrast=max(float(levels @ np.arange(256) ** 2) - brightness**2, 0.0) ** 0.5,
        sharpness=_sharpness(patches),
        red=(red + 1) / (green + 1),
        blue=(blue + 1) / (green + 1),
        torn=_torn(bands),
        fill=_fill(bands),
        shift_px=found.shift_px if found else None,
        likeness=found.likeness if found else None,
        sample=np.concatenate([patches.ravel(), grey.ravel()]),
    )


def grey_levels(image: Image) -> Image:
    """Return the grey levels that a frame is compared by: uint8, as of ``Reference.compared``."""
    return np.asarray(cv2.cvtColor(_sampled(image), cv2.COLOR_RGB2GRAY), np.uint8)


def _sampled(image: Image) -> Image:
    """Return about every second pixel of a large image, twice the size of the small picture."""
    height, width = image.shape[:2]
    small = small_size(height, width)
    if height <= 2 * small[0] and width <= 2 * small[1]:
        return image
    # Linear reads the 2 x 2 pixels around each point: half of the rows, and half of the noise.
    return np.asarray(cv2.resize(image, (2 * small[1], 2 * small[0])), np.uint8)


def _patches(image: Image) -> Image:
    """Return the green of patches spread over the frame: uint8, shape (n, side, side)."""
    height, width = image.shape[:2]
    high, wide = min(PATCH_PX, height), min(PATCH_PX, width)
    tops = np.linspace(0, height - high, ROWS + 2).astype(int)[1:-1]
    lefts = np.linspace(0, width - wide, COLUMNS + 2).astype(int)[1:-1]
    return np.stack([image[y : y + high, x : x + wide, 1] for y in tops for x in lefts])


def _bands(image: Image) -> Image:
    """Return full-height bands: uint8, shape (height, n, 3)."""
    width = image.shape[1]
    wide = min(BAND_PX, width)
    lefts = np.linspace(0, width - wide, BANDS).astype(int)
    return np.concatenate([image[:, x : x + wide] for x in lefts], axis=1)


def _sharpness(patches: Image) -> float:
    """Return the energy of neighbours' differences over that of pixels 4 apart, in percent.

    The least of both directions, and without what even a smooth slope has: 1/16.
    """
    if min(patches.shape[1:]) <= 4:
        return 0.0
    shares = []
    for turned in (patches, patches.transpose(0, 2, 1)):
        fine, coarse = _energy(turned, 1), _energy(turned, 4)
        shares.append(fine / (coarse + 1.0))
    return 100 * max(min(shares) - 1 / 16, 0.0001)


def _energy(patches: Image, apart: int) -> float:
    """Return the mean square of the differences of pixels so far apart in a column."""
    after, before = (np.ascontiguousarray(p) for p in (patches[:, apart:], patches[:, :-apart]))
    return float(cv2.norm(after.ravel(), before.ravel(), cv2.NORM_L2SQR)) / after.size


def _torn(bands: Image) -> float:
    """Return the largest step from row to row, over the larger of the steps beside it.

    Each group of bands on its own: only a part may have moved between the two halves.
    """
    height = len(bands)
    if height < 4:
        return 1.0
    rows = bands.reshape(height, -1)
    steps = cv2.absdiff(rows[1:], rows[:-1]).reshape((height - 1) * GROUPS, -1)
    step = np.asarray(cv2.reduce(steps, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F))
    step = step.reshape(height - 1, GROUPS) + QUIET_STEP
    # An edge of the scene is spread by the lens over several rows; a tear is not.
    return float((step[1:-1] / np.maximum(step[:-2], step[2:])).max())


def _fill(bands: Image) -> float:
    """Return the share of rows at the bottom that show nothing but a decoder's fill.

    A frame that is nothing else is not told from a test card.
    """
    for colour in FILLS:
        if np.abs(bands[-1].astype(int) - colour).max() > FILL_TOLERANCE:
            continue
        other = np.abs(bands.astype(np.int16) - np.array(colour, np.int16)).max((1, 2))
        pictured = np.flatnonzero(other > FILL_TOLERANCE)
        return 1 - (pictured[-1] + 1) / len(bands) if len(pictured) else 0.0
    return 0.0
