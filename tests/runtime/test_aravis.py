"""GigE Vision through Aravis, in front of its fake camera: whole frames, faults, cables pulled."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest

from edgecls.errors import CameraError, CameraTimeout, ConfigError, Fault, FrameMissed, ImageError
from edgecls_runtime import cameras, system_gi
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.cameras import aravis
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.genicam.camera import GenicamCamera
from edgecls_runtime.genicam.settings import Edge
from edgecls_runtime.protocols import Camera
from gige import GigeCamera, can_make_networks, gige_cable, gige_camera, missing

WAIT_S = 10.0
SMALL: dict[str, object] = {"width_px": 160, "height_px": 120, "rate_hz": 50.0}
needs_cable = pytest.mark.skipif(
    not can_make_networks(), reason="cables are pulled in network namespaces, which need root"
)


class Bell(Announcements):
    """A trigger that tests ring."""

    def close(self) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def present() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def gige(present: None) -> Iterator[GigeCamera]:  # noqa: ARG001 - it comes first
    with gige_camera() as camera:
        yield camera


@contextmanager
def opened(gige: GigeCamera, **settings: object) -> Iterator[GenicamCamera]:
    table = {"device": gige.address, "pixel_format": "Mono8", **SMALL, **settings}
    with closing(aravis.open(**table)) as camera:  # type: ignore[arg-type]
        yield camera


def refusal(device: str, **settings: object) -> CameraError:
    with pytest.raises(CameraError) as raised:
        aravis.open(device=device, **settings)  # type: ignore[arg-type]
    return raised.value


def until(condition: Callable[[], object], limit: float = WAIT_S) -> float:
    """Wait until something is so; return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + limit, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_camera_is_found_by_its_serial_number(gige: GigeCamera) -> None:
    with opened(gige, device="TEST01") as camera:
        assert camera.read(WAIT_S).camera == "aravis camera TEST01"


def test_an_address_where_no_camera_is_is_said_to_be_empty() -> None:
    error = refusal("127.200.200.1")

    assert str(error) == (
        "aravis camera 127.200.200.1: Can't connect to device at address '127.200.200.1'; "
        "is it on, plugged in and in this network? try: arv-tool-0.8"
    )
    assert error.fault is Fault.MISSING


def test_a_name_that_no_camera_has_is_answered_with_those_that_are_there(gige: GigeCamera) -> None:
    assert gige.process
    error = refusal("nothing")

    assert str(error).startswith("aravis camera nothing: no camera 'nothing'; there are ")
    assert "Fake TEST01" in str(error)
    assert error.fault is Fault.MISSING


def test_a_camera_that_another_program_controls_is_busy(gige: GigeCamera) -> None:
    with opened(gige) as camera:
        camera.read(WAIT_S)

        error = refusal(gige.address)

        assert camera.read(WAIT_S).number > 0
    assert str(error) == (f"aravis camera {gige.address}: in use by another program; close that")
    assert error.fault is Fault.BUSY


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width_px": 9999}, "node Width: 9999 wanted; it offers 1 to 2048"),
        (
            {"nodes": {"Exposuretime": 3}},
            "node Exposuretime: 3 wanted; no such node; it has ExposureTimeAbs",
        ),
        ({"trigger": "Line9"}, "node TriggerSource: 'Line9' wanted; it offers Line0, Software"),
        (
            {"trigger": "Line0", "edge": Edge.FALLING},
            "node TriggerActivation: 'FallingEdge' wanted; it offers RisingEdge",
        ),
        (
            {"pixel_format": "Mono16"},
            (
                "it is set to pixel format Mono16; expected one that can be decoded; of those it "
                "offers BayerBG8, BayerGB8, BayerGR8, BayerRG8, Mono8, RGB8: set pixel_format"
            ),
        ),
        ({"gain_db": 3.0}, "node Gain: 3.0 wanted; no such node; it has GainRaw"),
    ],
    ids=["too wide", "no such node", "no such line", "no such edge", "16 bits", "no gain in dB"],
)
def test_a_setting_that_the_camera_does_not_take_is_named_with_what_it_offers(
    gige: GigeCamera, settings: dict[str, object], message: str
) -> None:
    error = refusal(gige.address, **{"pixel_format": "Mono8", **settings})

    assert str(error) == f"aravis camera {gige.address}: {message}"
    assert error.fault is Fault.FORMAT


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("packet_size", 99999, "camera.packet_size: 99999; expected 0 to 16384"),
        ("timeout_ms", -1, "camera.timeout_ms: -1; expected 1 to 86400000"),
    ],
)
def test_a_value_that_no_camera_takes_is_an_error_of_the_table(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        aravis.open(device="127.0.0.1", **{key: value})  # type: ignore[arg-type]

    assert str(raised.value) == message


def test_packets_are_as_large_as_they_are_wanted(gige: GigeCamera) -> None:
    with opened(gige, packet_size=700) as camera:
        assert isinstance(camera._source, aravis.AravisSource)
        assert camera._source._camera.gv_get_packet_size() == 700

        assert camera.read(WAIT_S).image.shape == (120, 160, 3)


def test_colours_are_those_of_the_test_pattern(gige: GigeCamera) -> None:
    # Aravis draws the colour scale "jet": along it red rises before blue has fallen, never both.
    with opened(gige, pixel_format="RGB8") as camera:
        red, green, blue = np.moveaxis(camera.read(WAIT_S).image[0].astype(int), -1, 0)

    rising = np.diff(red) > 0
    assert (green[:-1][rising] > 0).all()
    assert (np.diff(blue)[rising & (np.diff(green) == 0)] <= 0).all()


def test_a_frame_is_as_old_as_its_first_packet(gige: GigeCamera) -> None:
    with opened(gige) as camera:
        camera.read(WAIT_S)
        waited = [(camera.read(WAIT_S).captured_at, time.monotonic()) for _ in range(10)]

    ages = [now - at for at, now in waited]
    steps = np.diff([at for at, _ in waited])
    assert 0 < min(ages) <= np.median(ages) < 0.05
    assert np.median(steps) == pytest.approx(0.02, abs=0.005)


def test_each_shot_of_the_software_trigger_is_one_frame(gige: GigeCamera) -> None:
    with opened(gige, trigger="software") as camera:
        assert camera.fires
        with pytest.raises(CameraTimeout):
            camera.read(0.2)

        before = time.monotonic()
        camera.fire()
        frame = camera.read(WAIT_S)

        assert before < frame.captured_at <= time.monotonic()
        with pytest.raises(CameraTimeout):
            camera.read(0.2)


def test_a_part_that_is_announced_has_the_frame_that_was_fired_for_it(gige: GigeCamera) -> None:
    table = {"kind": "aravis", "device": gige.address, "trigger": "software", **SMALL}
    capture, bell = CaptureSettings(), Bell()
    camera = cameras.open_table({**table, "pixel_format": "Mono8"}, capture=capture)
    with closing(TriggeredCamera(camera, bell, capture, timeout=5.0)) as parts:
        found = []
        for part in ("bolt 7", "bolt 8", "bolt 9"):
            bell.put(part)
            found.append(parts.read(WAIT_S).part)

        assert found == ["bolt 7", "bolt 8", "bolt 9"]
        assert (parts.counts.announced, parts.counts.taken) == (3, 3)


def never() -> Camera:
    raise AssertionError("not to be opened again")


def test_frames_that_were_lost_show_as_a_gap_and_each_is_a_missed_part(gige: GigeCamera) -> None:
    with opened(gige) as camera:
        camera.take(WAIT_S)
        time.sleep(0.6)  # more frames than the driver has room for
        with closing(LiveCamera(camera, never, Keep.EVERY, queue=64)) as live:
            frames, lost = 1, list[str]()  # the one that was taken before
            while len(lost) < 5 or frames < 30:
                try:
                    live.read(WAIT_S)
                    frames += 1
                except FrameMissed as error:
                    lost.append(str(error))
            missed = live.missed

        assert missed == len(lost)
        assert lost[0].startswith(f"missed: aravis camera {gige.address}: frame ")
        assert lost[0].endswith(" was lost on its way")


def test_each_frame_of_which_packets_were_lost_is_incomplete_and_one_missed_part() -> None:
    with gige_camera("LOSSY1", lost_of_1000=5) as gige, opened(gige, width_px=640) as camera:
        first = whole(camera)
        with closing(LiveCamera(camera, never, Keep.EVERY, queue=64)) as live:
            frames, lost = 1, list[str]()
            while len(lost) < 3 or frames < 5:
                try:
                    live.read(WAIT_S)
                    frames += 1
                except FrameMissed as error:
                    lost.append(str(error))
        last = camera_count(camera)

    assert any(reason.endswith(": incomplete: missing packets") for reason in lost)
    # Those that were still waiting to be read when it was closed are the difference.
    assert 0 <= last - first + 1 - (live.delivered + 1 + live.missed) <= 1


def whole(camera: Camera) -> int:
    """Return the number of the next frame that is whole."""
    while True:
        with suppress(ImageError):
            return camera.read(WAIT_S).number


def camera_count(camera: GenicamCamera) -> int:
    """Return the number of the last frame that was counted, whole or not."""
    return camera._count._number


def test_a_camera_that_falls_silent_is_lost_and_comes_back_by_itself() -> None:
    with gige_camera("GONE01") as gige:
        table = {"kind": "aravis", "device": gige.address, "timeout_ms": 500, **SMALL}
        camera = cameras.open_table({**table, "pixel_format": "Mono8"})
        assert isinstance(camera, LiveCamera)
        with closing(camera):
            camera.read(WAIT_S)
            gige.kill()
            until(lambda: "lost after 0.5 s of silence" in refused(camera))
            gige.start()
            back = until(lambda: camera.reopened)

            assert camera.read(WAIT_S).image.shape == (120, 160, 3)
            assert back < WAIT_S


def refused(camera: Camera) -> str:
    """Return why there is no frame; empty when there is one."""
    try:
        camera.read(0.1)
    except CameraTimeout as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_a_camera_that_waits_for_its_line_and_dies_is_gone_after_some_seconds() -> None:
    with gige_camera("GONE02") as gige, opened(gige, trigger="Line0", timeout_ms=500) as camera:
        gige.kill()
        began = time.monotonic()

        with pytest.raises(CameraError) as raised:
            while True:
                try:
                    camera.read(0.5)
                except CameraTimeout:
                    assert time.monotonic() < began + 20

    assert raised.value.fault is Fault.GONE
    assert str(raised.value) == (
        f"aravis camera {gige.address}: gone; it has not answered for some seconds; "
        f"is it on and plugged in?"
    )


@pytest.mark.slow
@needs_cable
@pytest.mark.parametrize("pulled_s", [2.0, 9.0], ids=["2 s", "9 s"])
def test_after_a_cable_was_pulled_frames_flow_again_within_two_seconds(pulled_s: float) -> None:
    with gige_cable() as cable:
        table = {"kind": "aravis", "device": cable.camera.address, "timeout_ms": 1000, **SMALL}
        camera = cameras.open_table({**table, "pixel_format": "Mono8"})
        assert isinstance(camera, LiveCamera)
        with closing(camera):
            camera.read(WAIT_S)
            cable.pull()
            time.sleep(pulled_s)
            while True:  # what had come before
                try:
                    camera.read(0.2)
                except CameraTimeout:
                    break

            cable.plug()
            plugged = time.monotonic()
            while True:
                try:
                    frame = camera.read(0.2)
                except CameraTimeout:
                    assert time.monotonic() < plugged + WAIT_S
                    continue
                if frame.captured_at > plugged:
                    break

            assert frame.captured_at - plugged < 2
            assert camera.reopened


def test_what_is_there_is_listed(gige: GigeCamera) -> None:
    assert gige.process
    found = aravis.probed()

    assert (found.kind, found.ready, found.what) == ("aravis", True, "found")
    assert "Fake TEST01" in found.devices


def test_without_aravis_the_apt_command_is_said() -> None:
    needed = (*aravis.NEEDED, system_gi.Typelib("Nothing", "9.9", "gir1.2-nothing-9.9"))

    with pytest.raises(CameraError) as raised:
        system_gi.load("aravis camera", needed)

    assert str(raised.value) == (
        "aravis camera: Nothing 9.9 is not installed; run: sudo apt install python3-gi "
        "gir1.2-aravis-0.8 gir1.2-glib-2.0 gir1.2-nothing-9.9"
    )
    assert raised.value.fault is Fault.MISSING
    assert raised.value.exit_code == 5
