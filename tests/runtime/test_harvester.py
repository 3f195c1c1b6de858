"""Cameras through a GenTL producer: the one without hardware that the wheel ``genicam`` brings."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgecls.errors import CameraError, Fault
from edgecls_runtime.cameras import genicam
from edgecls_runtime.genicam.camera import GenicamCamera
from industrial import HARVESTERS_MISSING, viky

VIKY = viky() or Path("viky.cti")
pytestmark = pytest.mark.skipif(viky() is None, reason=HARVESTERS_MISSING)
WAIT_S = 10.0
RED: dict[str, object] = {"device": "0", "width_px": 160, "height_px": 120, "rate_hz": 50.0}


@contextmanager
def opened(**settings: object) -> Iterator[GenicamCamera]:
    table = {"producer": VIKY, **RED, **settings}
    with closing(genicam.open(**table)) as camera:  # type: ignore[arg-type]
        yield camera


def refusal(**settings: object) -> CameraError:
    with pytest.raises(CameraError) as raised, opened(**settings):
        pass
    return raised.value


def test_several_cameras_are_listed_when_none_is_named() -> None:
    error = refusal(device="")

    assert str(error) == (
        "genicam camera: 3 cameras found: Viky 0, Viky 1, Viky 2; "
        "set device to the one that is meant"
    )
    assert error.fault is Fault.MISSING


def test_a_camera_is_found_by_the_producer_s_own_id() -> None:
    with opened(device="VikyTL_DEV_green") as camera:
        assert camera.read(WAIT_S).camera == "genicam camera 1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width_px": 9999}, "node Width: 9999 wanted; it offers 100 to 800"),
        ({"pixel_format": "RGB8"}, "node PixelFormat: 'RGB8' wanted; it offers RGBa8, Mono8"),
        ({"trigger": "software"}, "node TriggerSource: 'Software' wanted; no such node"),
        ({"exposure_ms": 3.0}, "node ExposureTime: 3000.0 wanted; no such node"),
        (
            {"nodes": {"PayloadSize": 3}},
            "node PayloadSize: 3 wanted; it cannot be written now; does another node lock it?",
        ),
        (
            {"nodes": {"BouncingBallSiza": 3}},
            "node BouncingBallSiza: 3 wanted; no such node; it has BouncingBallSize",
        ),
    ],
    ids=["too wide", "format", "no trigger", "no exposure", "read only", "misspelt"],
)
def test_a_setting_that_the_camera_does_not_take_is_named_with_what_it_offers(
    settings: dict[str, object], message: str
) -> None:
    error = refusal(**settings)

    assert str(error) == f"genicam camera 0: {message}"
    assert error.fault is Fault.FORMAT


def test_after_a_refusal_the_producer_can_be_opened_again() -> None:
    refusal(width_px=9999)

    with opened(nodes={"ChunkModeActive": False}) as camera:
        assert camera.read(WAIT_S).image.shape == (120, 160, 3)


@pytest.mark.parametrize(
    ("device", "ball"),
    [("0", (255, 234, 234)), ("1", (234, 255, 234)), ("2", (234, 234, 255))],
    ids=["red", "green", "blue"],
)
def test_a_ball_has_its_colour(device: str, ball: tuple[int, int, int]) -> None:
    with opened(device=device, nodes={"BouncingBallSize": 40}) as camera:
        assert abs(camera.read(WAIT_S).image.mean((0, 1)) - ball).max() < 2


def test_a_grey_image_has_three_equal_channels() -> None:
    with opened(pixel_format="Mono8") as camera:
        image = camera.read(WAIT_S).image

    assert image.shape == (120, 160, 3)
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 0] == image[..., 2]).all()


def test_frames_come_at_the_rate_that_is_set_and_none_is_lost() -> None:
    with opened(rate_hz=25.0) as camera:
        camera.read(WAIT_S)
        began = time.monotonic()
        numbers = [camera.read(WAIT_S).number for _ in range(10)]

    assert numbers == list(range(1, 11))
    assert time.monotonic() - began == pytest.approx(0.4, abs=0.15)


def test_ctrl_c_stays_ours() -> None:
    before = signal.getsignal(signal.SIGINT)

    with opened():
        assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (None, "GENICAM_GENTL64_PATH is not set"),
        ("/nothing/here", "no .cti file in GENICAM_GENTL64_PATH"),
    ],
    ids=["not set", "empty"],
)
def test_without_a_producer_it_says_where_they_are_looked_for(
    paths: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(genicam.PATHS_KEY, raising=False)
    if paths:
        monkeypatch.setenv(genicam.PATHS_KEY, paths)

    error = refusal(producer=None)

    assert str(error) == (
        f"genicam camera 0: no GenTL producer: {message}; "
        f"install the camera maker's, or set producer"
    )
    assert error.fault is Fault.MISSING


def test_a_producer_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    error = refusal(producer=tmp_path / "maker.cti")

    assert str(error) == (
        f"genicam camera 0: {tmp_path / 'maker.cti'}: no such file; expected a .cti"
    )
    assert error.fault is Fault.MISSING


def test_a_file_that_is_no_producer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maker.cti"
    path.write_bytes(b"not a library\n" * 100)

    error = refusal(producer=path)

    assert str(error) == (
        f"genicam camera 0: {path}: invalid ELF header; expected a GenTL producer for this machine"
    )
    assert error.fault is Fault.MISSING


def test_what_the_installed_producers_see_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(genicam.PATHS_KEY, str(VIKY.parent))

    found = genicam.probed()

    assert (found.kind, found.ready, found.what) == ("genicam", True, "found by viky.cti")
    assert found.devices == ("Viky 0", "Viky 1", "Viky 2")
    assert found.package.startswith("harvesters ")
