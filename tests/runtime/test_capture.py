"""What a live camera gives: the newest frame, a deadline that holds, and itself back again."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from edgecls.errors import CameraError, CameraTimeout, ConfigError, FrameMissed, ImageError
from edgecls.frame import Frame
from edgecls_runtime.cameras.fake import FakeCamera
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.protocols import Camera
from servers import Image, card

WAIT_S = 10.0


def shade(number: int) -> Image:
    return card(number, number, number, (4, 6))


def shown(frame: Frame) -> int:
    return int(frame.image[0, 0, 0])


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so; the suite's patience, not a moment of the specification."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


class Belt:
    """A live camera that delivers what is laid before it, and breaks as it is told."""

    live = True

    def __init__(self) -> None:
        self.events: deque[Image | Exception] = deque()
        self.arrived = threading.Condition()
        self.closed = 0
        self._count = 0

    def lay(self, *events: Image | Exception) -> None:
        with self.arrived:
            self.events.extend(events)
            self.arrived.notify()

    def read(self, timeout: float) -> Frame:
        with self.arrived:
            if not self.arrived.wait_for(lambda: self.events, min(timeout, 0.02)):
                raise CameraTimeout(f"belt: no frame within {timeout:g} s")
            event = self.events.popleft()
        if isinstance(event, Exception):
            raise event
        self._count += 1
        return Frame(event, self._count - 1, time.monotonic(), "belt")

    def close(self) -> None:
        self.closed += 1


class HungCamera:
    """A camera whose driver does not come back until the test ends."""

    live = True

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.released = threading.Event()

    def read(self, timeout: float) -> Frame:
        self.reading.set()
        self.released.wait()
        raise CameraTimeout(f"hung camera: no frame within {timeout:g} s")

    def close(self) -> None: ...


class StubbornBelt(Belt):
    """A camera that is so far gone that it cannot even be closed."""

    def close(self) -> None:
        super().close()
        raise OSError("no such device any more")


def never() -> Camera:
    raise AssertionError("not to be opened again")


@contextmanager
def watched(first: Camera, *then: Camera | Exception) -> Iterator[LiveCamera]:
    """Watch a camera; opening it again gives the next of ``then``, or raises it."""
    queue = deque(then)

    def reopen() -> Camera:
        found = queue.popleft() if queue else CameraError("belt: cannot be opened")
        if isinstance(found, Exception):
            raise found
        return found

    with closing(LiveCamera(first, reopen)) as newest:
        yield newest


def test_the_newest_frame_wins_and_the_others_are_counted_as_dropped() -> None:
    belt = Belt()
    with watched(belt) as newest:
        belt.lay(*(shade(n) for n in range(5)))
        until(lambda: newest.delivered == 5)

        frame = newest.read(WAIT_S)

        assert (shown(frame), frame.number) == (4, 4)
        assert (newest.dropped, newest.delivered) == (4, 5)


def test_a_camera_no_faster_than_its_reader_drops_nothing() -> None:
    belt = Belt()
    frames = []
    with watched(belt) as newest:
        for number in range(5):
            belt.lay(shade(number))
            frames.append(newest.read(WAIT_S))

        assert newest.dropped == 0

    assert [(shown(frame), frame.number) for frame in frames] == [(n, n) for n in range(5)]


def test_no_frame_is_given_twice() -> None:
    belt = Belt()
    with watched(belt) as newest:
        belt.lay(shade(1))
        newest.read(WAIT_S)

        with pytest.raises(CameraTimeout):
            newest.read(0.1)


def test_a_frame_keeps_the_time_at_which_it_was_captured() -> None:
    belt = Belt()
    with watched(belt) as newest:
        belt.lay(shade(1))
        until(lambda: newest.delivered == 1)
        arrived = time.monotonic()
        until(lambda: time.monotonic() > arrived + 0.05)

        assert newest.read(WAIT_S).captured_at <= arrived


def test_a_silent_camera_times_out_within_its_deadline_and_says_so() -> None:
    hung = HungCamera()
    with watched(hung) as newest:
        began = time.monotonic()

        with pytest.raises(CameraTimeout) as raised:
            newest.read(0.2)

        assert 0.2 <= time.monotonic() - began < 0.7
        hung.released.set()
    assert str(raised.value) == "no frame within 0.2 s; 0 delivered before"


def test_a_timeout_names_the_camera_that_delivered_before() -> None:
    hung = HungCamera()
    belt = Belt()
    belt.lay(shade(1), CameraError("belt: torn"))
    with watched(belt, hung) as newest:
        newest.read(WAIT_S)
        until(hung.reading.is_set)

        with pytest.raises(CameraTimeout) as raised:
            newest.read(0.05)
        hung.released.set()

    assert str(raised.value) == "belt: no frame within 0.05 s; 1 delivered before; belt: torn"


def test_a_camera_that_times_out_by_itself_is_not_opened_again() -> None:
    with closing(LiveCamera(FakeCamera([shade(1)], live=True), never)) as newest:
        newest.read(WAIT_S)

        with pytest.raises(CameraTimeout) as raised:
            newest.read(1.5)

        assert newest.reopened == 0
    assert str(raised.value) == (
        "fake camera: no frame within 1.5 s; 1 delivered before; fake camera: no frame within 1 s"
    )


@pytest.mark.parametrize(
    "fault",
    [CameraError("belt: torn"), RuntimeError("driver bug"), ValueError("a bad buffer")],
    ids=["a camera error", "a bug of the driver", "a bad value"],
)
def test_a_camera_that_dies_is_closed_and_opened_again_and_frames_flow(fault: Exception) -> None:
    first, second = Belt(), Belt()
    first.lay(shade(1), fault)
    second.lay(shade(2))
    with watched(first, second) as newest:
        frames = [newest.read(WAIT_S)]
        frames.append(newest.read(WAIT_S))

        assert newest.reopened == 1
        assert (first.closed, second.closed) == (1, 0)
    assert [shown(frame) for frame in frames] == [1, 2]


def test_frame_numbers_go_on_over_a_reopening() -> None:
    belts = [Belt() for _ in range(3)]
    for belt in belts:
        belt.lay(shade(0), shade(1), CameraError("belt: torn"))
    numbers = []
    with watched(*belts) as newest:
        until(lambda: newest.delivered == 2)
        numbers.append(newest.read(WAIT_S).number)
        until(lambda: newest.delivered == 4)
        numbers.append(newest.read(WAIT_S).number)
        until(lambda: newest.delivered == 6)
        numbers.append(newest.read(WAIT_S).number)

    assert numbers == [1, 3, 5]


@pytest.mark.parametrize(
    "refusal",
    [CameraError("belt: cannot be opened"), OSError("busy"), ConfigError("camera.path: gone")],
    ids=["a camera error", "an error of the system", "an error of the settings"],
)
def test_opening_is_tried_until_it_works(refusal: Exception) -> None:
    first, last = Belt(), Belt()
    first.lay(CameraError("belt: torn"))
    last.lay(shade(7))
    with watched(first, refusal, last) as newest:
        frame = newest.read(WAIT_S)

        assert newest.reopened == 1
    assert shown(frame) == 7


def test_while_a_camera_is_gone_a_timeout_says_why() -> None:
    belt = Belt()
    belt.lay(CameraError("belt: torn"))
    with watched(belt) as newest:
        with pytest.raises(CameraTimeout) as raised:
            newest.read(0.2)

        assert str(raised.value) == "no frame within 0.2 s; 0 delivered before; belt: torn"
        with pytest.raises(CameraTimeout, match=r"; belt: cannot be opened$"):
            newest.read(0.6)


def test_a_camera_that_cannot_be_closed_is_opened_again_all_the_same() -> None:
    first, second = StubbornBelt(), Belt()
    first.lay(RuntimeError("driver bug"))
    second.lay(shade(2))
    with watched(first, second) as newest:
        assert shown(newest.read(WAIT_S)) == 2

    assert first.closed >= 1


def test_a_broken_frame_is_no_reason_to_open_the_camera_again() -> None:
    belt = Belt()
    belt.lay(ImageError("belt: half a frame"), shade(3))
    with watched(belt) as newest:
        assert shown(newest.read(WAIT_S)) == 3

        assert (newest.reopened, belt.closed) == (0, 0)


def test_a_camera_that_hangs_forever_holds_up_neither_read_nor_close() -> None:
    hung = HungCamera()
    newest = LiveCamera(hung, never)
    until(hung.reading.is_set)
    began = time.monotonic()

    with pytest.raises(CameraTimeout):
        newest.read(0.1)
    newest.close()

    assert time.monotonic() - began < 3
    hung.released.set()


def test_closing_closes_the_camera_and_twice_is_allowed() -> None:
    belt = Belt()
    newest = LiveCamera(belt, never)

    newest.close()
    newest.close()

    assert belt.closed == 1


def test_closing_ends_the_wait_for_a_camera_that_is_gone() -> None:
    belt = Belt()
    belt.lay(CameraError("belt: torn"))
    with watched(belt):
        until(lambda: belt.closed)
        began = time.monotonic()

    assert time.monotonic() - began < 1


class Counting(Belt):
    """A belt whose frames keep the numbers that they have, also those of damaged ones."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self._numbers = deque(numbers)

    def read(self, timeout: float) -> Frame:
        frame = super().read(timeout)
        return replace(frame, number=self._numbers.popleft())


def test_a_frame_that_came_damaged_is_missed_once_though_the_camera_counted_it() -> None:
    belt = Counting(0, 2, 5)
    belt.lay(shade(0), ImageError("belt: frame 1: torn"), shade(2), shade(5))
    with closing(LiveCamera(belt, never, Keep.EVERY)) as every:
        seen = []
        for _ in range(6):
            try:
                seen.append(str(shown(every.read(WAIT_S))))
            except FrameMissed as error:
                seen.append(str(error))

        assert every.missed == 3
    assert seen == [
        "0",
        "missed: belt: frame 1: torn",
        "2",
        "missed: belt: frame 3 was lost on its way",
        "missed: belt: frame 4 was lost on its way",
        "5",
    ]
