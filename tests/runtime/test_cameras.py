"""Cameras, specified: one page that every kind keeps, then what each says when it cannot."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import CameraError, ConfigError, EndOfStream, ImageError
from edgecls.frame import Frame
from edgecls_runtime import cameras, packages
from edgecls_runtime.cameras import http, rtsp
from edgecls_runtime.credentials import hidden, without_credentials
from edgecls_runtime.protocols import Camera
from gige import gige_camera
from gige import missing as gige_missing
from industrial import HARVESTERS_MISSING, PYLON_MISSING, viky
from servers import (
    BLUE,
    GSTREAMER_MISSING,
    RED,
    RTSP_MISSING,
    Image,
    MjpegServer,
    can_gstreamer,
    can_serve_rtsp,
    card,
    rtsp_server,
)

GREY = card(128, 128, 128)
# Aravis's fake camera shows a ramp of greys, Viky a white card with a red ball.
SHOWN = {
    "fake": GREY,
    "folder": RED,
    "video": RED,
    "http": RED,
    "rtsp": RED,
    "gstreamer": RED,
    "aravis": card(124, 124, 124),
    "basler": RED,
    "genicam": card(255, 234, 234),
}
KNOWN = "aravis, basler, fake, folder, genicam, gstreamer, http, libcamera, rtsp, usb, video"
WAIT_S = 10.0


def write_image(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def write_video(path: Path, frames: int) -> Path:
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), code, 10, (RED.shape[1], RED.shape[0]))
    for _ in range(frames):
        writer.write(cv2.cvtColor(RED, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def folder_of(images: int, folder: Path) -> Path:
    for number in range(images):
        write_image(folder / f"{number}.png", RED)
    return folder


@pytest.fixture(scope="module")
def http_url() -> Iterator[str]:
    with MjpegServer(RED) as server:
        yield server.url


@pytest.fixture(scope="module")
def rtsp_url() -> Iterator[str]:
    if not can_serve_rtsp():
        pytest.skip(RTSP_MISSING)
    with rtsp_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def gige_address() -> Iterator[str]:
    if reason := gige_missing():
        pytest.skip(reason)
    with gige_camera() as camera:
        yield camera.address


def basler_table(folder: Path, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """Return Basler's emulation, which shows an image file in its true colours."""
    if not packages.installed("pypylon"):
        pytest.skip(PYLON_MISSING)
    patch.setenv("PYLON_CAMEMU", "1")
    write_image(folder / "red.png", RED)
    shown = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(folder)}
    return {"pixel_format": "BayerGB8", "rate_hz": 25.0, "nodes": shown}


def viky_table() -> dict[str, object]:
    producer = viky()
    if producer is None:
        pytest.skip(HARVESTERS_MISSING)
    return {"producer": str(producer), "device": "0", "nodes": {"BouncingBallSize": 40}}


@pytest.fixture(params=SHOWN)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Camera]:
    """Open the kind as a station does, in front of what ``SHOWN`` says."""
    size = {"height_px": 120, "width_px": 160}
    tables: dict[str, Callable[[], dict[str, object]]] = {
        "fake": lambda: {"frames": 3, "height_px": 120, "width_px": 160},
        "folder": lambda: {"path": str(folder_of(3, tmp_path / "parts"))},
        "video": lambda: {"path": str(write_video(tmp_path / "line.avi", 3))},
        "http": lambda: {"url": request.getfixturevalue("http_url")},
        "rtsp": lambda: {"url": request.getfixturevalue("rtsp_url")},
        "aravis": lambda: {**size, "device": request.getfixturevalue("gige_address")},
        "basler": lambda: {**size, **basler_table(tmp_path / "shown", monkeypatch)},
        "genicam": lambda: {**size, **viky_table()},
        "gstreamer": lambda: {"source": "test", "device": "red", "width_px": 160, "height_px": 120},
    }
    if kind == "gstreamer" and not can_gstreamer():
        pytest.skip(GSTREAMER_MISSING)
    with closing(cameras.open_table({"kind": kind, **tables[kind]()})) as camera:
        yield camera


def test_a_frame_is_uint8_of_height_width_and_three_channels_in_one_piece(opened: Camera) -> None:
    image = opened.read(WAIT_S).image

    assert image.dtype == np.uint8
    assert image.shape == (120, 160, 3)
    assert image.flags.c_contiguous


def test_red_is_red(opened: Camera, kind: str) -> None:
    image = opened.read(WAIT_S).image

    # Video codecs are lossy; swapped channels would be 255 away.
    assert np.abs(image.mean((0, 1)) - SHOWN[kind].mean((0, 1))).max() < 12


def test_frames_are_numbered_from_0_and_a_gap_means_dropped_ones(opened: Camera) -> None:
    numbers = [opened.read(WAIT_S).number for _ in range(3)]

    assert numbers == sorted(set(numbers))
    assert numbers[0] >= 0
    if not opened.live:
        assert numbers == [0, 1, 2]


def test_captured_at_is_now_on_the_monotonic_clock(opened: Camera) -> None:
    opened.read(WAIT_S)
    before = time.monotonic()

    frames = [opened.read(WAIT_S) for _ in range(2)]

    assert frames[0].captured_at < frames[1].captured_at <= time.monotonic()
    assert frames[0].captured_at > before - 0.5


def test_a_frame_names_its_camera(opened: Camera, kind: str) -> None:
    assert opened.read(WAIT_S).camera.startswith(f"{kind} ")


def test_what_a_frame_holds_is_not_written_over_by_the_next_ones(opened: Camera) -> None:
    frame = opened.read(WAIT_S)
    held = [array for array in (frame.image, frame.original) if array is not None]
    before = [array.copy() for array in held]

    for _ in range(2):
        opened.read(WAIT_S)

    assert all(map(np.array_equal, held, before))


def test_closing_twice_is_allowed(opened: Camera) -> None:
    opened.read(WAIT_S)

    opened.close()
    opened.close()


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_network_camera_is_live_so_that_only_its_newest_frame_counts(opened: Camera) -> None:
    assert opened.live


@pytest.mark.parametrize("kind", ["fake", "folder", "video"])
def test_where_frames_wait_to_be_read_none_is_dropped(opened: Camera) -> None:
    assert not opened.live


def test_a_folder_ends_after_its_last_file(tmp_path: Path) -> None:
    folder = folder_of(2, tmp_path)
    with cameras.open_camera("folder", path=str(folder)) as camera:
        parts = [camera.read(WAIT_S).part for _ in range(2)]

        with pytest.raises(EndOfStream) as raised:
            camera.read(WAIT_S)

    assert parts == ["0.png", "1.png"]
    assert str(raised.value) == f"folder {folder}: every file was read"


def test_a_video_ends_after_its_last_frame(tmp_path: Path) -> None:
    file = write_video(tmp_path / "line.avi", 2)
    with cameras.open_camera("video", path=str(file)) as camera:
        for _ in range(2):
            camera.read(WAIT_S)

        with pytest.raises(EndOfStream) as raised:
            camera.read(WAIT_S)

    assert str(raised.value) == f"video {file}: at its end; 2 frames delivered before"


def test_a_video_that_was_cut_names_the_cut_frame_and_counts_the_missing_ones(
    tmp_path: Path,
) -> None:
    file = write_video(tmp_path / "line.avi", 20)
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])
    told: list[str] = []
    with cameras.open_camera("video", path=str(file)) as camera, pytest.raises(EndOfStream):
        while True:
            try:
                camera.read(WAIT_S)
            except ImageError as error:
                told.append(str(error))

    damaged, missing = told
    assert re.fullmatch(
        rf"video {file}: frame \d+: not a JPEG, or a damaged one; expected whole frames", damaged
    )
    assert re.fullmatch(
        rf"video {file}: \d+ of 20 frames could not be read; is it damaged\?", missing
    )


def test_linked_folders_are_looked_into_and_none_twice(tmp_path: Path) -> None:
    folder_of(2, tmp_path / "elsewhere")
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "line")
    seen: list[str | None] = []

    with (
        cameras.open_camera("folder", path=str(tmp_path / "line")) as camera,
        pytest.raises(EndOfStream),
    ):
        read_on(camera, lambda frame: seen.append(frame.part))

    assert seen == ["link/0.png", "link/1.png"]


def test_a_file_name_that_is_not_utf8_becomes_a_part_that_any_journal_takes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", RED)
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))

    with cameras.open_camera("folder", path=str(tmp_path)) as camera:
        part = camera.read(WAIT_S).part

    assert part == "caf\\xe9.png"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "http", "url": "http://127.0.0.1:9", "timeout_ms": 0}, "expected 1 to 600000"),
        ({"kind": "fake", "height_px": -1}, "expected sizes of 1 px or more"),
    ],
    ids=["no time", "no height"],
)
def test_a_value_that_no_driver_takes_is_an_error_of_the_table(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cameras.open_table(table)


def test_parts_of_a_folder_are_named_by_their_path_and_come_in_its_order(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/2.png", "a/10.png"):
        write_image(tmp_path / name, RED)

    with cameras.open_camera("folder", path=str(tmp_path)) as camera:
        parts = [camera.read(WAIT_S).part for _ in range(3)]

    assert parts == ["a/10.png", "a/2.png", "b/1.png"]


def test_hidden_files_and_what_is_in_hidden_folders_are_no_parts(tmp_path: Path) -> None:
    for name in (".hidden.png", ".thumbnails/1.png", "part.png"):
        write_image(tmp_path / name, RED)

    with cameras.open_camera("folder", path=str(tmp_path)) as camera:
        assert camera.read(WAIT_S).part == "part.png"

        with pytest.raises(EndOfStream):
            camera.read(WAIT_S)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"drawing number 7\n", "not an image, or a damaged one; expected JPEG, PNG, TIFF, BMP"),
        (b"", "empty file; expected an image"),
    ],
    ids=["text", "empty"],
)
def test_a_file_that_is_no_image_names_its_part_and_the_next_read_goes_on(
    tmp_path: Path, content: bytes, found: str
) -> None:
    (tmp_path / "1.png").write_bytes(content)
    write_image(tmp_path / "2.png", RED)
    with cameras.open_camera("folder", path=str(tmp_path)) as camera:
        with pytest.raises(ImageError) as raised:
            camera.read(WAIT_S)

        after = camera.read(WAIT_S)

    assert str(raised.value) == f"{tmp_path / '1.png'}: {found}"
    assert raised.value.part == "1.png"
    assert (after.part, after.number) == ("2.png", 1)


def test_a_frame_that_was_read_keeps_its_picture_while_newer_ones_come() -> None:
    with MjpegServer(RED) as server, cameras.open_camera("http", url=server.url) as camera:
        first = camera.read(WAIT_S)
        server.show(BLUE)
        while camera.read(WAIT_S).image[..., 2].mean() < 200:
            pass

        assert first.image[..., 0].mean() > 200


def read_on(camera: Camera, see: Callable[[Frame], None] = lambda _: None) -> None:
    while True:
        see(camera.read(WAIT_S))


def refusal(table: dict[str, object]) -> str:
    with pytest.raises(CameraError) as raised:
        cameras.open_table(table)
    return str(raised.value)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "parts"

    assert refusal({"kind": "folder", "path": str(path)}) == (
        f"folder {path}: no such folder; expected a folder of images"
    )


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert refusal({"kind": "folder", "path": str(tmp_path)}) == (
        f"folder {tmp_path}: no files in it; expected images"
    )


def test_a_missing_video_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "line.mp4"

    assert refusal({"kind": "video", "path": str(path)}) == (
        f"video {path}: no such file; expected a video file such as MP4 or AVI"
    )


@pytest.mark.parametrize("content", [b"hello\n" * 100, b""], ids=["text", "empty"])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "line.mp4"
    path.write_bytes(content)

    assert refusal({"kind": "video", "path": str(path)}) == (
        f"video {path}: cannot be opened; expected a video file such as MP4 or AVI"
    )


def test_a_video_without_a_frame_is_refused_instead_of_being_over_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "line.avi", 0)

    assert refusal({"kind": "video", "path": str(path)}) == (
        f"video {path}: cannot be opened; expected a video file such as MP4 or AVI"
    )


@pytest.mark.parametrize("device", ["97", "/dev/video97"], ids=["index", "path"])
def test_a_missing_usb_camera_is_answered_with_those_that_are_here(device: str) -> None:
    message = refusal({"kind": "usb", "device": device})

    assert message.startswith(f"usb camera {device}: no such device; ")
    assert message.endswith("there is no camera here; is it plugged in?") or "here are: " in message


def test_a_wrong_rtsp_path_is_refused(rtsp_url: str) -> None:
    assert refusal({"kind": "rtsp", "url": f"{rtsp_url}/other"}) == (
        f"rtsp camera {rtsp_url}/other: 404 Not Found; is the path of the address right?"
    )


def test_a_stream_that_stops_is_lost_after_its_timeout() -> None:
    with MjpegServer(RED) as server, closing(http.open(url=server.url, silence_ms=300)) as camera:
        camera.read(WAIT_S)
        server.freeze()

        with pytest.raises(CameraError) as raised:
            read_on(camera)

    assert f"http camera {server.url}: lost after 0." in str(raised.value)
    assert str(raised.value).endswith(" frames delivered before; is the source still running?")


def test_an_rtsp_server_that_is_killed_is_a_lost_camera() -> None:
    if not can_serve_rtsp():
        pytest.skip(RTSP_MISSING)
    with rtsp_server() as server:
        camera = rtsp.open(url=server.url)
        camera.read(WAIT_S)

    with closing(camera), pytest.raises(CameraError, match=r"^rtsp camera rtsp://.*: lost: "):
        read_on(camera)


def test_what_a_frozen_rtsp_camera_leaves_in_the_decoder_is_not_given_as_a_new_frame() -> None:
    if not can_serve_rtsp():
        pytest.skip(RTSP_MISSING)
    late = []
    with rtsp_server() as server, closing(rtsp.open(url=server.url, silence_ms=1500)) as camera:
        camera.read(WAIT_S)
        server.freeze()
        frozen_at = time.monotonic()

        with pytest.raises(CameraError, match=r"lost after 1\.\d s of silence"):
            read_on(camera, lambda frame: late.append(frame.captured_at - frozen_at))

    assert max(late, default=0.0) < 1


def test_a_frozen_rtsp_camera_that_is_then_switched_off_gives_no_old_frame() -> None:
    if not can_serve_rtsp():
        pytest.skip(RTSP_MISSING)
    late = []
    with rtsp_server() as server, closing(rtsp.open(url=server.url, silence_ms=8000)) as camera:
        for _ in range(10):
            camera.read(WAIT_S)
        server.freeze()
        frozen_at = time.monotonic()
        off = threading.Timer(1.0, server.process.kill)
        off.start()

        with pytest.raises(CameraError, match=": lost: "):
            read_on(camera, lambda frame: late.append(frame.captured_at - frozen_at))
        off.join()

    assert max(late, default=0.0) < 0.5


def test_an_rtsp_camera_leaves_no_frame_of_a_later_video_unread(
    rtsp_url: str, tmp_path: Path
) -> None:
    file = write_video(tmp_path / "line.avi", 3)
    rtsp.open(url=rtsp_url).close()

    with cameras.open_camera("video", path=str(file)) as camera:
        numbers = [camera.read(WAIT_S).number for _ in range(3)]

    assert numbers == [0, 1, 2]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.7:554/line", "rtsp://10.0.0.7:554/line"),
        ("rtsp://joe:secret@10.0.0.7/line", "rtsp://***@10.0.0.7/line"),
        ("http://joe:se@cr/et@10.0.0.7/line", "http://***@10.0.0.7/line"),
        ("http://joe:sec ret@10.0.0.7/line", "http://***@10.0.0.7/line"),
        ("http://10.0.0.7/a.cgi?user=joe&pwd=secret&n=1", "http://10.0.0.7/a.cgi?user=joe&pwd=***&n=1"),
        ("http://10.0.0.7/a?loginPassword=secret", "http://10.0.0.7/a?loginPassword=***"),
        ("http://10.0.0.7/a?access_token=secret#x", "http://10.0.0.7/a?access_token=***#x"),
    ],
    ids=["none", "plain", "reserved characters", "a space", "query", "long name", "token"],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_a_table_of_settings_is_written_down_without_its_passwords() -> None:
    table = {"kind": "http", "url": "http://joe:secret@host/a", "password": "secret", "n": 1}

    assert hidden(table) == {"kind": "http", "url": "http://***@host/a", "password": "***", "n": 1}


def test_nor_are_those_of_inner_tables_and_lists_shown() -> None:
    table = {
        "headers": {"Authorization": "Bearer abc", "Accept": "image/jpeg"},
        "auth": {"user": "joe", "pin": 1234, "digest": True},
        "mirrors": ["http://joe:secret@host/b"],
    }

    assert hidden(table) == {
        "headers": {"Authorization": "***", "Accept": "image/jpeg"},
        "auth": {"user": "***", "pin": "***", "digest": True},
        "mirrors": ["http://***@host/b"],
    }


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("0", {"kind": "usb", "device": "0"}),
        ("/dev/video2", {"kind": "usb", "device": "/dev/video2"}),
        ("rtsp://10.0.0.7/a", {"kind": "rtsp", "url": "rtsp://10.0.0.7/a"}),
        ("RTSPS://10.0.0.7/a", {"kind": "rtsp", "url": "RTSPS://10.0.0.7/a"}),
        ("http://10.0.0.7/a", {"kind": "http", "url": "http://10.0.0.7/a"}),
        ("https://10.0.0.7/a", {"kind": "http", "url": "https://10.0.0.7/a"}),
    ],
    ids=["index", "device", "rtsp", "rtsps", "http", "https"],
)
def test_an_address_says_which_kind_of_camera_is_meant(uri: str, table: dict[str, object]) -> None:
    assert cameras.table(uri) == table


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("fake:", {}),
        ("fake:rate_hz=25,frames=3", {"rate_hz": 25, "frames": 3}),
        ("usb:device=0", {"device": "0"}),
        ("folder:path=parts,watch=true", {"path": "parts", "watch": True}),
        ("rtsp:url=rtsp://10.0.0.7/a", {"url": "rtsp://10.0.0.7/a"}),
        (
            r'gstreamer:pipeline="v4l2src device=\"a\" ! video/x-raw,width=640",timeout_ms=300',
            {"pipeline": 'v4l2src device="a" ! video/x-raw,width=640', "timeout_ms": 300},
        ),
    ],
    ids=["no keys", "numbers", "text of digits", "yes or no", "an address", "commas"],
)
def test_any_kind_is_opened_by_its_name_and_keys(uri: str, table: dict[str, object]) -> None:
    assert cameras.table(uri) == {"kind": uri.partition(":")[0], **table}


def test_what_is_wrong_with_a_key_of_an_argument_is_said_as_of_a_station_file() -> None:
    with pytest.raises(ConfigError, match=r"^camera.rate_hz: expected float, got 'fast'$"):
        cameras.open_table(cameras.table("fake:rate_hz=fast"))
    with pytest.raises(ConfigError, match=r"^camera.color: unknown key; known keys are "):
        cameras.open_table(cameras.table("fake:color=red"))
    with pytest.raises(ConfigError) as raised:
        cameras.table("usb:device=0,password")
    assert str(raised.value) == (
        "--camera usb: 'password' is no key=value; expected them with commas between, "
        "and a value with a comma in double quotes"
    )


def test_a_path_is_a_folder_or_a_video_by_what_is_there(tmp_path: Path) -> None:
    video = write_video(tmp_path / "line.avi", 1)

    assert cameras.table(str(tmp_path)) == {"kind": "folder", "path": str(tmp_path)}
    assert cameras.table(str(video)) == {"kind": "video", "path": str(video)}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no memory disk here")  # noqa: S108 - a mount
def test_a_folder_on_a_memory_disk_is_a_folder_although_it_is_in_dev() -> None:
    assert cameras.table("/dev/shm") == {"kind": "folder", "path": "/dev/shm"}  # noqa: S108 - see above


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("nothing/here", "nothing/here"),
        ("ftp://joe:secret@10.0.0.7/a", "ftp://***@10.0.0.7/a"),
    ],
    ids=["missing path", "unknown scheme"],
)
def test_an_argument_that_is_no_camera_is_answered_with_the_kinds(uri: str, shown: str) -> None:
    with pytest.raises(ConfigError) as raised:
        cameras.table(uri)

    assert str(raised.value) == (
        f"--camera {shown}: no such file or folder; expected a folder, a video file, "
        f"a V4L2 index or /dev/..., rtsp://..., http://... or KIND:key=value,..."
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "usv"}, f"edgecls.cameras: no kind 'usv'; known kinds are {KNOWN}"),
        ({}, f"camera.kind: required and not given; known kinds are {KNOWN}"),
        ({"kind": "video"}, "camera.path: required and not given"),
        (
            {"kind": "usb", "exposure": 3},
            (
                "camera.exposure: unknown key; known keys are device, format, width_px, height_px, "
                "rate_hz, exposure_ms, controls, timeout_ms"
            ),
        ),
        ({"kind": "usb", "device": 0}, "camera.device: expected str, got 0"),
    ],
    ids=["unknown kind", "no kind", "no path", "unknown setting", "wrong type"],
)
def test_a_wrong_table_is_answered_with_what_is_known(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        cameras.open_table(table)

    assert str(raised.value) == message


def test_a_camera_opened_by_its_kind_is_closed_at_the_end_of_the_block(tmp_path: Path) -> None:
    file = write_video(tmp_path / "line.avi", 2)
    with cameras.open_camera("video", path=str(file)) as camera:
        camera.read(WAIT_S)

    with pytest.raises(EndOfStream):
        camera.read(WAIT_S)


def test_a_relative_path_is_relative_to_the_folder_that_is_given(tmp_path: Path) -> None:
    folder_of(1, tmp_path / "parts")

    camera = cameras.open_table({"kind": "folder", "path": "parts"}, tmp_path)

    assert camera.read(WAIT_S).part == "0.png"
