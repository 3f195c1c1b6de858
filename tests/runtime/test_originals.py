"""Originals, specified: the file that a camera sent goes with its frame, through every room."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.frame import Frame
from edgecls_runtime import cameras
from edgecls_runtime.capture.ahead import Ahead, PreparedFrame
from edgecls_runtime.capture.coded import Coded
from edgecls_runtime.capture.isolated import Isolation
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.capture.undecoded import take
from edgecls_runtime.images import read_image
from edgecls_runtime.protocols import Camera
from edgecls_runtime.triggers.software import SoftwareTrigger
from servers import RED, Image, MjpegServer

WAIT_S = 10.0
NOISE: Image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def server() -> Iterator[MjpegServer]:
    with MjpegServer(NOISE) as running:
        yield running


def sent(frame: Frame) -> bytes:
    assert frame.original is not None
    return frame.original.tobytes()


def halved(image: Image, out: Image | None) -> Image:
    del out
    return image[::2, ::2].copy()


def live(server: MjpegServer) -> Camera:
    return cameras.open_table({"kind": "http", "url": server.url})


def isolated(server: MjpegServer) -> Camera:
    return Isolation({"kind": "http", "url": server.url}).open()


def of_a_part(server: MjpegServer) -> Camera:
    trigger = SoftwareTrigger()
    trigger.announce("17")
    return TriggeredCamera(live(server), trigger, CaptureSettings(window_ms=10_000), WAIT_S)


@pytest.mark.parametrize("room", [live, isolated, of_a_part])
def test_the_jpeg_of_a_camera_goes_through_every_room_as_it_was_sent(
    server: MjpegServer, room: Callable[[MjpegServer], Camera]
) -> None:
    with closing(Ahead(room(server), halved)) as camera:
        frame = camera.read(WAIT_S)

    assert isinstance(frame, PreparedFrame)
    assert sent(frame) == server.jpeg


def test_no_byte_of_a_jpeg_is_copied_on_its_way(server: MjpegServer) -> None:
    with closing(isolated(server)) as camera:
        taken = take(camera, WAIT_S)

    assert isinstance(taken.decode, Coded)
    assert np.shares_memory(taken.decoded().original, taken.decode.data)


def test_of_a_folder_it_is_the_file_even_when_that_is_gone_by_then(tmp_path: Path) -> None:
    file = tmp_path / "part.jpg"
    cv2.imwrite(str(file), NOISE)
    written = file.read_bytes()
    with cameras.open_camera("folder", path=str(tmp_path)) as camera:
        frame = camera.read(WAIT_S)
        file.unlink()

        assert sent(frame) == written


def test_of_a_video_of_jpegs_it_is_the_frame_s_own(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "line.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120)
    )
    for image in (RED, NOISE):
        writer.write(image)
    writer.release()
    with cameras.open_camera("video", path=str(tmp_path / "line.avi")) as camera:
        frames = [camera.read(WAIT_S) for _ in range(2)]

    for number, frame in enumerate(frames):
        kept = tmp_path / f"{number}.jpg"
        kept.write_bytes(sent(frame))
        assert np.array_equal(read_image(kept), frame.image)


def test_of_pixels_there_is_none() -> None:
    with cameras.open_camera("fake", frames=1) as camera:
        assert camera.read(WAIT_S).original is None
