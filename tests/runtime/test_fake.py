"""The fake camera, specified: it does what its script says, word by word."""

import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import (
    CameraError,
    CameraTimeout,
    ConfigError,
    EndOfStream,
    Fault,
    ImageError,
)
from edgecls_runtime import cameras
from edgecls_runtime.cameras import fake
from edgecls_runtime.capture.isolated import Isolation
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.protocols import Camera
from servers import BLUE, RED

KNOWN = (
    "frame, black, same, damaged, lost, old, slow, silent, hang, skip, resize, gone, bug, close, "
    "open, refused, auth, busy, end"
)
LIKE = "expected it as in '{0}', and a count as in '{0}*10'"
NO_STATE = (
    "state: not given, and 'refused' is about a camera that is opened again; "
    "expected a file that keeps its place in the script"
)
WAIT_S = 10.0


def camera(*script: str, **keys: object) -> fake.ScriptedCamera:
    opened = cameras.open_table({"kind": "fake", "script": [*script], "height_px": 24,
                                 "width_px": 32, **keys})  # fmt: skip
    assert isinstance(opened, fake.ScriptedCamera)
    return opened


def test_frames_show_another_picture_each_and_the_same_ones_for_the_same_seed() -> None:
    first, second, other = (camera("frame*3", seed=seed) for seed in (1, 1, 2))

    pictures = [first.read(WAIT_S).image for _ in range(3)]
    again = [second.read(WAIT_S).image for _ in range(3)]

    assert pictures[0].shape == (24, 32, 3)
    assert not np.array_equal(pictures[0], pictures[1])
    assert all(np.array_equal(one, two) for one, two in zip(pictures, again, strict=True))
    assert not np.array_equal(pictures[0], other.read(WAIT_S).image)


def test_a_card_has_the_colour_that_was_asked_for_and_the_noise_of_a_sensor() -> None:
    image = camera("frame", colour=[200, 100, 50], height_px=240, width_px=320).read(WAIT_S).image

    assert np.abs(np.median(image, (0, 1)) - (200, 100, 50)).max() <= 1
    assert 2 < image[100:200, 100:200, 0].std() < 4


def test_same_is_the_picture_before_under_a_number_of_its_own() -> None:
    opened = camera("frame", "same*2", "frame")

    frames = [opened.read(WAIT_S) for _ in range(4)]

    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert np.array_equal(frames[0].image, frames[2].image)
    assert not np.array_equal(frames[2].image, frames[3].image)


def test_black_old_skip_and_resize_do_what_they_say() -> None:
    opened = camera("black", "old:2", "skip:3", "resize:10x20", "frame")

    black, old, last = (opened.read(WAIT_S) for _ in range(3))

    assert not black.image.any()
    assert 2 <= time.monotonic() - old.captured_at < 3
    assert (last.number, last.image.shape) == (5, (10, 20, 3))


def test_a_damaged_frame_arrives_and_cannot_be_decoded() -> None:
    opened = camera("damaged", "frame")

    with pytest.raises(ImageError) as raised:
        opened.read(WAIT_S)

    assert str(raised.value) == (
        "fake camera: frame 0: not a JPEG, or a damaged one; expected whole frames"
    )
    assert opened.read(WAIT_S).number == 1


def test_silence_ends_and_a_slow_frame_comes_late() -> None:
    opened = camera("silent:0.2", "frame", "slow:0.2")
    began = time.monotonic()
    with pytest.raises(CameraTimeout, match=r"^fake camera: no frame within 0.05 s$"):
        opened.read(0.05)
    opened.read(WAIT_S)

    opened.read(WAIT_S)

    assert 0.4 <= time.monotonic() - began < 1.5


def test_a_hang_takes_no_notice_of_the_time_it_was_given() -> None:
    opened = camera("hang:0.3", "frame")
    began = time.monotonic()

    with pytest.raises(CameraTimeout):
        opened.read(0.01)

    assert time.monotonic() - began >= 0.3
    assert opened.read(WAIT_S).number == 0


def test_a_camera_that_is_gone_stays_gone_and_a_bug_is_no_error_of_ours() -> None:
    opened = camera("bug", "gone", "frame")

    with pytest.raises(RuntimeError, match=r"^driver bug$"):
        opened.read(WAIT_S)
    for _ in range(2):
        with pytest.raises(CameraError, match=r"^fake camera: gone$") as raised:
            opened.read(WAIT_S)
        assert raised.value.fault is Fault.GONE


def test_a_script_ends_in_silence_or_with_an_end_or_never() -> None:
    with pytest.raises(EndOfStream, match=r"^fake camera: its script is at its end$"):
        camera("end").read(WAIT_S)
    silent, endless = camera("frame"), camera("frame", "skip:1", repeat=True)
    silent.read(WAIT_S)
    with pytest.raises(CameraTimeout):
        silent.read(0.01)

    assert [endless.read(WAIT_S).number for _ in range(3)] == [0, 2, 4]


@pytest.mark.parametrize("isolated", [False, True], ids=["in one process", "in several"])
def test_a_place_in_a_file_is_kept_over_openings(tmp_path: Path, isolated: bool) -> None:
    table = {
        "kind": "fake", "height_px": 8, "width_px": 8, "state": "place",
        "script": ["frame", "gone", "refused*2", "auth", "busy", "open:0.2", "frame"],
    }  # fmt: skip

    def refused() -> Fault | None:
        with pytest.raises(CameraError) as raised:
            opened()
        return raised.value.fault

    def opened() -> Camera:
        if isolated:
            return Isolation(table, tmp_path).open()
        return cameras.open_table(table, tmp_path)

    first = opened()
    first.read(WAIT_S)
    with pytest.raises(CameraError, match=r"^fake camera: gone$"):
        first.read(WAIT_S)
    first.close()
    faults = [refused() for _ in range(4)]
    began = time.monotonic()
    with closing(opened()) as last:
        took = time.monotonic() - began
        last.read(WAIT_S)

    assert faults == [Fault.REFUSED, Fault.REFUSED, Fault.AUTH, Fault.BUSY]
    assert took >= 0.2


def test_an_opening_fault_without_a_gone_before_it_makes_the_camera_go(tmp_path: Path) -> None:
    opened = camera("frame", "refused", "frame", state=str(tmp_path / "place"))
    opened.read(WAIT_S)

    with pytest.raises(CameraError, match=r"^fake camera: gone$"):
        opened.read(WAIT_S)


def test_a_rate_is_kept_and_a_reader_that_was_held_up_misses_nothing() -> None:
    table = {"kind": "fake", "frames": 5, "rate_hz": 20.0, "height_px": 8, "width_px": 8}
    opened = fake.open(frames=5, rate_hz=20.0, height_px=8, width_px=8)
    assert opened.live
    opened.read(WAIT_S)
    began = time.monotonic()
    times = [opened.read(WAIT_S).captured_at - began for _ in range(2)]
    time.sleep(0.3)

    assert opened.read(WAIT_S).number == 3
    assert times == pytest.approx([0.05, 0.1], abs=0.04)
    with closing(cameras.open_table({**table, "live": False})) as file:
        assert not file.live


def test_a_camera_that_fires_delivers_a_frame_for_each_order_and_for_nothing_else() -> None:
    opened = fake.open(script=("frame", "lost", "frame"), fires=True, height_px=8, width_px=8)
    assert opened.fires
    with pytest.raises(CameraTimeout):
        opened.read(0.05)
    threading.Timer(0.05, opened.fire).start()
    assert opened.read(WAIT_S).number == 0
    opened.fire()
    with pytest.raises(CameraTimeout):
        opened.read(0.05)
    opened.fire()

    assert opened.read(WAIT_S).number == 2


def test_photos_are_shown_in_turn(tmp_path: Path) -> None:
    for number, image in enumerate((RED, BLUE)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image[..., ::-1])
    (tmp_path / "2.png").write_bytes(b"no image")
    opened = camera("frame*5", "resize:6x8", "frame", images=str(tmp_path))

    shown = [opened.read(WAIT_S).image[0, 0].tolist() for _ in range(2)]
    with pytest.raises(ImageError, match=r"2.png: not an image, or a damaged one"):
        opened.read(WAIT_S)
    shown += [opened.read(WAIT_S).image[0, 0].tolist() for _ in range(2)]
    last = opened.read(WAIT_S).image

    assert shown == [[255, 0, 0], [0, 0, 255]] * 2
    assert last.shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"script": ["blakc"]}, f"script[0]: 'blakc': unknown word; known words are {KNOWN}"),
        ({"script": ["frame", "silent"]}, f"script[1]: 'silent'; {LIKE.format('silent:0.5')}"),
        ({"script": ["frame*0"]}, f"script[0]: 'frame*0'; {LIKE.format('frame')}"),
        ({"script": ["resize:0x4"]}, f"script[0]: 'resize:0x4'; {LIKE.format('resize:480x640')}"),
        ({"script": ["gone", "refused"]}, NO_STATE),
        ({"colour": [1, 2, 256]}, "colour: [1, 2, 256]; expected three values of 0 to 255"),
        ({"images": "nowhere"}, "images: nowhere: no such folder; expected a folder of images"),
    ],
    ids=["a word", "no value", "no times", "no height", "no state", "a colour", "no photos"],
)
def test_a_wrong_script_is_an_error_of_the_table(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        cameras.open_table({"kind": "fake", **keys}, capture=CaptureSettings())

    assert str(raised.value) == f"camera.{text}"


def test_a_file_that_is_no_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.write_text("do not touch", encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        camera("frame", state=str(notes))

    assert str(raised.value) == f"camera.state: {notes}: not a place in a script; delete it"
    assert notes.read_text(encoding="utf-8") == "do not touch"
