"""The resize, specified: Pillow's own bytes, for every filter, shape and crop."""

import numpy as np
import pytest
from PIL import Image

from edgecls.manifest import Interpolation
from edgecls_runtime.resizing.filters import Span
from edgecls_runtime.resizing.resampling import resample

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_every_byte_is_pillow_s_whatever_the_shape_and_the_crop(
    interpolation: Interpolation,
) -> None:
    random = np.random.default_rng(0)
    for trial in range(60):
        height, width, tall, wide = (int(n) for n in random.integers(1, 220, 4))
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if trial % 2:  # hard edges make the sharper filters overshoot
            image = np.where(image > 127, 255, 0).astype(np.uint8)
        rows = Span(
            tall, top := int(random.integers(tall)), int(random.integers(1, tall - top + 1))
        )
        cols = Span(
            wide, left := int(random.integers(wide)), int(random.integers(1, wide - left + 1))
        )

        found = resample(image, rows, cols, interpolation)

        whole = np.asarray(Image.fromarray(image).resize((wide, tall), FILTERS[interpolation]))
        expected = whole[top : top + rows.count, left : left + cols.count]
        assert np.array_equal(found, expected), (image.shape, rows, cols)
        assert found.flags.c_contiguous


@pytest.mark.parametrize(("height", "width"), [(1403, 2003), (2003, 1403)])
def test_a_large_image_turned_in_strips_has_no_seam(height: int, width: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)

    found = resample(image, Span(48, 0, 48), Span(64, 0, 64), Interpolation.BILINEAR)

    whole = np.asarray(Image.fromarray(image).resize((64, 48), Image.Resampling.BILINEAR))
    assert np.array_equal(found, whole)


def test_a_full_hd_frame_is_reduced_to_pillow_s_bytes() -> None:
    image = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)

    found = resample(image, Span(256, 16, 224), Span(455, 116, 224), Interpolation.BICUBIC)

    whole = np.asarray(Image.fromarray(image).resize((455, 256), Image.Resampling.BICUBIC))
    assert np.array_equal(found, whole[16:240, 116:340])
