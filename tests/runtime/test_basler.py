"""Basler cameras, on Basler's own emulation of them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import pytest

from edgecls.errors import CameraError, CameraTimeout, ConfigError, Fault, ImageError
from edgecls_runtime import cameras, packages
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.cameras import basler
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.genicam.camera import GenicamCamera
from edgecls_runtime.protocols import Camera
from industrial import PYLON_MISSING
from servers import card

pytestmark = pytest.mark.skipif(not packages.installed("pypylon"), reason=PYLON_MISSING)
WAIT_S = 10.0
FIRST = "0815-0000"
SMALL: dict[str, object] = {"width_px": 64, "height_px": 48}


class Bell(Announcements):
    """A trigger that tests ring."""

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")


@contextmanager
def opened(**settings: object) -> Iterator[GenicamCamera]:
    table = {"device": FIRST, **SMALL, **settings}
    with closing(basler.open(**table)) as camera:  # type: ignore[arg-type]
        yield camera


def refusal(**settings: object) -> CameraError:
    with pytest.raises(CameraError) as raised, opened(**settings):
        pass
    return raised.value


def test_several_cameras_are_listed_when_none_is_named() -> None:
    error = refusal(device="")

    assert str(error) == (
        "basler camera: 2 cameras found: Emulation 0815-0000, Emulation 0815-0001; "
        "set device to the one that is meant"
    )
    assert error.fault is Fault.MISSING


def test_a_camera_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert str(refusal(device="777")) == (
        "basler camera 777: no camera '777'; there are Emulation 0815-0000, Emulation 0815-0001"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width_px": 9999}, "node Width: 9999 wanted; it offers 1 to 4096"),
        (
            {"nodes": {"Exposuretime": 3}},
            (
                "node Exposuretime: 3 wanted; no such node; it has ExposureTime, ExposureTimeRaw, "
                "ExposureTimeAbs, ExposureMode, ExposureAuto"
            ),
        ),
        (
            {"nodes": {"TriggerMode": "Maybe"}},
            "node TriggerMode: 'Maybe' wanted; it offers Off, On",
        ),
        (
            {"pixel_format": "Mono12"},
            (
                "it is set to pixel format Mono12; expected one that can be decoded; of those it "
                "offers Mono8, BGRA8Packed, BGR8Packed, RGB8Packed, BayerGR8, BayerRG8, BayerGB8, "
                "BayerBG8: set pixel_format"
            ),
        ),
    ],
    ids=["too wide", "no such node", "no such choice", "12 bits"],
)
def test_a_setting_that_the_camera_does_not_take_is_named_with_what_it_offers(
    settings: dict[str, object], message: str
) -> None:
    error = refusal(**settings)

    assert str(error) == f"basler camera {FIRST}: {message}"
    assert error.fault is Fault.FORMAT


def test_a_time_out_that_is_none_is_an_error_of_the_table() -> None:
    with pytest.raises(ConfigError) as raised, opened(timeout_ms=0):
        pass

    assert str(raised.value) == "camera.timeout_ms: 0; expected 1 to 86400000"


@pytest.mark.parametrize(
    "pixel_format",
    ["RGB8Packed", "BGR8Packed", "BGRA8Packed", "BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8"],
)
def test_an_image_file_in_front_of_the_camera_has_its_true_colours(
    pixel_format: str, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "part.png"), card(200, 100, 30, (48, 64))[..., ::-1])
    shown = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(tmp_path)}

    with opened(pixel_format=pixel_format, nodes=shown) as camera:
        colours = camera.read(WAIT_S).image.mean((0, 1))

    assert abs(colours - (200, 100, 30)).max() < 2


def test_keys_reach_the_camera() -> None:
    wanted = {"exposure_ms": 2.0, "gain_db": 3.0, "rate_hz": 50.0, "x_px": 10, "y_px": 4}

    with opened(**wanted) as camera:
        source = camera._source
        assert isinstance(source, basler.PylonSource)
        nodes = source._camera.GetNodeMap()
        found = {
            name: float(nodes.GetNode(name).ToString())
            for name in ("ExposureTime", "Gain", "AcquisitionFrameRate", "OffsetX", "OffsetY")
        }

    assert found == {
        "ExposureTime": 2000.0,
        "Gain": 3.0,
        "AcquisitionFrameRate": 50.0,
        "OffsetX": 10.0,
        "OffsetY": 4.0,
    }


def test_each_shot_of_the_software_trigger_is_one_frame() -> None:
    with opened(trigger="software") as camera:
        assert camera.fires
        with pytest.raises(CameraTimeout):
            camera.read(0.2)

        numbers = []
        for _ in range(3):
            camera.fire()
            numbers.append(camera.read(WAIT_S).number)
        with pytest.raises(CameraTimeout):
            camera.read(0.2)

    assert numbers == [0, 1, 2]


def test_shots_as_fast_as_they_come_are_all_taken() -> None:
    with opened(trigger="software") as camera:
        for _ in range(5):
            camera.fire()

        assert [camera.read(WAIT_S).number for _ in range(5)] == [0, 1, 2, 3, 4]


def test_a_part_that_is_announced_has_the_frame_that_was_fired_for_it() -> None:
    table = {"kind": "basler", "device": FIRST, "trigger": "software", **SMALL}
    capture = CaptureSettings()
    bell = Bell()
    camera = cameras.open_table(table, capture=capture)
    assert isinstance(camera, LiveCamera)
    assert camera.fires
    with closing(TriggeredCamera(camera, bell, capture, timeout=5.0)) as parts:
        for part in ("bolt 7", "bolt 8", "bolt 9"):
            bell.put(part)

        found = [parts.read(WAIT_S) for _ in range(3)]

        assert [frame.part for frame in found] == ["bolt 7", "bolt 8", "bolt 9"]
        assert (parts.counts.announced, parts.counts.taken) == (3, 3)


def test_a_camera_that_waits_for_its_line_is_silent_and_not_lost() -> None:
    with opened(trigger="Line1", timeout_ms=100) as camera:
        for _ in range(2):
            with pytest.raises(CameraTimeout) as raised:
                camera.read(0.2)

    assert str(raised.value) == (
        f"basler camera {FIRST}: no frame within 0.2 s; it waits for Line1"
    )


def force_failures(camera: Camera) -> None:
    """Have the emulation spoil the next two buffers."""
    assert isinstance(camera, GenicamCamera)
    assert isinstance(camera._source, basler.PylonSource)
    nodes = camera._source._camera.GetNodeMap()
    nodes.GetNode("ForceFailedBufferCount").Value = 2
    nodes.GetNode("ForceFailedBuffer").Execute()


def test_a_buffer_that_is_not_whole_is_no_frame() -> None:
    told, numbers = list[str](), list[int]()
    with opened(rate_hz=50.0) as camera:
        numbers.append(camera.read(WAIT_S).number)
        force_failures(camera)
        while len(told) < 2 or numbers[-1] < 8:
            try:
                numbers.append(camera.read(WAIT_S).number)
            except ImageError as error:
                told.append(str(error))

    assert len(told) == 2
    assert told[0].startswith(f"basler camera {FIRST}: frame ")
    assert told[0].endswith(": incomplete: The buffer was incompletely grabbed")
    assert len(numbers) == numbers[-1] + 1 - 2  # they have the numbers that are left out


def test_each_buffer_that_is_not_whole_is_one_missed_part() -> None:
    with opened(rate_hz=50.0) as camera:
        last = camera.take(WAIT_S).number

        def never() -> Camera:
            raise AssertionError("not to be opened again")

        with closing(LiveCamera(camera, never, Keep.EVERY, queue=64)) as live:
            force_failures(camera)
            seen, missed = 0, list[str]()
            while len(missed) < 2 or seen < 5:
                try:
                    live.read(WAIT_S)
                    seen += 1
                except ImageError as error:
                    missed.append(str(error))

            assert live.missed == 2
        assert all("incomplete" in reason for reason in missed)
    assert last == 0


def test_a_closed_camera_is_gone_and_can_be_opened_again() -> None:
    with opened() as camera:
        camera.read(WAIT_S)
        camera.close()

        with pytest.raises(CameraError) as raised:
            camera.read(WAIT_S)
        with opened() as again:
            assert again.read(WAIT_S).number == 0

    assert raised.value.fault is Fault.GONE


def test_what_is_there_is_listed() -> None:
    found = basler.probed()

    assert (found.kind, found.ready, found.what) == ("basler", True, "found")
    assert found.package.startswith("pypylon ")
    assert found.devices == ("Emulation 0815-0000", "Emulation 0815-0001")


def test_without_a_camera_it_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "0")

    found = basler.probed()

    assert not found.ready
    assert found.what == (
        "no camera found; is it on, plugged in and, with GigE, in this network? "
        "PYLON_CAMEMU=1 emulates one"
    )
