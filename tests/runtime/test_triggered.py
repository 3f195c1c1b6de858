"""Announced parts: each has its own frame, taken when it was in view, or an error that names it."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.errors import (
    CameraError,
    CameraTimeout,
    EndOfStream,
    FrameMissed,
    ImageError,
    NoPart,
    TriggerError,
)
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome
from edgecls_runtime.announcing.announcements import MOST_WAITING, Announcements, Heard, Signal
from edgecls_runtime.cameras import fake
from edgecls_runtime.cameras.fake import FakeCamera
from edgecls_runtime.capture import triggered as triggering
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.decision import Rule
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station
from edgecls_runtime.triggers import interval
from servers import card

GREY = card(128, 128, 128, (4, 6))
WAIT_S = 10.0


class Bell(Announcements):
    """A trigger that tests ring."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    def wait(self, timeout: float) -> Signal | None:
        if self.lost:
            raise TriggerError("bell: cracked")
        return super().wait(min(timeout, 0.02))

    def close(self) -> None: ...


class Clockwork:
    """A live camera with a frame each ``period`` seconds, each taken ``age`` before it comes."""

    live = True

    def __init__(self, period: float = 0.01, age: float = 0.0) -> None:
        self._period, self._age, self._count = period, age, 0

    def read(self, timeout: float) -> Frame:
        time.sleep(min(self._period, timeout))
        self._count += 1
        return Frame(GREY, self._count - 1, time.monotonic() - self._age, "clockwork")

    def close(self) -> None: ...


class Curtain(Clockwork):
    """A camera that shows nothing before its curtain is opened."""

    def __init__(self) -> None:
        super().__init__(period=0.001)
        self.opened = threading.Event()

    def read(self, timeout: float) -> Frame:
        self.opened.wait(WAIT_S)
        return super().read(timeout)


class Shutter(Clockwork):
    """A camera that takes a picture when it is told to."""

    fires = True

    def __init__(self) -> None:
        super().__init__()
        self.fired: list[float] = []

    def read(self, timeout: float) -> Frame:
        assert self.fired, "read before it was fired"
        return super().read(timeout)

    def fire(self) -> None:
        self.fired.append(time.monotonic())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@contextmanager
def triggered(
    camera: Camera, timeout: float = 1.0, **capture: float
) -> Iterator[tuple[Bell, TriggeredCamera]]:
    bell = Bell()
    settings = CaptureSettings(**capture)  # type: ignore[arg-type]
    with closing(TriggeredCamera(camera, bell, settings, timeout)) as parts:
        yield bell, parts


def test_a_part_has_a_frame_that_was_taken_after_it_was_announced() -> None:
    with triggered(Clockwork()) as (bell, parts):
        time.sleep(0.05)
        announced = time.monotonic()
        bell.put()

        frame = parts.read(WAIT_S)

    assert 0 <= frame.captured_at - announced < 0.5
    assert frame.part == "1"


def test_a_part_keeps_the_id_that_its_trigger_knows() -> None:
    with triggered(Clockwork()) as (bell, parts):
        for part in ("bolt 7", None, "bolt 9"):
            bell.put(part)

        assert [parts.read(WAIT_S).part for _ in range(3)] == ["bolt 7", "2", "bolt 9"]


def test_a_delayed_part_has_a_frame_of_the_moment_when_it_is_in_view() -> None:
    with triggered(Clockwork(), delay_ms=200) as (bell, parts):
        announced = time.monotonic()
        bell.put()

        frame = parts.read(WAIT_S)

    assert 0.2 <= frame.captured_at - announced < 0.5


def test_a_frame_of_the_past_is_passed_over() -> None:
    with triggered(Clockwork(age=0.1)) as (bell, parts):
        announced = time.monotonic()
        bell.put()

        assert parts.read(WAIT_S).captured_at >= announced


def test_a_frame_that_is_too_late_shows_another_part_and_is_missed() -> None:
    with triggered(Clockwork(period=0.2), window_ms=50) as (bell, parts):
        bell.put("bolt 7")

        with pytest.raises(FrameMissed) as raised:
            parts.read(WAIT_S)

        assert raised.value.part == "bolt 7"
        assert (parts.counts.announced, parts.counts.taken, parts.counts.missed) == (1, 0, 1)
    assert str(raised.value).startswith("missed: clockwork: frame came ")
    assert str(raised.value).endswith(" ms after the part was in view > 50 ms")


def test_a_camera_that_fires_takes_its_picture_at_the_trigger() -> None:
    camera = Shutter()
    with triggered(camera) as (bell, parts):
        bell.put()
        frame = parts.read(WAIT_S)

        assert camera.fired[0] <= frame.captured_at
        assert len(camera.fired) == 1


def test_a_part_without_a_frame_in_time_is_missed_with_the_camera_s_reason() -> None:
    with triggered(FakeCamera([], live=True), timeout=0.1) as (bell, parts):
        bell.put("bolt 7")

        with pytest.raises(FrameMissed) as raised:
            parts.read(WAIT_S)

    assert str(raised.value).startswith("fake camera: no frame within 0.")
    assert raised.value.part == "bolt 7"


def test_parts_that_nobody_judges_in_time_are_missed_each_by_name_and_the_counts_balance() -> None:
    with triggered(Clockwork(period=0.001), queue=2) as (bell, parts):
        for number in range(6):
            bell.put(f"bolt {number}")
        deadline = time.monotonic() + WAIT_S
        while parts.counts.taken + parts.counts.missed < 6:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        seen = []
        for _ in range(6):
            try:
                seen.append((parts.read(WAIT_S).part, "taken"))
            except FrameMissed as error:
                seen.append((error.part, str(error)))

        assert (parts.counts.announced, parts.counts.taken, parts.counts.missed) == (6, 2, 4)
    assert [part for part, _ in seen] == [f"bolt {number}" for number in range(6)]
    assert seen[2][1] == "missed: 2 parts were still waiting to be judged"


def test_no_part_is_no_fault() -> None:
    with triggered(Clockwork()) as (_, parts), pytest.raises(NoPart) as raised:
        parts.read(0.05)

    assert str(raised.value) == "trigger: no part announced within 0.05 s"


def test_a_file_gives_each_announced_part_its_next_image_and_ends() -> None:
    with triggered(FakeCamera([GREY, EndOfStream("at its end")])) as (bell, parts):
        bell.put()
        bell.put()

        assert parts.read(WAIT_S).part == "1"
        with pytest.raises(EndOfStream):
            parts.read(WAIT_S)


def test_a_trigger_that_is_lost_is_said_once_and_works_again_when_it_is_back() -> None:
    said: list[str] = []
    bell = Bell()
    bell.lost = True
    settings = CaptureSettings()
    with closing(TriggeredCamera(Clockwork(), bell, settings, say=said.append)) as parts:
        with pytest.raises(TriggerError) as raised:
            parts.read(WAIT_S)
        bell.lost = False
        bell.put("bolt 7")

        assert parts.read(WAIT_S).part == "bolt 7"
    assert str(raised.value) == "trigger lost: bell: cracked"
    assert said == ["trigger lost: bell: cracked", "trigger back"]


def test_a_camera_that_is_gone_costs_the_part_not_the_thread() -> None:
    with triggered(FakeCamera([CameraError("unplugged"), GREY])) as (bell, parts):
        bell.put()
        bell.put()

        with pytest.raises(FrameMissed, match=r"^unplugged$"):
            parts.read(WAIT_S)
        assert parts.read(WAIT_S).part == "2"


def test_an_interval_announces_parts_at_times_that_do_not_drift() -> None:
    with closing(interval.open(every_ms=20)) as timer:
        signals = [signal for _ in range(50) if (signal := timer.wait(0.05))]

    steps = [after.at - before.at for before, after in pairwise(signals)]
    assert len(signals) >= 10
    assert all(step == pytest.approx(0.02) for step in steps)


def test_more_parts_than_can_wait_are_counted() -> None:
    waiting = Announcements(most=2)

    taken = [waiting.put() is not None for _ in range(5)]

    assert taken == [True, True, False, False, False]
    assert waiting.heard == Heard(announced=5, overrun=3)


def test_what_a_trigger_could_not_keep_is_missed_said_once_and_the_counts_balance() -> None:
    said: list[str] = []
    bell, settings = Bell(), CaptureSettings()
    bell._most = 3
    camera = Curtain()
    with closing(TriggeredCamera(camera, bell, settings, say=said.append)) as parts:
        for number in range(20):
            bell.put(f"bolt {number}")
        camera.opened.set()
        until(lambda: parts.counts.waiting == 0)
        found = []
        for _ in range(parts.counts.taken + 1):
            try:
                found.append(parts.read(WAIT_S).part)
            except TriggerError as error:
                found.append(str(error))
        counts = parts.counts

    assert counts.announced == 20
    assert counts.taken + counts.missed == 20
    assert counts.missed == counts.overrun >= 16
    assert found.count(said[0]) == 1
    assert said == [
        (
            "trigger: parts are announced faster than they can be looked at; "
            "of more than 1000 that wait, the others are only counted; does it chatter?"
        )
    ]


def test_a_trigger_that_chatters_for_long_fills_no_memory_and_the_counts_balance() -> None:
    with triggered(Clockwork(period=0.0001), queue=1) as (bell, parts):
        for number in range(5000):
            bell.put(str(number))
            if number % 500 == 0:
                time.sleep(0.02)
        until(lambda: parts.counts.waiting == 0)

        counts = parts.counts
        assert counts.announced == counts.taken + counts.missed == 5000
        assert counts.overrun <= counts.missed
        assert len(parts._waiting) <= MOST_WAITING + 2


def test_a_trigger_that_is_at_its_end_ends_the_stream_after_its_last_part() -> None:
    with triggered(Clockwork()) as (bell, parts):
        bell.put("bolt 7")
        bell.end("the day is over")

        assert parts.read(WAIT_S).part == "bolt 7"
        with pytest.raises(EndOfStream, match=r"^the day is over$"):
            parts.read(WAIT_S)


def test_a_late_picture_of_one_part_is_never_the_next_part_s() -> None:
    script = ("frame", "slow:0.5", "frame*9")
    opened = fake.open(script=script, live=True, fires=True, height_px=8, width_px=8)
    outcomes = {}
    with triggered(LiveCamera(opened, fake.open), timeout=0.2) as (bell, parts):
        for number in range(8):
            announced = time.monotonic()
            bell.put(f"bolt {number}")
            try:
                frame = parts.read(WAIT_S)
                assert frame.captured_at >= announced
                outcomes[frame.part] = "taken"
            except FrameMissed as error:
                outcomes[error.part] = str(error)
            time.sleep(0.15)

    missed = {part: reason for part, reason in outcomes.items() if reason != "taken"}
    assert [*outcomes] == [f"bolt {number}" for number in range(8)]
    assert {"bolt 0", "bolt 6", "bolt 7"}.isdisjoint(missed)
    assert missed["bolt 1"].startswith("fake camera: no frame within 0.2 s")
    assert all(
        re.fullmatch(r"fake camera: the picture before, ordered 0.\d s ago, has not come yet", why)
        for part, why in missed.items()
        if part != "bolt 1"
    )


def test_parts_that_come_while_the_camera_is_gone_are_each_missed_in_their_own_time() -> None:
    with triggered(FakeCamera([], live=True), timeout=0.3) as (bell, parts):
        for number in range(20):
            bell.put(f"bolt {number}")
        began = time.monotonic()
        for number in range(20):
            with pytest.raises(FrameMissed) as raised:
                parts.read(WAIT_S)
            assert raised.value.part == f"bolt {number}"

    assert time.monotonic() - began < 2  # not 20 time-outs


def test_a_camera_that_was_busy_too_long_is_not_told_to_take_another_part_s_picture() -> None:
    camera = Shutter()
    bell = Bell()
    bell.put("bolt 7", time.monotonic() - 1)
    with (
        closing(TriggeredCamera(camera, bell, CaptureSettings())) as parts,
        pytest.raises(FrameMissed) as raised,
    ):
        parts.read(WAIT_S)

    assert camera.fired == []
    assert re.fullmatch(
        r"missed: the camera was free only 1\d{3} ms after the part was in view > 500 ms",
        str(raised.value),
    )


def test_a_driver_that_hangs_over_a_part_is_a_fault_and_not_the_peace_of_an_empty_belt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(triggering, "HUNG_S", 0.2)
    opened = fake.open(script=("hang:1.5",), height_px=8, width_px=8)
    with triggered(opened, timeout=0.1) as (bell, parts):
        bell.put("bolt 7")
        time.sleep(0.5)

        with pytest.raises(CameraTimeout) as raised:
            parts.read(0.05)

        assert not isinstance(raised.value, NoPart)
        with pytest.raises(FrameMissed) as missed:
            parts.read(WAIT_S)
    assert re.fullmatch(
        r"trigger: part bolt 7 was announced \d s ago; the camera's driver does not come back",
        str(raised.value),
    )
    assert missed.value.part == "bolt 7"


def test_a_frame_that_waited_too_long_for_its_verdict_is_not_judged() -> None:
    def classify(_: Frame) -> Prediction:
        raise AssertionError("not to be judged")

    with triggered(Clockwork()) as (bell, parts):
        bell.put("bolt 7")
        time.sleep(0.5)
        verdict = Station(parts, classify, Rule(("ok",)), max_age=0.2).inspect("1")

    assert (verdict.part, verdict.outcome) == ("bolt 7", Outcome.REVIEW)
    assert re.fullmatch(r"clockwork: frame is 0.\d s old > 0.2 s", verdict.reason)


class Torn(Clockwork):
    """A camera whose frames turn out to be damaged when they are decoded."""

    def take(self, timeout: float) -> Undecoded:
        frame = self.read(timeout)
        return Undecoded(self._decode, frame.number, frame.captured_at, frame.camera)

    def _decode(self) -> NDArray[np.uint8]:
        raise ImageError("torn: not a JPEG")


def test_a_damaged_frame_is_of_the_part_that_was_announced() -> None:
    with triggered(Torn()) as (bell, parts):
        signal = bell.put("bolt 7")
        with pytest.raises(ImageError) as raised:
            parts.read(WAIT_S)

    assert signal is not None
    assert (raised.value.part, raised.value.announced_at) == ("bolt 7", signal.at)
