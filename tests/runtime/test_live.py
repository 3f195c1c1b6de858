"""A live camera of which every frame counts: none is lost without a word, none is swapped."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls.errors import (
    CameraError,
    CameraTimeout,
    ConfigError,
    Fault,
    FrameMissed,
    ImageError,
    NoPart,
)
from edgecls.frame import Frame
from edgecls_runtime import cameras
from edgecls_runtime.cameras import fake
from edgecls_runtime.cameras.fake import ScriptedCamera
from edgecls_runtime.capture import live
from edgecls_runtime.capture.isolated import IsolatedCamera
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.together import Together
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.protocols import Camera

WAIT_S = 10.0
SMALL = {"height_px": 32, "width_px": 32, "live": True}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def short_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cameras that are silent at the end of their script be closed soon."""
    monkeypatch.setattr(live, "READ_S", 0.1)


@contextmanager
def played(
    *script: str, keep: Keep = Keep.EVERY, queue: int = 8, **keys: object
) -> Iterator[LiveCamera]:
    """Watch a fake camera."""
    table = {"kind": "fake", "script": [*script], **SMALL, **keys}
    settings = CaptureSettings(keep=keep, queue=queue)
    with closing(cameras.open_table(table, capture=settings)) as camera:
        assert isinstance(camera, LiveCamera)
        yield camera


def told(camera: Camera, count: int) -> list[str]:
    """Read so often; return ``frame`` or what was said instead."""
    found = []
    for _ in range(count):
        try:
            camera.read(WAIT_S)
            found.append("frame")
        except (CameraError, ImageError) as error:
            found.append(str(error))
    return found


def test_every_frame_is_kept_in_its_order() -> None:
    with played("frame*6") as camera:
        until(lambda: camera.delivered == 6)
        numbers = [camera.read(WAIT_S).number for _ in range(6)]

        assert not camera.live
        assert (camera.dropped, camera.missed) == (0, 0)
    assert numbers == list(range(6))


def test_each_frame_that_a_network_lost_is_a_part_that_was_missed() -> None:
    with played("frame*2", "skip:2", "frame") as camera:
        assert told(camera, 5) == [
            "frame",
            "frame",
            "missed: fake camera: frame 2 was lost on its way",
            "missed: fake camera: frame 3 was lost on its way",
            "frame",
        ]
        assert (camera.delivered, camera.missed) == (3, 2)


def test_frames_that_nobody_read_in_time_are_missed_and_the_first_ones_are_kept() -> None:
    with played("frame*5", queue=2) as camera:
        until(lambda: camera.delivered == 5)

        assert told(camera, 5) == [
            "frame",
            "frame",
            *["missed: fake camera: frame came while 2 others were waiting"] * 3,
        ]
        assert camera.missed == 3


def test_a_damaged_frame_is_one_part_and_no_gap() -> None:
    with played("frame", "damaged", "frame") as camera:
        assert told(camera, 3) == [
            "frame",
            "fake camera: frame 1: not a JPEG, or a damaged one; expected whole frames",
            "frame",
        ]
        assert camera.missed == 0


class Tearing(ScriptedCamera):
    """A camera whose driver already says which frame is torn."""

    def take(self, timeout: float) -> Undecoded:
        taken = super().take(timeout)
        if taken.number == 1:
            raise ImageError("fake camera: frame 1 is torn")
        return taken


def test_a_frame_that_the_driver_calls_damaged_is_missed_once() -> None:
    opened = fake.open(script=("frame*3",), live=True)
    opened.__class__ = Tearing
    with closing(LiveCamera(opened, fake.open, Keep.EVERY)) as camera:
        assert told(camera, 3) == ["frame", "missed: fake camera: frame 1 is torn", "frame"]
        assert camera.missed == 1


def test_numbers_go_on_over_a_reopening_and_what_was_lost_meanwhile_is_nobody_s_gap(
    tmp_path: Path,
) -> None:
    with played("frame*2", "skip:5", "gone", "frame*2", state=str(tmp_path / "place")) as camera:
        numbers = [camera.read(WAIT_S).number for _ in range(4)]

        assert (camera.reopened, camera.missed) == (1, 0)
    assert numbers == [0, 1, 2, 3]


def test_a_camera_in_another_s_place_that_counts_from_far_away_missed_nothing() -> None:
    with played("frame", "skip:1000000", "frame") as camera:
        assert told(camera, 2) == ["frame", "frame"]
        assert camera.missed == 0


def test_a_camera_of_which_every_frame_counts_must_not_be_silent() -> None:
    with played("frame") as camera:
        camera.read(WAIT_S)

        with pytest.raises(CameraTimeout) as raised:
            camera.read(0.05)

    assert type(raised.value) is CameraTimeout


def test_a_camera_with_a_trigger_line_of_its_own_may_be_silent() -> None:
    with played("frame", keep=Keep.TRIGGERED) as camera:
        camera.read(WAIT_S)

        with pytest.raises(NoPart, match=r"^fake camera: no frame within 0.05 s; 1 delivered"):
            camera.read(0.05)


def test_a_triggered_camera_that_is_lost_is_a_fault_until_it_is_back(tmp_path: Path) -> None:
    script = ("frame", "gone", "open:0.5", "refused", "frame")
    place = str(tmp_path / "place")
    with played(*script, keep=Keep.TRIGGERED, state=place) as camera:
        camera.read(WAIT_S)
        until(lambda: camera._fault == "fake camera: gone")

        with pytest.raises(CameraTimeout) as raised:
            camera.read(0.05)
        assert not isinstance(raised.value, NoPart)

        camera.read(WAIT_S)
        with pytest.raises(NoPart):
            camera.read(0.05)


def test_a_triggered_camera_whose_driver_hangs_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HUNG_S", 0.2)
    with played("frame", "hang:1", keep=Keep.TRIGGERED) as camera:
        camera.read(WAIT_S)
        time.sleep(0.3)

        with pytest.raises(CameraTimeout) as raised:
            camera.read(0.05)

    assert not isinstance(raised.value, NoPart)


def test_a_frame_is_never_younger_than_its_arrival_whatever_the_camera_s_clock_says() -> None:
    class Ahead(ScriptedCamera):
        def take(self, timeout: float) -> Undecoded:
            taken = super().take(timeout)
            return replace(taken, captured_at=taken.captured_at + 3600)

    opened = fake.open(script=("frame",), live=True)
    opened.__class__ = Ahead
    with closing(LiveCamera(opened, fake.open)) as camera:
        assert camera.read(WAIT_S).captured_at <= time.monotonic()


def test_frames_that_wait_in_the_queue_keep_their_age() -> None:
    with played("frame*2") as camera:
        until(lambda: camera.delivered == 2)
        time.sleep(0.2)

        ages = [time.monotonic() - camera.read(WAIT_S).captured_at for _ in range(2)]

    assert min(ages) >= 0.2


class Door:
    """A camera that is gone at once, and notes when somebody tries to open it again."""

    live = True

    def __init__(self, error: Exception) -> None:
        self.error, self.times = error, list[float]()

    def read(self, timeout: float) -> Frame:  # noqa: ARG002 - it is gone at once
        raise CameraError("door: gone", Fault.GONE)

    def open(self) -> Camera:
        self.times.append(time.monotonic())
        raise self.error

    def close(self) -> None: ...


def test_attempts_to_open_a_camera_are_neither_hasty_nor_in_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.1)
    door = Door(CameraError("door: refused", Fault.REFUSED))
    with closing(LiveCamera(door, door.open)):
        until(lambda: len(door.times) == 12)
    waits = [after - before for before, after in itertools.pairwise(door.times)]

    assert min(waits) >= 0.05
    assert statistics.median(waits) < 0.15  # a busy machine may be late now and then
    assert max(waits) - min(waits) > 0.005


def test_a_wrong_password_is_tried_rarely() -> None:
    door = Door(CameraError("door: wrong password", Fault.AUTH))
    with closing(LiveCamera(door, door.open)) as camera:
        until(lambda: door.times)
        time.sleep(1.5)

        assert len(door.times) == 1
        with pytest.raises(CameraTimeout, match=r"; door: wrong password$"):
            camera.read(0.0)


def test_a_picture_that_comes_late_is_not_the_one_that_is_ordered_next() -> None:
    with played("frame", "slow:0.4", "frame", keep=Keep.NEWEST, fires=True) as camera:
        camera.fire()
        camera.read(WAIT_S)
        camera.fire()  # this one will be late
        with pytest.raises(CameraTimeout):
            camera.read(0.1)

        with pytest.raises(CameraError, match=r"the picture before, ordered 0.\d s ago, has not"):
            camera.fire()
        until(lambda: camera.delivered == 2)
        ordered = time.monotonic()
        camera.fire()

        assert camera.read(WAIT_S).captured_at >= ordered
        assert camera.dropped == 1


def test_a_camera_that_owes_a_picture_for_long_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "OWED_S", 0.5)
    script, place = ("lost", "frame"), str(tmp_path / "place")
    with played(*script, keep=Keep.NEWEST, fires=True, state=place) as camera:
        camera.fire()
        until(lambda: camera.reopened)
        camera.fire()

        assert camera.read(WAIT_S).number == 0


def test_a_camera_that_is_being_opened_again_takes_no_order(tmp_path: Path) -> None:
    script, place = ("gone", "open:1"), str(tmp_path / "place")
    with played(*script, keep=Keep.NEWEST, fires=True, state=place) as camera:
        camera.fire()
        until(lambda: camera._fault)

        with pytest.raises(CameraError, match=r"^fake camera: gone$") as raised:
            camera.fire()

    assert raised.value.fault is Fault.GONE


def test_closing_takes_a_few_seconds_whatever_hangs_and_no_process_stays(tmp_path: Path) -> None:
    scripts = [["hang"], ["gone", "open:99"], ["close:99", "gone"]]
    processes = []
    with Together() as together:
        for number, (script, isolated) in enumerate(itertools.product(scripts, (False, True))):
            state = str(tmp_path / str(number))
            table = {"kind": "fake", **SMALL, "script": script, "state": state}
            camera = cameras.open_table(table, capture=CaptureSettings(isolated=isolated))
            assert isinstance(camera, LiveCamera)
            if isinstance(camera._camera, IsolatedCamera):
                processes.append(camera._camera._process)
            together.add(camera)
        time.sleep(0.8)  # until all hang
        began = time.monotonic()

    assert time.monotonic() - began < 4.5
    assert len(processes) == 3
    assert not any(process.is_alive for process in processes)


def test_settings_that_no_camera_can_keep_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^capture.queue: 0; expected 1 to 64 frames$"):
        CaptureSettings(queue=0)


def test_a_read_that_missed_says_so_by_its_type() -> None:
    with played("frame", "skip:1", "frame") as camera:
        camera.read(WAIT_S)

        with pytest.raises(FrameMissed) as raised:
            camera.read(WAIT_S)

    assert raised.value.part is None
