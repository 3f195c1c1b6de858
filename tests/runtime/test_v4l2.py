"""V4L2 and libcamera cameras as far as no kernel driver is needed; the rest is in a machine.

See ``tests/cameras_in_kernel.py``.
"""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import CameraError, ConfigError, Fault
from edgecls_runtime import cameras
from edgecls_runtime.cameras import libcamera, usb
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.sensor_clock import SensorClock
from edgecls_runtime.v4l2 import found, layout
from edgecls_runtime.v4l2.modes import Rates, Sizes
from servers import card

HAS_LIBCAMERA = Path("/usr/lib/python3/dist-packages/libcamera").is_dir()
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (90, 90, 90)}


@pytest.mark.skipif(sys.maxsize < 2**32, reason="sizes of a 64-bit kernel")
@pytest.mark.parametrize(
    ("structure", "size"),
    [
        # By sizeof() of linux/videodev2.h on a 64-bit machine.
        (layout.Capability, 104),
        (layout.FormatDescription, 64),
        (layout.Format, 208),
        (layout.StreamParameters, 204),
        (layout.FrameSize, 44),
        (layout.FrameInterval, 52),
        (layout.BufferRequest, 20),
        (layout.Buffer, 88),
        (layout.ControlQuery, 68),
        (layout.Control, 8),
    ],
)
def test_a_structure_is_as_large_as_the_kernel_s(
    structure: type[ctypes.Structure], size: int
) -> None:
    assert ctypes.sizeof(structure) == size


def test_a_format_s_four_letters_become_its_number_and_back() -> None:
    assert layout.fourcc("YUYV") == 0x56595559
    assert [layout.name_of(layout.fourcc(name)) for name in ("MJPG", "Y16")] == ["MJPG", "Y16"]


def test_a_range_of_sizes_holds_what_its_steps_reach() -> None:
    sizes = Sizes((32, 24), (1920, 1080), (16, 8))

    assert sizes.holds(640, 480)
    assert sizes.holds(0, 480)
    assert not sizes.holds(641, 480)
    assert not sizes.holds(3840, 480)
    assert str(sizes) == "32x24 to 1920x1080"


def test_30_hz_is_what_a_camera_of_29_97_hz_has() -> None:
    rates = Rates((30_000 / 1001, 15.0))

    assert rates.nearest(30.0) == 30_000 / 1001
    assert rates.nearest(25.0) is None
    assert Rates((1.0, 60.0), between=True).nearest(25.0) == 25.0
    assert str(rates) == "29.97, 15 Hz"


def test_a_driver_s_stamp_on_the_monotonic_clock_is_when_the_frame_was_taken() -> None:
    clock, now = SensorClock(), time.monotonic()

    assert clock.when(now - 0.030, now) == now - 0.030
    # Read late, behind a stall: still when it was taken.
    assert clock.when(now + 0.010, now + 9) == now + 0.010


def test_a_stamp_of_no_clock_we_know_is_replaced_by_the_arrival() -> None:
    clock, now = SensorClock(), time.monotonic()

    assert [clock.when(stamp, now + i) for i, stamp in enumerate((0.0, 1.7e9, now))] == [
        now,
        now + 1,
        now + 2,
    ]


def test_a_stamp_is_never_later_than_the_arrival_and_never_steps_back() -> None:
    clock, now = SensorClock(), time.monotonic()

    assert clock.when(now + 0.2, now) == now
    assert clock.when(now - 0.5, now + 0.1) == now + 0.1


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("coding", [Coding.UYVY, Coding.YUYV, Coding.NV12])
def test_colours_of_a_coding_with_two_pixels_to_a_chroma_are_right(
    coding: Coding, colour: str
) -> None:
    planes = cv2.cvtColor(card(*COLOURS[colour], (4, 6)), cv2.COLOR_RGB2YUV_I420)
    luma, u, v = (int(planes.reshape(-1)[place]) for place in (0, 24, 30))
    packed = {
        Coding.UYVY: np.tile(np.array([[u, luma], [v, luma]]), (4, 3, 1)),
        Coding.YUYV: np.tile(np.array([[luma, u], [luma, v]]), (4, 3, 1)),
        Coding.NV12: np.vstack([np.full((4, 6), luma), np.tile((u, v), (2, 3))]),
    }

    image = Coded(packed[coding].astype(np.uint8), coding, "here")()

    assert image.shape == (4, 6, 3)
    assert np.abs(image.astype(int) - COLOURS[colour]).max() <= 3


def test_a_file_that_is_no_device_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "video0"
    file.write_bytes(b"")

    with pytest.raises(CameraError, match=r"^usb camera .*: not a video device; ") as raised:
        usb.open(device=str(file))

    assert raised.value.fault is Fault.MISSING


@pytest.mark.skipif(os.geteuid() != 0, reason="who may not be root cannot become nobody")
def test_a_device_that_may_not_be_opened_is_answered_with_the_group_to_join() -> None:
    node = Path("/dev/video-of-this-test")
    os.mknod(node, 0o600 | 0o020000, os.makedev(1, 3))
    os.seteuid(65534)
    try:
        with pytest.raises(CameraError) as raised:
            usb.open(device=str(node))
    finally:
        os.seteuid(0)
        node.unlink()

    assert raised.value.fault is Fault.REFUSED
    assert str(raised.value) == (
        f"usb camera {node}: no permission; run: sudo usermod -aG root $USER, and log in again"
    )


def test_who_holds_a_device_is_named_with_its_process() -> None:
    ask = "from edgecls_runtime.v4l2.found import *; print(holders(Path('/dev/full')))"
    with Path("/dev/full").open("w"):
        answer = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, check=True
        )

    assert f"(process {os.getpid()})" in answer.stdout
    assert found.holders(Path("/dev/no-such-device")) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"kind": "usb", "format": "H264"},
            r"^camera.format: 'H264'; expected one of MJPG, JPEG, YUYV, ",
        ),
        ({"kind": "usb", "rate_hz": -1.0}, r"^camera: expected sizes of 0 or more, and a rate of "),
        ({"kind": "usb", "exposure_ms": -1.0}, r"^camera.exposure_ms: -1; expected 0 to 600000$"),
        ({"kind": "usb", "timeout_ms": 0}, r"^camera.timeout_ms: 0; expected 1 to 600000$"),
        ({"kind": "usb", "controls": {"gain": "x"}}, r"^camera.controls.gain: expected int, got "),
        ({"kind": "libcamera", "gain": -1.0}, r"^camera: expected sizes, rate, exposure and gain "),
    ],
)
def test_a_value_that_no_camera_has_is_an_error_of_the_table(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cameras.open_table(table)


@pytest.mark.skipif(HAS_LIBCAMERA, reason="libcamera is installed here")
def test_without_libcamera_the_command_that_brings_it_is_told() -> None:
    with pytest.raises(CameraError) as raised:
        cameras.open_table({"kind": "libcamera"})

    assert raised.value.fault is Fault.MISSING
    assert str(raised.value) == (
        "libcamera camera 0: libcamera's Python package is not installed; run: "
        "sudo apt install python3-libcamera, and use the environment of /usr/bin/python3"
    )
    assert not libcamera.probed().ready


def test_a_libcamera_of_another_python_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "libcamera").mkdir()

    with pytest.raises(CameraError, match=r"package is for another Python than this 3\.\d+; run: "):
        libcamera._package("libcamera camera 0", [str(tmp_path)])


def test_what_is_here_is_listed_without_opening_a_stream() -> None:
    probed = usb.probed()

    assert probed.kind == "usb"
    assert probed.ready is bool(probed.devices)
