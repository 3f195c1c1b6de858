"""Preparing a camera's images one after another: the same bytes, and no memory taken each time."""

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls_runtime.preprocessing import MOST_PIXELS, MOST_PLANS, Preparer, prepare

Pixels = NDArray[np.uint8]
WANTED = Preprocessing((56, 56), (64, 64), interpolation=Interpolation.BICUBIC)
LETTERBOX = Preprocessing((64, 64), (64, 64), Resize.LETTERBOX, fill=(1, 2, 3))


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("interpolation", [Interpolation.NEAREST, Interpolation.BILINEAR])
def test_every_image_of_a_series_comes_out_as_if_it_were_alone(
    interpolation: Interpolation, resize: Resize, resampling: Resampling
) -> None:
    wanted = replace(LETTERBOX, interpolation=interpolation, resize=resize, resampling=resampling)
    preparer = Preparer(wanted)
    shapes = [(301, 403), (64, 64), (1, 7), (301, 403), (9, 300), (500, 67)]
    images = [noise(*shape, seed) for seed, shape in enumerate(shapes * 2)]

    found = [preparer(image) for image in images]

    for image, one in zip(images, found, strict=True):
        assert np.array_equal(one, prepare(image, wanted))


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("shape", [(480, 640), (479, 641), (640, 120)])
def test_a_second_image_of_the_same_shape_takes_no_memory(
    shape: tuple[int, int], resize: Resize, resampling: Resampling
) -> None:
    preparer = Preparer(replace(LETTERBOX, resize=resize, resampling=resampling))
    images, out = [noise(*shape, seed) for seed in range(3)], np.empty((64, 64, 3), np.uint8)
    preparer(images[0], out)

    tracemalloc.start()
    for image in images:
        preparer(image, out)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Views of arrays and Python's numbers, and the doubled edge of an odd side; the result alone
    # takes 12 kB, the smallest buffer 100.
    assert most < 8_000


def test_a_result_goes_into_a_batch_where_the_caller_wants_it() -> None:
    images = [noise(200, 300, seed) for seed in range(3)]
    batch = np.zeros((3, 64, 64, 3), np.uint8)
    preparer = Preparer(LETTERBOX)

    for image, out in zip(images, batch, strict=True):
        assert preparer(image, out) is out

    assert np.array_equal(batch, np.stack([prepare(image, LETTERBOX) for image in images]))


def test_what_an_array_held_before_is_written_over_up_to_the_border() -> None:
    image, out = noise(30, 90), noise(64, 64, 1)

    Preparer(LETTERBOX)(image, out)

    assert (out[:21] == (1, 2, 3)).all()
    assert (out[-21:] == (1, 2, 3)).all()
    assert np.array_equal(out, prepare(image, LETTERBOX))


def test_a_result_that_is_kept_does_not_change_with_the_next_image() -> None:
    preparer = Preparer(WANTED)
    kept = preparer(noise(300, 400, 1))
    before = kept.copy()

    preparer(noise(300, 400, 2))

    assert np.array_equal(kept, before)


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize(
    "view",
    [
        lambda image: image[20:320, 31:440],
        lambda image: image[..., ::-1],
        lambda image: image[::-1],
        lambda image: image[::2, ::3],
        lambda image: image.transpose(1, 0, 2),
    ],
    ids=["part", "colours turned", "upside down", "every second", "turned"],
)
def test_a_view_of_an_image_is_read_as_its_copy_and_left_as_it_is(
    view: Callable[[Pixels], Pixels], resampling: Resampling
) -> None:
    image = noise(420, 600)
    image.flags.writeable = False
    wanted = replace(WANTED, resampling=resampling)

    found = Preparer(wanted)(view(image))

    assert np.array_equal(found, prepare(view(image).copy(), wanted))
    assert np.array_equal(image, noise(420, 600))


def test_several_threads_may_share_one() -> None:
    wanted = replace(WANTED, resampling=Resampling.HALVING)
    preparer = Preparer(wanted)
    images = [noise(300 + 40 * (seed % 3), 400, seed) for seed in range(48)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(preparer, images))

    for image, one in zip(images, found, strict=True):
        assert np.array_equal(one, prepare(image, wanted))


def test_buffers_of_shapes_that_do_not_come_again_are_given_back() -> None:
    preparer = Preparer(WANTED)

    for width in range(70, 70 + 2 * MOST_PLANS):
        preparer(noise(70, width))
    several = len(preparer._idle)
    for width in range(4000, 4004):
        preparer(noise(2000, width))

    assert several == MOST_PLANS
    assert [plan.size for plan in preparer._idle] == [(2000, 4002), (2000, 4003)]
    assert MOST_PIXELS < 3 * 2000 * 4000


def test_two_threads_at_once_get_a_set_of_buffers_each_and_keep_both() -> None:
    preparer = Preparer(WANTED)
    image, meet = noise(300, 400), Barrier(2)

    def prepared() -> None:
        plan = preparer._taken(image.shape[:2])
        meet.wait(10)
        preparer._give_back(plan)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            for done in [pool.submit(prepared) for _ in range(2)]:
                done.result()

    assert [plan.size for plan in preparer._idle] == [(300, 400)] * 2


@pytest.mark.parametrize(
    ("out", "found"),
    [
        (np.zeros((56, 57, 3), np.uint8), "uint8 of shape (56, 57, 3), strides (171, 3, 1)"),
        (np.zeros((56, 56, 3), np.float32), "float32 of shape (56, 56, 3), strides (672, 12, 4)"),
        (
            np.zeros((56, 60, 3), np.uint8)[:, :56],
            "uint8 of shape (56, 56, 3), strides (180, 3, 1)",
        ),
    ],
    ids=["size", "dtype", "gaps"],
)
def test_an_array_that_cannot_take_the_result_is_refused(out: Pixels, found: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is compared whole
        Preparer(WANTED)(noise(80, 80), out)

    assert str(refused.value) == (
        f"out: {found}; expected uint8 (56, 56, 3), C-contiguous and writable"
    )
