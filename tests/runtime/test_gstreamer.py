"""GStreamer's cameras, specified with its own test source, its files and its failures."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import CameraError, ConfigError, EndOfStream, Fault
from edgecls_runtime import cameras, system_gi, system_package
from edgecls_runtime.cameras import gstreamer
from edgecls_runtime.cameras.gstreamer import Source, ready
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.gstreamer_camera import NEEDED, GStreamerCamera, elements
from servers import GSTREAMER_MISSING, RED, MjpegServer, can_gstreamer, card

WAIT_S = 10.0
NEAR = 4  # grey levels by which a colour that went through YUV or JPEG may be off
LIVE = "videotestsrc is-live=true"


pytestmark = pytest.mark.skipif(not can_gstreamer(), reason=GSTREAMER_MISSING)


@pytest.fixture
def opened() -> Iterator[Callable[..., GStreamerCamera]]:
    """Return a function that opens cameras, each of which is closed at the end."""
    cameras_: list[GStreamerCamera] = []

    def open_(**keys: object) -> GStreamerCamera:
        cameras_.append(gstreamer.open(**keys))  # type: ignore[arg-type]
        return cameras_[-1]

    yield open_
    for camera in cameras_:
        camera.close()


Opening = Callable[..., GStreamerCamera]


def refusal(**keys: object) -> CameraError:
    with pytest.raises(CameraError) as raised:
        gstreamer.open(**keys)  # type: ignore[arg-type]
    return raised.value


@pytest.mark.parametrize("pixels", ["RGB", "BGR", "BGRx", "RGBA", "NV12", "I420", "YUY2"])
@pytest.mark.parametrize("width", [160, 162], ids=["whole words", "padded"])
def test_red_is_red_in_every_layout_and_at_every_width(
    opened: Opening, pixels: str, width: int
) -> None:
    size = f"width={width},height=121"
    camera = opened(pipeline=f"{LIVE} pattern=red ! video/x-raw,format={pixels},{size}")

    image = camera.read(WAIT_S).image

    assert image.shape == (121, width, 3)
    assert np.abs(image.reshape(-1, 3).astype(int) - (255, 0, 0)).max() <= NEAR


def test_a_grey_camera_gives_three_equal_channels(opened: Opening) -> None:
    camera = opened(pipeline=f"{LIVE} pattern=white ! video/x-raw,format=GRAY8,width=33,height=21")

    image = camera.read(WAIT_S).image

    assert image.shape == (21, 33, 3)
    assert (image == image[:1, :1, :1]).all()
    assert image.min() >= 235  # white of video, as the source draws it


def test_rows_come_out_where_they_were_although_they_are_padded(opened: Opening) -> None:
    """A slanted stride would shear the picture: the right half would not be one colour."""
    camera = opened(pipeline=f"{LIVE} pattern=smpte100 ! video/x-raw,format=RGB,width=75,height=40")

    image = camera.read(WAIT_S).image

    assert (image == image[:1]).all()
    assert len(np.unique(image[0], axis=0)) == 7


def test_jpegs_are_taken_as_they_come_and_decoded_by_who_needs_them(opened: Opening) -> None:
    size = "video/x-raw,width=160,height=120"
    camera = opened(pipeline=f"{LIVE} pattern=red ! {size} ! jpegenc ! image/jpeg")

    image = camera.read(WAIT_S).image

    # The encoder keeps video's range, 16 to 235.
    assert np.abs(image.mean((0, 1)) - (235, 16, 16)).max() <= NEAR


def test_a_ready_pipeline_takes_size_and_rate(opened: Opening) -> None:
    camera = opened(source=Source.TEST, device="blue", width_px=64, height_px=48, rate_hz=29.97)

    frame = camera.read(WAIT_S)

    assert frame.image.shape == (48, 64, 3)
    assert frame.image[0, 0, 2] >= 255 - NEAR
    assert frame.camera == "gstreamer camera test blue"


@pytest.mark.parametrize(
    ("source", "keys", "text"),
    [
        (
            Source.JETSON,
            {"device": "1", "width_px": 1920, "height_px": 1080, "rate_hz": 30.0},
            (
                'nvarguscamerasrc sensor-id="1" ! video/x-raw(memory:NVMM),format=NV12,width=1920,'
                "height=1080,framerate=30/1 ! nvvidconv ! video/x-raw,format=BGRx"
            ),
        ),
        (
            Source.JETSON,
            {},
            (
                'nvarguscamerasrc sensor-id="0" ! video/x-raw(memory:NVMM),format=NV12 '
                "! nvvidconv ! video/x-raw,format=BGRx"
            ),
        ),
        (Source.LIBCAMERA, {"width_px": 640}, "libcamerasrc ! video/x-raw,width=640"),
        (Source.ARAVIS, {"device": 'a "b"'}, r'aravissrc camera-name="a \"b\"" ! video/x-raw'),
        (
            Source.V4L2,
            {"device": "/dev/video0", "rate_hz": 12.5},
            'v4l2src device="/dev/video0" ! video/x-raw,framerate=25/2',
        ),
    ],
    ids=["jetson", "jetson as it is", "libcamera", "aravis", "v4l2"],
)
def test_the_pipeline_of_a_source_is_what_its_makers_write(
    source: Source, keys: dict[str, object], text: str
) -> None:
    assert ready(source, **keys) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("source", Source)
def test_a_ready_pipeline_whose_element_is_not_here_names_its_package(source: Source) -> None:
    element = gstreamer.ELEMENTS[source][0].split()[0]
    if elements("here", {"it": element})[1]:
        pytest.skip(f"{element} is installed here")
    package = {Source.JETSON: "nvidia-l4t-gstreamer", Source.LIBCAMERA: "gstreamer1.0-libcamera"}

    error = refusal(source=source)

    assert error.fault is Fault.MISSING
    assert str(error) == (
        f"gstreamer camera {source}: GStreamer has no element {element}; "
        f"run: sudo apt install {package[source]}"
    )


def test_a_live_frame_was_captured_when_its_pipeline_says_so(opened: Opening) -> None:
    """The queue holds frames for 0.3 s but for one or two of them; each keeps its own time."""
    held = "queue min-threshold-time=300000000 max-size-time=0 max-size-buffers=0"
    camera = opened(pipeline=f"{LIVE} ! video/x-raw,width=64,height=48,framerate=30/1 ! {held}")

    camera.read(WAIT_S)
    ages = [time.monotonic() - camera.read(WAIT_S).captured_at for _ in range(5)]

    assert min(ages) > 0.2
    assert max(ages) < 0.6


def test_frames_that_nobody_fetched_are_a_gap_in_the_numbers(opened: Opening) -> None:
    camera = opened(pipeline=f"{LIVE} ! video/x-raw,width=64,height=48,framerate=50/1")
    first = camera.read(WAIT_S).number
    time.sleep(0.5)

    after = [camera.read(WAIT_S).number for _ in range(6)]

    assert first == 0
    assert after[0] >= 15
    assert after == sorted(set(after))


def test_where_a_source_does_not_count_its_frames_those_that_were_dropped_are_counted(
    opened: Opening,
) -> None:
    size = "video/x-raw,width=64,height=48,framerate=50/1"
    camera = opened(pipeline=f"{LIVE} ! {size} ! jpegenc ! jpegparse ! jpegdec ! {size}")
    numbers = [camera.read(WAIT_S).number]
    time.sleep(0.5)

    numbers += [camera.read(WAIT_S).number for _ in range(6)]

    assert numbers[1] >= 15
    assert numbers == sorted(set(numbers))


def test_a_pipeline_that_reads_a_file_gives_every_frame_and_then_ends(
    opened: Opening, tmp_path: Path
) -> None:
    file = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    for _ in range(40):
        writer.write(np.ascontiguousarray(RED[..., ::-1]))
    writer.release()
    camera = opened(pipeline=f'filesrc location="{file}" ! avidemux ! jpegdec')

    numbers = [camera.read(WAIT_S).number for _ in range(40)]
    with pytest.raises(EndOfStream) as raised:
        camera.read(WAIT_S)

    assert not camera.live
    assert numbers == list(range(40))
    assert str(raised.value) == ("gstreamer camera filesrc: at its end; 40 frames delivered before")


def test_a_size_that_changes_mid_stream_is_the_size_of_the_frame(
    opened: Opening, tmp_path: Path
) -> None:
    for number, size in enumerate([(40, 60), (30, 50), (40, 60)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), card(0, 0, 255, size))
    camera = opened(pipeline=f'multifilesrc location="{tmp_path}/%d.png" stop-index=2 ! pngdec')

    images = [camera.read(WAIT_S).image for _ in range(3)]

    assert [image.shape for image in images] == [(40, 60, 3), (30, 50, 3), (40, 60, 3)]
    assert all((image == (255, 0, 0)).all() for image in images)


def test_an_element_that_fails_mid_stream_is_a_lost_camera(opened: Opening) -> None:
    camera = opened(pipeline=f"{LIVE} ! identity error-after=3")
    with pytest.raises(CameraError) as raised:
        while True:
            camera.read(WAIT_S)

    assert raised.value.fault is Fault.GONE
    assert str(raised.value) == (
        "gstreamer camera videotestsrc: identity: Failed after iterations as requested; "
        "is the source still running?"
    )


def test_a_live_source_that_ends_is_gone(opened: Opening) -> None:
    camera = opened(pipeline=f"{LIVE} num-buffers=2")
    with pytest.raises(CameraError) as raised:
        for _ in range(3):
            camera.read(WAIT_S)

    assert raised.value.fault is Fault.GONE
    assert not isinstance(raised.value, EndOfStream)
    assert str(raised.value) == (
        "gstreamer camera videotestsrc: ended its stream; 2 frames delivered before"
    )


def test_a_source_that_falls_silent_is_lost_after_its_timeout(opened: Opening) -> None:
    with MjpegServer(RED) as server:
        source = f"souphttpsrc is-live=true location={server.url} ! multipartdemux ! image/jpeg"
        camera = opened(pipeline=source, timeout_ms=500)
        camera.read(WAIT_S)
        server.freeze()
        began = time.monotonic()

        with pytest.raises(CameraError, match="lost after 0.5 s of silence") as raised:
            while True:
                camera.read(WAIT_S)

        assert time.monotonic() - began < 2
    assert raised.value.fault is Fault.TIMEOUT


def test_a_source_without_a_first_frame_is_refused_unless_it_waits_for_a_trigger(
    opened: Opening,
) -> None:
    silent = f"{LIVE} ! valve drop=true"

    error = refusal(pipeline=silent, timeout_ms=300)
    camera = opened(pipeline=silent, timeout_ms=0)

    assert error.fault is Fault.TIMEOUT
    with pytest.raises(TimeoutError, match="^gstreamer camera videotestsrc: no frame within 0.1 s"):
        camera.read(0.1)


@pytest.mark.parametrize(
    ("pipeline", "fault", "text"),
    [
        (
            "foosrc",
            Fault.MISSING,
            "foosrc: GStreamer has no element foosrc; is it written right? try: gst-inspect-1.0",
        ),
        (
            "filesrc location=/nothing/here ! avidemux ! jpegdec",
            Fault.MISSING,
            ('filesrc: filesrc: Resource not found; No such file "/nothing/here"; '
            "is it there, and its name right?"),
        ),
        (
            "v4l2src device=/dev/video97",
            Fault.MISSING,
            ("v4l2src: v4l2src: Cannot identify device '/dev/video97'; "
            "system error: No such file or directory; is it there, and its name right?"),
        ),
        (
            "rtspsrc location=rtsp://joe:secret@127.0.0.1:9/a user-pw=secret ! decodebin",
            Fault.REFUSED,
            ("rtspsrc: rtspsrc: Could not open resource for reading and writing; "
            "Failed to connect. (Generic error); is it on, free, and the address right?"),
        ),
        (
            "filesrc location=/etc/passwd ! decodebin",
            Fault.CODEC,
            ("filesrc: decodebin: This appears to be a text file; decodebin cannot decode plain "
            "text files; what does it send? try: gst-launch-1.0 -v, or install gstreamer1.0-libav"),
        ),
        (
            "videotestsrc num-buffers=0",
            Fault.FORMAT,
            "videotestsrc: no frame in it",
        ),
    ],
    ids=["no element", "no file", "no device", "no server", "no video", "empty"],
)  # fmt: skip
def test_a_pipeline_that_does_not_start_says_why_in_one_line(
    pipeline: str, fault: Fault, text: str
) -> None:
    began = time.monotonic()

    error = refusal(pipeline=pipeline)

    assert (error.fault, str(error)) == (fault, f"gstreamer camera {text}")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (
            {"pipeline": "videotestsrc !! a"},
            "camera.pipeline: syntax error; expected what gst-launch-1.0 takes, without a sink",
        ),
        (
            {"pipeline": "videotestsrc colour=3"},
            (
                'camera.pipeline: no property "colour" in element "videotestsrc"; '
                "expected what gst-launch-1.0 takes, without a sink"
            ),
        ),
        (
            {"source": Source.TEST, "device": "tartan"},
            (
                "camera.source = 'test': could not set property \"pattern\" in element "
                '"videotestsrc" to "tartan"; expected what gst-launch-1.0 takes, without a sink'
            ),
        ),
        (
            {},
            (
                "camera: neither pipeline nor source given; expected one of them "
                "(jetson, libcamera, aravis, v4l2, test)"
            ),
        ),
        (
            {"pipeline": "videotestsrc", "width_px": 640},
            "camera: device, size and rate are of a source; write them in pipeline",
        ),
        (
            {"source": Source.TEST, "timeout_ms": -1},
            "camera.timeout_ms: -1; expected 0 to 600000",
        ),
    ],
    ids=["syntax", "property", "value", "nothing", "contradiction", "time"],
)
def test_what_is_written_wrongly_is_an_error_of_the_table(
    keys: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        gstreamer.open(**keys)  # type: ignore[arg-type]

    assert str(raised.value) == text


def test_a_file_is_a_camera_of_a_process_of_its_own(tmp_path: Path) -> None:
    """Not live also there: every frame is given, whoever reads how late."""
    cv2.imwrite(str(tmp_path / "0.png"), card(0, 0, 255))
    table = {
        "kind": "gstreamer",
        "pipeline": f'multifilesrc location="{tmp_path}/%d.png" stop-index=0 ! pngdec',
    }
    with closing(cameras.open_table(table)) as camera:
        image = camera.read(WAIT_S).image

        with pytest.raises(EndOfStream):
            camera.read(WAIT_S)

    assert not camera.live
    assert (image == (255, 0, 0)).all()


def test_what_devices_says_names_the_ready_pipelines_that_have_their_element() -> None:
    found = gstreamer.probed()

    assert found.ready
    assert found.package.startswith("GStreamer 1.")
    assert {"test", "v4l2"} <= {*found.devices}


def test_without_pygobject_the_apt_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)

    with pytest.raises(CameraError) as raised:
        system_gi.load("gstreamer camera", NEEDED, [])

    assert raised.value.fault is Fault.MISSING
    assert str(raised.value) == (
        "gstreamer camera: PyGObject is not installed; run: sudo apt install python3-gi "
        "gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"
    )


def test_pygobject_of_another_python_is_said_to_be_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gi").mkdir()
    (tmp_path / "gi" / "_gi.cpython-39-x86_64-linux-gnu.so").touch()
    monkeypatch.setitem(sys.modules, "gi", None)

    with pytest.raises(CameraError) as raised:
        system_gi.load("gstreamer camera", NEEDED, [str(tmp_path)])

    assert str(raised.value) == (
        f"gstreamer camera: PyGObject in {tmp_path} is for another Python than this "
        f"{system_package.VERSION}; make the virtual environment with /usr/bin/python3, "
        f"or run: pip install PyGObject"
    )


def test_a_library_that_gi_cannot_describe_is_named() -> None:
    wanted = [system_gi.Typelib("Nothing", "1.0", "gir1.2-nothing-1.0")]

    with pytest.raises(CameraError) as raised:
        system_gi.load("here", wanted)

    assert str(raised.value) == (
        "here: Nothing 1.0 is not installed; run: sudo apt install python3-gi gir1.2-nothing-1.0"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtspsrc user-pw=secret user-id=joe ! x", "rtspsrc user-pw=*** user-id=joe ! x"),
        ('rtspsrc user-pw="a b" ! x', "rtspsrc user-pw=*** ! x"),
        ("basler:device=1,password=secret,n=3", "basler:device=1,password=***,n=3"),
    ],
)
def test_a_pipeline_is_shown_without_its_passwords(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
