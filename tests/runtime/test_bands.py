"""The sums of a resize are whole numbers that single precision holds, so they are exact."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecls.manifest import Interpolation
from edgecls_runtime.resizing.bands import MOST_TAPS, Pass, bands
from edgecls_runtime.resizing.filters import PRECISION_BITS, Span, taps
from edgecls_runtime.resizing.resampling import resample

SMOOTH = [item for item in Interpolation if item is not Interpolation.NEAREST]
HELD = 1 << 24  # whole numbers up to here are exact in float32


def weighed(image: NDArray[np.uint8], span: Span, interpolation: Interpolation) -> NDArray[np.int_]:
    """Resample the first axis in whole numbers, as Pillow writes it."""
    found = taps(len(image), span, interpolation)
    lines = []
    for start, end, weights in zip(found.starts, found.ends, found.weights, strict=True):
        products = weights[: end - start, np.newaxis, np.newaxis] * image[start:end].astype(int)
        lines.append((products.sum(axis=0) + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS)
    return np.asarray(np.clip(lines, 0, 255), np.int_)


@pytest.mark.parametrize("interpolation", SMOOTH)
@pytest.mark.parametrize(("length", "whole"), [(700, 56), (90, 60), (40, 97), (64, 64), (3, 200)])
def test_the_brightest_and_darkest_sums_are_exact(
    length: int, whole: int, interpolation: Interpolation
) -> None:
    """Where weights are negative black, and else white: no image makes a larger sum."""
    span = Span(whole, 0, whole)
    found = taps(length, span, interpolation)
    image = np.zeros((length, whole, 3), np.uint8)
    for column, (start, end, weights) in enumerate(
        zip(found.starts, found.ends, found.weights, strict=True)
    ):
        image[start:end, column] = np.where(weights[: end - start, np.newaxis] > 0, 255, 0)
    image[..., 2] = 255 - image[..., 2]
    axis = bands(length, span, interpolation, exact=True)
    out = np.empty((whole, whole, 3), np.uint8)

    Pass(axis, whole)(image[axis.first : axis.end], out)

    assert np.array_equal(out, weighed(image, span, interpolation))


@pytest.mark.parametrize("interpolation", SMOOTH)
@pytest.mark.parametrize("exact", [True, False])
def test_no_sum_can_leave_what_single_precision_holds(
    interpolation: Interpolation, *, exact: bool
) -> None:
    random = np.random.default_rng(0)
    lengths = [*random.integers(1, 4000, 60), *range(1, 20)]
    for length, whole in zip(lengths, random.integers(1, 300, len(lengths)), strict=True):
        axis = bands(float(length), Span(int(whole), 0, int(whole)), interpolation, exact=exact)
        for band in axis.bands:
            high, low = band.weights[0], band.weights[-1] * 128
            if band.weights.dtype == np.float32:
                assert (high == np.round(high)).all()
                assert (low == np.round(low)).all()
                assert max(abs(part).sum(axis=1).max() for part in (high, low / 128)) * 255 < HELD
                assert len(band.weights) == 1 or abs(low).sum(axis=1).max() * 255 < HELD


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_lines_too_many_for_single_precision_are_added_in_double(
    interpolation: Interpolation,
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (3 * MOST_TAPS, 2, 3), dtype=np.uint8)

    found = resample(image, Span(2, 0, 2), Span(2, 0, 2), interpolation)

    whole = Image.fromarray(image).resize((2, 2), Image.Resampling[interpolation.upper()])
    assert np.array_equal(found, np.asarray(whole))


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_weights_of_fewer_bits_still_add_up_to_one(interpolation: Interpolation) -> None:
    for length, whole in [(540.0, 256), (120.5, 64), (270.0, 256), (30.0, 64)]:
        axis = bands(length, Span(whole, 0, whole), interpolation, exact=False)

        sums = np.concatenate([band.weights[0].sum(axis=1) for band in axis.bands])

        assert (sums * axis.unit == 1).all()


@pytest.mark.parametrize("width", [1, 1024, 1025, 2500])
def test_wide_images_are_resampled_in_strips_without_a_seam(width: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (50, width, 3), dtype=np.uint8)
    span = Span(20, 3, 14)
    axis = bands(50, span, Interpolation.LANCZOS, exact=True)
    out = np.empty((14, width, 3), np.uint8)

    Pass(axis, width)(image[axis.first : axis.end], out)

    assert np.array_equal(out, weighed(image, span, Interpolation.LANCZOS))
