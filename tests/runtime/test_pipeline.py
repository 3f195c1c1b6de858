"""Frames prepared ahead, specified: the same verdicts in the same order, only sooner."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from edgecls.errors import CameraError, CameraTimeout, EndOfStream, ImageError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome
from edgecls_runtime.cameras.fake import Event, FakeCamera
from edgecls_runtime.capture.ahead import Ahead, Image, PreparedFrame
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.decision import Rule
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station
from parts import Made, part_image
from servers import card

LABELS = ("ok", "scratch")
GREY = card(128, 128, 128, (4, 6))
WAIT_S = 10.0


def shade(number: int) -> Image:
    return card(number, number, number, (4, 6))


def halves(image: Image, out: Image | None) -> Image:
    """Prepare by halving every value, slower for dark images, so that threads overtake."""
    time.sleep(0.0002 * (255 - int(image[0, 0, 0])) / 10)
    out = np.empty((4, 6, 3), np.uint8) if out is None else out
    np.floor_divide(image, 2, out=out)
    return out


def refuses(image: Image, out: Image | None) -> Image:
    raise ValueError(f"image: no use for {image.shape} or {out}")


def shown(frame: Frame) -> tuple[int, int]:
    """Return what is on the image, and on what was prepared of it."""
    assert isinstance(frame, PreparedFrame)
    return int(frame.image[0, 0, 0]), int(frame.prepared[0, 0, 0])


class Newest:
    """A live camera that always has a newer frame, numbered on its image."""

    live = True

    def __init__(self, *events: Event) -> None:
        self.closed = False
        self._events = deque(events)
        self._count = 0

    def take(self, timeout: float) -> Undecoded:
        if not self._events:
            time.sleep(min(timeout, 0.02))
            raise CameraTimeout(f"newest: no frame within {timeout:g} s")
        event = self._events.popleft()
        self._count += 1

        def decode() -> Image:
            if isinstance(event, Exception):
                raise event
            return event

        return Undecoded(decode, self._count - 1, time.monotonic(), "newest")

    def read(self, timeout: float) -> Frame:
        return self.take(timeout).decoded()

    def close(self) -> None:
        self.closed = True


@contextmanager
def ahead(camera: Camera, workers: int = 2, patience: float = WAIT_S) -> Iterator[Ahead]:
    opened = Ahead(camera, halves, workers=workers, timeout=0.05, patience=patience)
    with closing(opened):
        yield opened


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_frame_of_a_file_comes_once_and_in_its_order(workers: int) -> None:
    with ahead(FakeCamera(map(shade, range(0, 250, 5))), workers) as camera:
        frames = []
        for _ in range(50):
            frame = camera.read(WAIT_S)
            frames.append((*shown(frame), frame.number))

        assert camera.dropped == 0
    assert frames == [(5 * n, 5 * n // 2, n) for n in range(50)]


def test_no_more_frames_are_read_than_may_be_on_their_way() -> None:
    read = iter(range(100))
    with ahead(FakeCamera(shade(next(read)) for _ in range(50)), workers=2) as camera:
        camera.read(WAIT_S)
        time.sleep(0.1)

    assert next(read) <= 3


def test_nothing_is_read_before_a_frame_is_asked_for() -> None:
    read = iter(range(100))
    with ahead(FakeCamera(shade(next(read)) for _ in range(50))):
        time.sleep(0.05)

    assert next(read) == 0


def test_a_stream_ends_after_the_frames_that_were_on_their_way() -> None:
    end = EndOfStream("folder parts: every file was read")
    with ahead(FakeCamera([shade(0), shade(10), shade(20), end]), workers=4) as camera:
        assert [shown(camera.read(WAIT_S))[0] for _ in range(3)] == [0, 10, 20]
        with pytest.raises(EndOfStream, match=r"^folder parts: every file was read$"):
            camera.read(WAIT_S)


def test_a_broken_file_is_reported_in_its_place() -> None:
    broken = ImageError("b.png: empty file", "b.png")
    with ahead(FakeCamera([shade(0), broken, shade(20)])) as camera:
        assert shown(camera.read(WAIT_S))[0] == 0
        with pytest.raises(ImageError) as raised:
            camera.read(WAIT_S)
        assert shown(camera.read(WAIT_S))[0] == 20

    assert (str(raised.value), raised.value.part) == ("b.png: empty file", "b.png")


def test_a_lost_camera_is_reported_and_the_next_read_goes_on() -> None:
    with ahead(FakeCamera([CameraError("usb camera 0: unplugged"), shade(10)])) as camera:
        with pytest.raises(CameraError, match=r"^usb camera 0: unplugged$"):
            camera.read(WAIT_S)

        assert shown(camera.read(WAIT_S))[0] == 10


def test_a_silent_camera_times_out_with_its_own_words() -> None:
    with (
        ahead(FakeCamera([])) as camera,
        pytest.raises(CameraTimeout, match=r"^fake camera: no frame within 0.05 s$"),
    ):
        camera.read(0.05)


def test_what_cannot_be_prepared_comes_as_it_is_for_the_classifier_to_say() -> None:
    with closing(Ahead(FakeCamera([GREY]), refuses)) as camera:
        frame = camera.read(WAIT_S)

    assert not isinstance(frame, PreparedFrame)
    assert frame.image is GREY


def test_of_a_live_camera_a_frame_that_is_overtaken_is_dropped_and_counted() -> None:
    with ahead(Newest(*map(shade, range(200, 250, 10)))) as camera:
        camera.read(WAIT_S)
        time.sleep(0.2)
        second = camera.read(WAIT_S).number

        assert camera.dropped == second - 1 >= 1


def test_a_live_frame_that_waited_for_too_long_gives_way_to_a_fresh_one() -> None:
    with ahead(Newest(*map(shade, range(200, 250, 10))), 1, patience=0.1) as camera:
        camera.read(WAIT_S)
        time.sleep(0.3)
        asked = time.monotonic()

        frame = camera.read(WAIT_S)

        assert frame.captured_at >= asked
        assert camera.dropped == frame.number - 1 >= 1


def test_a_damaged_frame_of_a_live_camera_is_passed_over() -> None:
    with ahead(Newest(ImageError("newest: half a frame"), shade(250)), 1) as camera:
        assert shown(camera.read(WAIT_S))[0] == 250


def test_nothing_but_damaged_frames_are_said_to_be_damaged() -> None:
    with (
        ahead(Newest(*[ImageError("newest: half a frame")] * 100_000), 1) as camera,
        pytest.raises(ImageError, match=r"^newest: half a frame$"),
    ):
        camera.read(0.05)


def test_closing_ends_every_thread_and_closes_the_camera_and_twice_is_allowed() -> None:
    for inner in (FakeCamera([GREY] * 50), Newest(*[GREY] * 50)):
        camera = Ahead(inner, halves, timeout=0.05)
        camera.read(WAIT_S)

        camera.close()
        camera.close()

        assert inner.closed
        assert not [t for t in threading.enumerate() if t.name.startswith("prepare ")]


def test_a_station_gives_the_verdicts_of_the_simple_loop(made: Made) -> None:
    random = np.random.default_rng(3)
    images = [part_image(made_label, random) for made_label in ("good", "scratch") * 10]
    script: list[Event] = [*images[:7], ImageError("fake camera: half a frame"), *images[7:]]
    script.append(EndOfStream("fake camera: over"))
    classify = Classifier(made.path, "cpu")

    def run(camera: Camera) -> list[tuple[str, Outcome, str]]:
        station = Station(camera, classify, Rule(("good",)), max_age=60.0)
        return [(v.part, v.outcome, v.reason) for v in station.run(lambda: False)]

    with closing(Ahead(FakeCamera(script), classify.prepare)) as camera:
        found = run(camera)

    assert found == run(FakeCamera(script))
    assert len(found) == 21


def test_a_slow_engine_is_no_reason_for_an_older_verdict_than_two_of_its_turns() -> None:
    def classify(_: Frame) -> Prediction:
        time.sleep(0.05)
        return Prediction(np.array([0.97, 0.03], np.float32), LABELS)

    with ahead(Newest(*[shade(250)] * 500)) as camera:
        station = Station(camera, classify, Rule(("ok",)))
        verdicts = list(station.run(lambda: False, 20))

    ages = [verdict.latency for verdict in verdicts if verdict.latency is not None]
    assert len(ages) == 20
    assert np.median(ages) < 0.15


def test_two_stations_share_one_classifier(made: Made) -> None:
    random = np.random.default_rng(4)
    images = [part_image(label, random) for label in ("good", "scratch") * 15]
    classify = Classifier(made.path, "cpu")
    alone = [classify(image).scores for image in images]
    found: dict[int, list[Prediction | None]] = {}

    def station(number: int) -> None:
        order = images if number else images[::-1]
        end = EndOfStream("fake camera: over")
        with closing(Ahead(FakeCamera([*order, end]), classify.prepare)) as camera:
            run = Station(camera, classify, Rule(("good",)), max_age=60.0).run(lambda: False)
            found[number] = [verdict.prediction for verdict in run]

    threads = [threading.Thread(target=station, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number, order in ((1, alone), (0, alone[::-1])):
        scores = [prediction.scores for prediction in found[number] if prediction]
        assert len(scores) == 30
        assert all(np.array_equal(a, b) for a, b in zip(scores, order, strict=True))
