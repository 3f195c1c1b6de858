"""Several frames of an announced part: taken one after the other, judged each, one verdict."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.errors import CameraTimeout, DeviceError, FrameMissed, ImageError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.announcing.announcements import Announcements, Signal
from edgecls_runtime.cameras.fake import FakeCamera
from edgecls_runtime.capture.ahead import Ahead, PreparedFrame
from edgecls_runtime.capture.burst import Burst
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.decision.rule import Rule
from edgecls_runtime.decision.votes import Vote, voted
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station

Image = NDArray[np.uint8]
WAIT_S = 30.0
LABELS = ("ok", "scratch")


class Bell(Announcements):
    """A trigger that tests ring."""

    def wait(self, timeout: float) -> Signal | None:
        return super().wait(min(timeout, 0.02))


class Film:
    """A live camera that shows grey levels in turn, and raises what stands among them."""

    live = True

    def __init__(self, scenes: Sequence[int | DeviceError], period: float = 0.01) -> None:
        self._scenes, self._period = iter(enumerate(scenes)), period

    def read(self, timeout: float) -> Frame:
        time.sleep(min(self._period, timeout))
        for number, scene in self._scenes:
            if isinstance(scene, DeviceError):
                raise scene
            return Frame(grey(scene), number, time.monotonic(), "film")
        raise CameraTimeout(f"film: no frame within {timeout:g} s")

    def close(self) -> None: ...


class Shutter(Film):
    """A camera that takes a picture when it is told to."""

    fires = True

    def __init__(self, scenes: Sequence[int]) -> None:
        super().__init__(scenes)
        self.fired = 0
        self._orders = threading.Semaphore(0)

    def fire(self) -> None:
        self.fired += 1
        self._orders.release()

    def read(self, timeout: float) -> Frame:
        if not self._orders.acquire(timeout=timeout):
            raise CameraTimeout("film: not fired")
        return super().read(timeout)


def grey(level: int) -> Image:
    return np.full((4, 6, 3), level, np.uint8)


def classified(frame: Frame) -> Prediction:
    """Take the grey level for the score of ``ok``, in percent."""
    score = float(frame.image[0, 0, 0]) / 100
    return Prediction(np.array([score, 1 - score], np.float32), LABELS)


@contextmanager
def triggered(camera: Camera, frames: int, timeout: float = 1.0) -> Iterator[tuple[Bell, Camera]]:
    bell = Bell()
    capture = CaptureSettings(window_ms=20_000)
    with closing(TriggeredCamera(camera, bell, capture, timeout, frames=frames)) as parts:
        yield bell, parts


def judged(parts: Camera, vote: Vote, fault: Callable[[Frame], str] = lambda _: "") -> Verdict:
    settle = partial(voted, vote=vote)
    rule = Rule(("ok",))
    return Station(
        parts, classified, rule, settle=settle, timeout=WAIT_S, max_age=WAIT_S, fault=fault
    ).inspect("1")


def test_a_part_has_so_many_frames_in_their_order_and_the_next_part_has_its_own() -> None:
    with triggered(Film(range(1000)), frames=3) as (bell, parts):
        bell.put("bolt 1")
        bell.put("bolt 2")
        bursts = [parts.read(WAIT_S) for _ in range(2)]

    shown = []
    for part, burst in zip(("bolt 1", "bolt 2"), bursts, strict=True):
        assert isinstance(burst, Burst)
        shots = [shot for shot in burst.shots if isinstance(shot, Frame)]
        assert {shot.part for shot in shots} == {burst.part} == {part}
        assert {shot.announced_at for shot in shots} == {burst.announced_at}
        assert burst.number == shots[-1].number
        shown += [shot.number for shot in shots]
    assert len(shown) == 6
    assert all(before < after for before, after in itertools.pairwise(shown))


def test_a_camera_that_fires_does_so_for_each_frame() -> None:
    camera = Shutter(range(9))
    with triggered(camera, frames=3) as (bell, parts):
        bell.put()
        burst = parts.read(WAIT_S)

    assert isinstance(burst, Burst)
    assert camera.fired == len(burst.shots) == 3


def test_a_frame_that_does_not_come_is_missing_and_the_others_are_there() -> None:
    torn = ImageError("film: torn")
    with triggered(Film([1, torn, 3, 4, 5, 6]), frames=3) as (bell, parts):
        bell.put("bolt 1")
        burst = parts.read(WAIT_S)

    assert isinstance(burst, Burst)
    kinds = [type(shot) for shot in burst.shots]
    assert sorted(kinds, key=str) == sorted([Frame, Frame, ImageError], key=str)


def test_a_part_of_which_no_frame_comes_is_missed_once() -> None:
    with triggered(FakeCamera([], live=True), frames=3, timeout=0.1) as (bell, parts):
        bell.put("bolt 1")

        with pytest.raises(FrameMissed, match="fake camera: no frame within") as raised:
            parts.read(WAIT_S)

        assert raised.value.part == "bolt 1"
        assert isinstance(parts, TriggeredCamera)
        assert (parts.counts.taken, parts.counts.missed) == (0, 1)


def test_the_frames_of_a_part_make_one_verdict_that_names_the_one_that_decided() -> None:
    with triggered(Film([99, 99, 2, 99, 99, 99]), frames=6) as (bell, parts):
        bell.put("bolt 1")
        verdict = judged(parts, Vote(6, 3))

    assert (verdict.part, verdict.outcome) == ("bolt 1", Outcome.FAIL)
    assert verdict.reason.endswith(": scratch scored 0.980; 5 of 6 frames pass, 1 fail")
    assert verdict.frame is not None
    assert verdict.frame.image[0, 0, 0] == 2
    assert verdict.announced_at is not None
    assert verdict.decided_at >= verdict.announced_at


def test_a_frame_that_is_not_fit_or_too_late_counts_as_one_that_is_missing() -> None:
    with triggered(Film([99, 98, 97]), frames=4, timeout=0.5) as (bell, parts):
        bell.put("bolt 1")
        verdict = judged(parts, Vote(4, 2), fault=unfit)

    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == (
        "frame 3: ok scored 0.970; 2 of 4 frames pass, 1 review, 1 missed"
    )  # fmt: skip


def unfit(frame: Frame) -> str:
    return "film: frame is too bright" if frame.image[0, 0, 0] == 98 else ""


def test_a_part_that_was_missed_keeps_its_cause_and_the_camera_s_reason() -> None:
    with triggered(FakeCamera([], live=True), frames=3, timeout=0.1) as (bell, parts):
        bell.put("bolt 1")
        verdict = judged(parts, Vote(3))

    assert verdict.counts_as == "missed"
    assert verdict.reason.startswith("fake camera: no frame within")


def test_frames_of_a_part_are_prepared_ahead_like_any() -> None:
    with triggered(Film(range(100)), frames=3) as (bell, parts):
        ahead = Ahead(parts, first_row, timeout=1.0)
        with closing(ahead):
            bell.put("bolt 1")
            burst = ahead.read(WAIT_S)

    assert isinstance(burst, Burst)
    assert burst.part == "bolt 1"
    for shot in burst.shots:
        assert isinstance(shot, PreparedFrame)
        assert np.array_equal(shot.prepared, shot.image[:1])


def first_row(image: Image, out: Image | None = None) -> Image:
    return rows(1, image, out)


def first_two_rows(image: Image, out: Image | None = None) -> Image:
    return rows(2, image, out)


def rows(count: int, image: Image, out: Image | None) -> Image:
    out = np.empty_like(image[:count]) if out is None else out
    np.copyto(out, image[:count])
    return out


def test_frames_say_what_prepared_them_also_when_that_is_changed_under_way() -> None:
    ahead = Ahead(FakeCamera([grey(level) for level in range(60)]), first_row, workers=2)
    seen: list[tuple[int, int]] = []
    with closing(ahead):
        for number in range(60):
            if number == 20:
                ahead.prepare_by(first_two_rows)
            frame = ahead.read(WAIT_S)
            assert isinstance(frame, PreparedFrame)
            count = 1 if frame.by is first_row else 2
            assert np.array_equal(frame.prepared, frame.image[:count])
            seen.append((frame.number, count))

    assert [number for number, _ in seen] == list(range(60))
    counts = [count for _, count in seen]
    assert counts == sorted(counts)
    assert set(counts) == {1, 2}
