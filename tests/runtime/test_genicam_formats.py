"""Pixel formats of GenICam: the right bytes in the right places, by Basler's own converter."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.errors import CameraError, Fault, ImageError
from edgecls_runtime import packages
from edgecls_runtime.cameras import basler
from edgecls_runtime.genicam import formats
from edgecls_runtime.genicam.clock import DeviceClock, FrameCount
from industrial import PYLON_MISSING
from servers import Image

# What Basler calls the formats, in our order.
BASLER = (
    "Mono8", "BayerGR8", "BayerRG8", "BayerGB8", "BayerBG8", "RGB8packed", "BGR8packed",
    "RGBA8packed", "BGRA8packed", "YUV422packed", "YUV422_YUYV_Packed",
)  # fmt: skip


UNKNOWN = (
    "camera: pixel format 0x01100005 cannot be decoded; expected Mono8, BayerGR8, BayerRG8, "
    "BayerGB8, BayerBG8, RGB8, RGB8Packed, BGR8, BGR8Packed, RGBa8, RGBA8Packed, BGRa8 and 5 more"
)


def bytes_of(one: formats.Format, height: int, width: int) -> Image:
    random = np.random.default_rng(one.number)
    # Bayer patterns are interpolated, each library in its own way: areas of one colour are not.
    shape = (height, width) if one.bytes == 1 else (height, width, one.bytes)
    image = random.integers(0, 256, shape, dtype=np.uint8)
    if one.names[0].startswith("Bayer"):
        tile = random.integers(0, 256, (2, 2), dtype=np.uint8)
        green = (0, 0) if one.names[0].startswith("BayerG") else (0, 1)
        tile[1, 1 - green[1]] = tile[green]
        image = np.tile(tile, (height // 2, width // 2))
    return image


@pytest.mark.skipif(not packages.installed("pypylon"), reason=PYLON_MISSING)
@pytest.mark.parametrize(
    ("one", "theirs"),
    list(zip(formats.FORMATS, BASLER, strict=True)),
    ids=[one.names[0] for one in formats.FORMATS],
)
def test_each_format_has_the_colours_that_its_maker_s_converter_gives(
    one: formats.Format, theirs: str
) -> None:
    pylon = basler._pylon()
    raw = bytes_of(one, 12, 16)
    number = getattr(pylon, f"PixelType_{theirs}")
    converter = pylon.ImageFormatConverter()
    converter.OutputPixelFormat = pylon.PixelType_RGB8packed
    attached = pylon.PylonImage()
    attached.AttachMemoryView(memoryview(raw.tobytes()), number, 16, 12, 0)
    expected = converter.Convert(attached).GetArray()

    image = formats.coded(raw.reshape(-1), number, (12, 16), "camera")()

    inner = (slice(2, -2), slice(2, -2))  # at the edge each interpolates in its own way
    assert number == one.number
    assert image.shape == (12, 16, 3)
    assert np.abs(image[inner].astype(int) - expected[inner]).max() <= 1


def test_bytes_behind_each_row_are_no_pixels() -> None:
    rows = np.zeros((3, 6), np.uint8)
    rows[:, :4] = np.arange(12, dtype=np.uint8).reshape(3, 4)

    image = formats.coded(rows.reshape(-1), 0x01080001, (3, 4), "camera", row_padding=2)()

    assert np.array_equal(image[..., 0], np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    ("number", "size", "kind", "message"),
    [
        (
            0x01080001,
            (4, 4),
            ImageError,
            "camera: incomplete: 12 bytes; expected 16 of 4x4 pixels",
        ),
        (
            0x01100005,
            (3, 4),
            CameraError,
            UNKNOWN,
        ),
        (
            0x02100032,
            (2, 3),
            CameraError,
            "camera: YUV422_8 with a width of 3; expected an even one",
        ),
    ],
    ids=["too few bytes", "12 bits", "odd width"],
)
def test_bytes_that_are_no_image_are_refused(
    number: int, size: tuple[int, int], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as raised:
        formats.coded(np.zeros(12, np.uint8), number, size, "camera")

    assert str(raised.value) == message
    assert kind is ImageError or getattr(raised.value, "fault", None) is Fault.FORMAT


def counted(*found: int | None) -> list[int]:
    count = FrameCount()
    return [count.number(one) for one in found]


@pytest.mark.parametrize(
    ("found", "numbers"),
    [
        ((7, 8, 9), [0, 1, 2]),
        ((7, 10, 11), [0, 3, 4]),
        ((65534, 65535, 1, 2), [0, 1, 2, 3]),
        ((65534, 3), [0, 4]),
        ((2**40, 2**40 + 2), [0, 2]),
        ((900, 901, 1, 2), [0, 1, 2, 3]),
        ((None, None, None), [0, 1, 2]),
        ((7, None, 9, 11), [0, 1, 2, 4]),
    ],
    ids=[
        "from 0", "a gap", "16 bits begin again", "a gap where they do", "64 bits", "counts anew",
        "no numbers", "one without",
    ],
)  # fmt: skip
def test_frames_are_counted_as_the_camera_counts_them(
    found: tuple[int | None, ...], numbers: list[int]
) -> None:
    assert counted(*found) == numbers


def drawn(shift: Callable[[float], float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far off a minute of frames is told, and how late each of them arrives."""
    random = np.random.default_rng(0)
    truth = 1000 + np.arange(0, 60, 0.04)
    arrived = truth + 0.002 + random.exponential(0.01, truth.size)
    clock = DeviceClock()
    told = np.array([clock.told(shift(t), a) for t, a in zip(truth, arrived, strict=True)])
    return told - truth, arrived - truth


@pytest.mark.parametrize(
    "shift",
    [lambda t: t - 900, lambda t: 1.0001 * t, lambda t: t + 5e8],
    ids=["since power-on", "drifting", "wall clock"],
)
def test_the_camera_s_own_time_is_nearer_the_truth_than_the_arrival_and_never_after_it(
    shift: Callable[[float], float],
) -> None:
    errors, late = drawn(shift)

    assert (errors <= late + 1e-6).all()
    assert errors.min() > -0.0011  # what a clock may drift in the seconds that are looked at
    assert np.median(errors[50:]) < 0.004 < np.median(late)
    assert errors[50:].std() < late.std() / 5


def test_a_camera_s_clock_that_is_set_back_is_followed_at_once() -> None:
    clock = DeviceClock()
    clock.told(500.0, 1000.0)

    assert clock.told(1.0, 1001.0) == pytest.approx(1001.0)
    assert clock.told(2.0, 1002.5) == pytest.approx(1002.0)
