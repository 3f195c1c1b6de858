"""A camera in a process of its own: the same frames, and an end to calls that hang."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import CameraError, ConfigError, EndOfStream, Fault, ImageError
from edgecls_runtime import cameras
from edgecls_runtime.capture.isolated import IsolatedCamera, Isolation
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from servers import BLUE, RED, MjpegServer, card

WAIT_S = 20.0


@contextmanager
def isolated(base: Path = Path(), **table: object) -> Iterator[IsolatedCamera]:
    with closing(Isolation(table, base).open()) as camera:
        yield camera


def process_of(camera: IsolatedCamera) -> int:
    return camera._process._child.pid


def parts(folder: Path) -> Path:
    for number, image in enumerate((RED, BLUE)):
        cv2.imwrite(str(folder / f"{number}.png"), image[..., ::-1])
    (folder / "2.png").write_bytes(b"no image")
    return folder


def test_frames_come_as_they_do_without_a_process(tmp_path: Path) -> None:
    with isolated(kind="folder", path=str(parts(tmp_path))) as camera:
        frames = [camera.read(WAIT_S) for _ in range(2)]

        with pytest.raises(ImageError) as damaged:
            camera.read(WAIT_S)
        with pytest.raises(EndOfStream, match=r"every file was read$"):
            camera.read(WAIT_S)

    assert [frame.part for frame in frames] == ["0.png", "1.png"]
    assert [frame.number for frame in frames] == [0, 1]
    assert all(
        np.array_equal(frame.image, image) for frame, image in zip(frames, (RED, BLUE), strict=True)
    )
    assert damaged.value.part == "2.png"


def test_a_frame_keeps_its_picture_while_newer_ones_come(tmp_path: Path) -> None:
    with isolated(kind="folder", path=str(parts(tmp_path))) as camera:
        first = camera.read(WAIT_S)
        camera.read(WAIT_S)

    assert np.array_equal(first.image, RED)


def test_a_jpeg_crosses_as_it_was_sent_and_is_decoded_by_who_needs_it() -> None:
    with MjpegServer(card(250, 10, 10)) as server, isolated(kind="http", url=server.url) as camera:
        taken = camera.take(WAIT_S)

        assert abs(taken.decoded().image.mean((0, 1)) - (250, 10, 10)).max() < 4
        assert time.monotonic() - taken.captured_at < 1


def test_relative_paths_are_relative_to_the_station_file(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    parts(tmp_path / "photos")

    with isolated(tmp_path, kind="folder", path="photos") as camera:
        assert camera.read(WAIT_S).part == "0.png"


@pytest.mark.parametrize(
    ("table", "kind", "text"),
    [
        ({"kind": "usb", "device": "97"}, CameraError, r"^usb camera 97: no such device; "),
        ({"kind": "usb", "colour": 1}, ConfigError, r"^camera.colour: unknown key; known keys"),
    ],
    ids=["no device", "no such key"],
)
def test_what_cannot_be_opened_is_refused_in_the_camera_s_own_words(
    table: dict[str, object], kind: type[Exception], text: str
) -> None:
    isolation = Isolation(table)

    with pytest.raises(kind, match=text):
        isolation.open()


def test_a_driver_that_hangs_is_ended_and_the_camera_opens_again() -> None:
    isolation = Isolation({"kind": "fake", "frames": 100})
    camera = isolation.open()
    first = process_of(camera)
    camera.read(WAIT_S)
    os.kill(first, signal.SIGSTOP)  # a call that does not come back
    began = time.monotonic()

    with pytest.raises(CameraError) as raised:
        camera.read(0.2)

    assert time.monotonic() - began < 3
    assert raised.value.fault is Fault.TIMEOUT
    assert str(raised.value) == (
        "fake camera: its driver did not come back within 1.2 s; its process was ended"
    )
    with closing(isolation.open()) as again:
        assert again.read(WAIT_S).number == 0
        assert process_of(again) != first


def test_a_driver_that_crashes_takes_its_own_process_with_it_only() -> None:
    with isolated(kind="fake", frames=100) as camera:
        camera.read(WAIT_S)
        os.kill(process_of(camera), signal.SIGSEGV)

        with pytest.raises(CameraError, match=r"ended by itself \(code -11\)$") as raised:
            camera.read(WAIT_S)

    assert raised.value.fault is Fault.GONE


def test_a_live_camera_whose_driver_hangs_comes_back_by_itself() -> None:
    table = {"kind": "fake", "frames": 10_000, "rate_hz": 50.0}
    with closing(cameras.open_table(table, capture=CaptureSettings(isolated=True))) as camera:
        assert isinstance(camera, LiveCamera)
        camera.read(WAIT_S)
        assert isinstance(camera._camera, IsolatedCamera)

        os.kill(process_of(camera._camera), signal.SIGSTOP)
        deadline = time.monotonic() + WAIT_S
        while not camera.reopened:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        camera.read(WAIT_S)


def test_the_frames_of_many_sizes_cross_one_after_the_other(tmp_path: Path) -> None:
    sizes = [(8, 8), (480, 640), (10, 3), (720, 1280)]
    for number, size in enumerate(sizes):
        cv2.imwrite(str(tmp_path / f"{number}.png"), card(1, 2, 3, size))

    with isolated(kind="folder", path=str(tmp_path)) as camera:
        shapes = [camera.read(WAIT_S).image.shape[:2] for _ in sizes]

    assert shapes == sizes
