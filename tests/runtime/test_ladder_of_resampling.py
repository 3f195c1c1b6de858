"""The faster rungs, specified: near the exact one, nothing shifted, small images untouched."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls_runtime.preprocessing import halvings, prepare
from edgecls_runtime.resizing.filters import Span
from edgecls_runtime.resizing.halving import halve
from edgecls_runtime.resizing.resampling import resample

Pixels = NDArray[np.uint8]

FAST = [Resampling.HALVING, Resampling.COARSE]
SMOOTH = [item for item in Interpolation if item is not Interpolation.NEAREST]
WANTED = Preprocessing((56, 56), (64, 64), interpolation=Interpolation.BICUBIC)


def soft(height: int, width: int, seed: int = 0) -> Pixels:
    """Draw an image without fine texture, whatever its size: uint8, (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def differences(image: Pixels, wanted: Preprocessing) -> NDArray[np.int_]:
    exact = prepare(image, replace(wanted, resampling=Resampling.EXACT))
    found: NDArray[np.int_] = prepare(image, wanted).astype(np.int_) - exact.astype(np.int_)
    return found


@pytest.mark.parametrize("shape", [(8, 6), (7, 5), (1, 9), (9, 1), (1, 1), (2, 3), (241, 319)])
def test_halving_takes_means_of_2x2_pixels_and_an_odd_edge_as_it_is(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)

    found = np.zeros(((shape[0] + 1) // 2, (shape[1] + 1) // 2, 3), np.uint8)
    halve(image, found)

    even = np.pad(image, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), "edge").astype(int)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    assert np.array_equal(found, (total + 2) // 4)


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_one_halving_is_pillow_s_reduce_and_resize_of_a_box_but_for_the_weights_last_bits(
    interpolation: Interpolation,
) -> None:
    random, changed = np.random.default_rng(1), []
    for _ in range(30):
        height, width = (int(n) for n in random.integers(60, 260, 2))
        tall, wide = (int(n) for n in random.integers(1, 30, 2))
        top, left = int(random.integers(tall)), int(random.integers(wide))
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)

        rows, columns = Span(tall, top, tall - top), Span(wide, left, wide - left)
        found = resample(image, rows, columns, interpolation, halvings=1)

        whole, filtered = Image.fromarray(image).reduce(2), Image.Resampling[interpolation.upper()]
        less = whole.resize((whole.width, tall), filtered, box=(0, 0, whole.width, height / 2))
        expected = less.resize((wide, tall), filtered, box=(0, 0, width / 2, tall))
        off = np.abs(found - np.asarray(expected, np.int_)[top:, left:])
        assert off.max() <= 1, (image.shape, rows)
        changed.append(off.mean())
    assert np.mean(changed) < 0.02


@pytest.mark.parametrize("resampling", FAST)
@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("shape", [(720, 1280), (719, 1281), (1281, 717), (997, 331), (331, 2003)])
def test_a_smooth_image_comes_out_as_by_the_exact_filter(
    shape: tuple[int, int], resize: Resize, resampling: Resampling
) -> None:
    wanted = replace(WANTED, resize=resize, resampling=resampling)

    found = differences(soft(*shape), wanted)

    assert halvings(shape, wanted) > 0
    assert np.abs(found).max() <= 3
    assert np.abs(found).mean() < 0.6


@pytest.mark.parametrize("resampling", FAST)
@pytest.mark.parametrize("shape", [(720, 1280), (719, 1283), (1285, 718), (531, 531)])
def test_nothing_shifts(shape: tuple[int, int], resampling: Resampling) -> None:
    """A ramp has one grey level a place: a shift by a tenth of a pixel would show as a bias."""
    height, width = shape
    across = np.linspace(0, 255, width)[np.newaxis] + np.zeros((height, 1))
    down = np.linspace(0, 255, height)[:, np.newaxis] + np.zeros((1, width))
    image = np.stack([across, down, 255 - across], axis=-1).round().astype(np.uint8)

    found = differences(image, replace(WANTED, resampling=resampling))

    # Two columns of the result are 2 to 4 grey levels apart. The first halving rounds halves up:
    # by 1/4 on average where neighbours differ by one grey level, and the filter rounds again.
    assert np.abs(found.mean(axis=(0, 1))).max() <= 0.5


@pytest.mark.parametrize("resampling", FAST)
@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("size", [512, 517, 690, 1023])
def test_a_symmetric_image_stays_symmetric(
    size: int, resize: Resize, resampling: Resampling
) -> None:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rings = 127 + 120 * np.cos(np.hypot(x, y) / size * 25)
    image = np.repeat(rings.round().astype(np.uint8)[..., np.newaxis], 3, axis=2)

    found = prepare(image, replace(WANTED, resize=resize, resampling=resampling)).astype(int)

    assert np.abs(found - found[::-1]).max() <= 3
    assert np.abs(found - found[:, ::-1]).max() <= 3
    assert np.abs(found - found.transpose(1, 0, 2)).max() <= 1  # each pass rounds


@pytest.mark.parametrize("resampling", FAST)
def test_a_part_of_the_image_comes_out_as_in_the_whole(resampling: Resampling) -> None:
    image = np.random.default_rng(3).integers(0, 256, (801, 1203, 3), dtype=np.uint8)
    uncut = replace(WANTED, size=(64, 64), resampling=resampling)

    found = prepare(image, replace(uncut, size=(40, 32)))

    assert np.array_equal(found, prepare(image, uncut)[12:52, 16:48])


@pytest.mark.parametrize("resampling", FAST)
@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_flat_image_keeps_its_grey_level(value: int, resampling: Resampling) -> None:
    image = np.full((1079, 1921, 3), value, np.uint8)

    assert (prepare(image, replace(WANTED, resampling=resampling)) == value).all()


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (30, 50), (63, 500), (500, 63)])
@pytest.mark.parametrize("resize", list(Resize))
def test_an_image_below_the_wanted_size_is_resized_exactly(
    resize: Resize, shape: tuple[int, int], resampling: Resampling
) -> None:
    image = np.random.default_rng(4).integers(0, 256, (*shape, 3), dtype=np.uint8)
    wanted = replace(WANTED, resize=resize, resampling=resampling)

    if resize is not Resize.LETTERBOX:
        assert halvings(shape, wanted) == 0
    if halvings(shape, wanted) == 0:
        assert not differences(image, wanted).any()


@pytest.mark.parametrize(
    ("shape", "resize", "halving", "coarse"),
    [
        ((64, 64), Resize.SHORTEST, 0, 0),
        ((127, 400), Resize.SHORTEST, 0, 0),
        ((128, 400), Resize.SHORTEST, 0, 1),
        ((255, 400), Resize.SHORTEST, 0, 1),
        ((256, 400), Resize.SHORTEST, 1, 2),
        ((512, 4000), Resize.SHORTEST, 2, 3),
        ((512, 4000), Resize.STRETCH, 2, 3),
        ((4000, 100), Resize.STRETCH, 0, 0),
        ((100, 512), Resize.LETTERBOX, 2, 3),
    ],
)
def test_an_image_is_halved_while_enough_of_it_remains(
    shape: tuple[int, int], resize: Resize, halving: int, coarse: int
) -> None:
    wanted = replace(WANTED, resize=resize)

    found = [halvings(shape, replace(wanted, resampling=rung)) for rung in Resampling]

    assert found == [0, halving, coarse]


@pytest.mark.parametrize("resampling", FAST)
def test_nearest_picks_pixels_and_is_never_halved(resampling: Resampling) -> None:
    image = np.random.default_rng(5).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    wanted = replace(WANTED, interpolation=Interpolation.NEAREST, resampling=resampling)

    assert not differences(image, wanted).any()
