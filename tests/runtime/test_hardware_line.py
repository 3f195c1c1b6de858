"""Parts by the camera's own trigger line: a frame is a part, a gap in its numbers a missed one."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing

import pytest

from edgecls.errors import CameraError, CameraTimeout, FrameMissed, ImageError, NoPart
from edgecls.frame import Frame
from edgecls_runtime.announcing.announcements import Counts
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.protocols import Camera
from servers import card

GREY = card(128, 128, 128, (4, 6))
WAIT_S = 10.0
Event = int | Exception


class Line:
    """A camera whose frames come with the numbers, and the faults, that it is told."""

    live = True

    def __init__(self, *events: Event) -> None:
        self.events = deque(events)

    def read(self, timeout: float) -> Frame:
        if not self.events:
            time.sleep(min(timeout, 0.02))
            raise CameraTimeout("line: no frame")
        event = self.events.popleft()
        if isinstance(event, Exception):
            raise event
        return Frame(GREY, event, time.monotonic(), "line")

    def close(self) -> None: ...


def gone() -> Camera:
    raise CameraError("line: unplugged")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def told(camera: LiveCamera, parts: int) -> list[str]:
    """Return what becomes of the next parts."""
    found = []
    for _ in range(parts):
        try:
            found.append(f"frame {camera.read(WAIT_S).number}")
        except FrameMissed as error:
            found.append(str(error))
    return found


def test_a_gap_in_the_camera_s_numbers_is_a_missed_part_each_and_the_counts_balance() -> None:
    with closing(LiveCamera(Line(10, 11, 14, 15), gone, Keep.TRIGGERED)) as camera:
        found = told(camera, 6)
        counts = camera.counts

    assert found == [
        "frame 0",
        "frame 1",
        "missed: line: frame 12 was lost on its way",
        "missed: line: frame 13 was lost on its way",
        "frame 2",
        "frame 3",
    ]
    assert counts == Counts(announced=6, taken=4, missed=2)


@pytest.mark.parametrize("after", [2, 1], ids=["counted", "not counted"])
def test_a_damaged_frame_is_one_missed_part_whether_the_camera_counts_it_or_not(
    after: int,
) -> None:
    line = Line(0, ImageError("line: torn"), after)
    with closing(LiveCamera(line, gone, Keep.TRIGGERED)) as camera:
        found = told(camera, 3)
        counts = camera.counts

    assert found == ["frame 0", "missed: line: torn", "frame 1"]
    assert counts == Counts(announced=3, taken=2, missed=1)


def test_parts_that_nobody_judges_in_time_are_missed_and_the_counts_balance() -> None:
    with closing(LiveCamera(Line(*range(10)), gone, Keep.TRIGGERED, queue=3)) as camera:
        until(lambda: camera.counts.announced == 10)
        found = told(camera, 10)
        counts = camera.counts

    assert [text.partition(" ")[0] for text in found] == ["frame"] * 3 + ["missed:"] * 7
    assert found[-1] == "missed: line: frame came while 3 others were waiting"
    assert counts == Counts(announced=10, taken=3, missed=7, overrun=7)
    assert counts.waiting == 0


def test_silence_is_no_part_while_a_lost_camera_is_a_fault_at_each_timeout() -> None:
    line = Line(0)
    with closing(LiveCamera(line, gone, Keep.TRIGGERED)) as camera:
        camera.read(WAIT_S)
        for _ in range(2):
            with pytest.raises(NoPart):
                camera.read(0.05)
        line.events.append(CameraError("line: unplugged"))
        until(lambda: not line.events)
        time.sleep(0.05)
        for _ in range(2):
            with pytest.raises(CameraTimeout) as raised:
                camera.read(0.05)
            assert not isinstance(raised.value, NoPart)

    assert str(raised.value) == (
        "line: no frame within 0.05 s; 1 delivered before; line: unplugged"
    )


def test_a_camera_that_is_back_and_counts_anew_has_missed_nothing() -> None:
    with closing(
        LiveCamera(Line(500, CameraError("gone")), lambda: Line(0, 1), Keep.TRIGGERED)
    ) as camera:
        assert told(camera, 3) == ["frame 0", "frame 1", "frame 2"]
        assert camera.counts == Counts(announced=3, taken=3)
        with pytest.raises(NoPart):
            camera.read(0.05)
