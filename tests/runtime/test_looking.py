"""Looking at places, specified: the answers of each picture alone, in one call of the engine."""

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError, EndOfStream, ProviderError
from edgecls.frame import Frame
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime import Classifier
from edgecls_runtime.cameras.fake import Event, FakeCamera
from edgecls_runtime.capture.ahead import Ahead, PreparedFrame
from edgecls_runtime.decision import Rule
from edgecls_runtime.failover import Failover
from edgecls_runtime.placement import Placement
from edgecls_runtime.protocols import Camera, Provider, Session
from edgecls_runtime.providers import cpu
from edgecls_runtime.signature import Signature
from edgecls_runtime.station import Station
from edgecls_runtime.views.cut import cut
from edgecls_runtime.views.looking import MOST_SIZES, Looking
from edgecls_runtime.views.settings import View
from parts import INT8, Made, tray

Image = NDArray[np.uint8]

TRAY = tray([["good", "good", "scratch"], ["good", "good", "good"]])
FRAME_PX = (300, 200)
VIEWS = (
    View("lid", roi=(10, 20, 90, 71)),
    View("side", roi=(150, 60, 80, 100), rotate_deg=-12.0),
    View("plate", corners=((20.0, 110.0), (130.0, 105.0), (140.0, 190.0), (10.0, 180.0))),
    View("tile", tile_px=100, overlap=0.2),
)
FILL = (102, 102, 102)  # the mean of the bundle, 0.4


class Counting:
    """A session that counts its calls, and the images in each."""

    def __init__(self, session: Session) -> None:
        self.batches: list[int] = []
        self._session = session

    @property
    def signature(self) -> Signature:
        return self._session.signature

    @property
    def placement(self) -> Placement:
        return self._session.placement

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(batch))
        return self._session.run(batch)

    def close(self) -> None:
        self._session.close()


class CountingProvider:
    """The processor, whose sessions count."""

    def __init__(self) -> None:
        self.sessions: list[Counting] = []
        self._provider: Provider = cpu.open()
        self.name, self.exact = self._provider.name, self._provider.exact

    def load(self, model: Path) -> Session:
        self.sessions.append(Counting(self._provider.load(model)))
        return self.sessions[-1]


@pytest.fixture
def classify(made: Made) -> Iterator[Failover]:
    bundle = Bundle.open(made.path)
    with closing(Failover(lambda: Classifier(bundle, "cpu"), lambda _: None)) as opened:
        yield opened


def frame(image: Image) -> Frame:
    return Frame(image, 0, 0.0, "test")


def crops(image: Image, views: tuple[View, ...] = VIEWS) -> list[Image]:
    """Return copies of the places, one by one."""
    found = []
    for view in views:
        one = cut(view, (image.shape[1], image.shape[0]), FILL)
        found += [np.array(picture) for picture in one.pictures(image, one.buffer())]
    return found


@pytest.mark.parametrize("variant", ["fp32", INT8])
def test_a_place_gets_the_answer_of_its_picture_alone(made: Made, variant: str) -> None:
    bundle = Bundle.open(made.path)
    with closing(Failover(lambda: Classifier(bundle, "cpu", variant), lambda _: None)) as classify:
        seen = Looking(VIEWS, FRAME_PX, classify)(frame(TRAY))

        alone = [classify.classifier(crop).scores for crop in crops(TRAY)]
    assert len(alone) == 3 + 4 * 3
    assert [one.place.name for one in seen][:5] == ["lid", "side", "plate", "tile 1,1", "tile 2,1"]
    for one, scores in zip(seen, alone, strict=True):
        assert np.array_equal(one.prediction.scores, scores), one.place.name


def test_what_the_engine_is_given_is_each_picture_prepared_to_the_byte(classify: Failover) -> None:
    rows = Looking(VIEWS, FRAME_PX, classify).prepare(TRAY)

    assert rows.shape == (15, 64, 64, 3)
    for row, crop in zip(rows, crops(TRAY), strict=True):
        assert np.array_equal(row, classify.classifier.prepare(crop))


def test_the_places_of_a_frame_are_one_call_of_the_engine(made: Made) -> None:
    provider = CountingProvider()
    with closing(Failover(lambda: Classifier(made.path, provider), lambda _: None)) as classify:
        looking = Looking(VIEWS, FRAME_PX, classify)
        for _ in range(3):
            looking(frame(TRAY))

    (session,) = provider.sessions
    assert session.batches == [15, 15, 15]


def test_a_provider_that_takes_one_image_at_a_time_gives_the_same_answers(
    made: Made, classify: Failover
) -> None:
    one = replace(cpu.open(), batch=1)
    with closing(Failover(lambda: Classifier(made.path, one), lambda _: None)) as single:
        found = Looking(VIEWS, FRAME_PX, single)(frame(TRAY))

    expected = Looking(VIEWS, FRAME_PX, classify)(frame(TRAY))
    for place, other in zip(found, expected, strict=True):
        assert np.allclose(place.prediction.scores, other.prediction.scores, atol=1e-6)


def test_many_regions_of_different_shapes_keep_their_buffers(classify: Failover) -> None:
    views = tuple(View(str(n), roi=(n, n, 100 + n, 100 - n)) for n in range(30))
    looking = Looking(views, FRAME_PX, classify)
    for _ in range(2):
        looking(frame(TRAY))
    kept = list(looking._prepare._idle)

    looking(frame(TRAY))

    assert {id(plan) for plan in kept} == {id(plan) for plan in looking._prepare._idle}
    assert len(kept) == len(views)


def station(camera: Camera, looking: Looking) -> list[Verdict]:
    judged = Station(camera, looking, Rule(("good",), min_score=0.6).judge_places, max_age=60.0)
    return list(judged.run(lambda: False))


def test_frames_prepared_ahead_get_the_verdicts_of_the_simple_loop(classify: Failover) -> None:
    trays = [tray([["good"] * 3, ["good", label, "good"]], i)
             for i, label in enumerate(["good", "scratch"] * 4)]  # fmt: skip
    script: list[Event] = [*trays, EndOfStream("fake camera: over")]
    looking = Looking((View("tile", tile_px=100),), None, classify)

    simple = station(FakeCamera(script), looking)
    with closing(Ahead(FakeCamera(script), looking.prepare)) as camera:
        ahead = station(camera, looking)

    assert [verdict.outcome for verdict in simple] == [Outcome.PASS, Outcome.FAIL] * 4
    assert [one.looks for one in ahead] == [one.looks for one in simple]
    assert [one.reason for one in ahead] == [one.reason for one in simple]


def test_a_frame_that_was_prepared_is_not_prepared_again(classify: Failover) -> None:
    looking = Looking(VIEWS, FRAME_PX, classify)
    prepared = looking.prepare(np.ascontiguousarray(TRAY[::-1]))

    seen = looking(PreparedFrame(TRAY, 0, 0.0, "test", prepared=prepared))

    expected = looking(frame(np.ascontiguousarray(TRAY[::-1])))
    assert [one.prediction.score for one in seen] == [one.prediction.score for one in expected]


def test_a_frame_of_another_size_is_never_cropped_somewhere(classify: Failover) -> None:
    looking = Looking((View("lid", roi=(10, 20, 90, 71)),), FRAME_PX, classify)
    small = tray([["good"] * 2, ["good"] * 2])
    script: list[Event] = [TRAY, small, TRAY, EndOfStream("fake camera: over")]
    reason = (
        "frame of 200 x 200 px; the views were measured in 300 x 200 (frame_px); measure them "
        "again, or set the camera to that size"
    )

    simple = station(FakeCamera(script), looking)
    with closing(Ahead(FakeCamera(script), looking.prepare)) as camera:
        ahead = station(camera, looking)

    for verdicts in (simple, ahead):
        assert [one.outcome for one in verdicts][::2] == [Outcome.PASS] * 2
        assert (verdicts[1].outcome, verdicts[1].reason) == (Outcome.REVIEW, reason)
        assert (verdicts[1].looks, verdicts[1].prediction) == ((), None)


def test_tiles_fit_frames_of_any_size_that_holds_one(classify: Failover) -> None:
    looking = Looking((View("tile", tile_px=100),), None, classify)
    sizes = [(100, 100), (100, 101), (250, 130), (300, 400), (100, 200), (100, 100)]

    counts = [len(looking(frame(np.zeros((*size, 3), np.uint8)))) for size in sizes]

    assert counts == [1, 2, 6, 12, 2, 1]
    assert len(looking._plans) <= MOST_SIZES
    with pytest.raises(ConfigError, match=r"^view 'tile': 99 px are less than a tile of 100 px"):
        looking(frame(np.zeros((99, 300, 3), np.uint8)))


def test_views_that_do_not_fit_are_refused_before_there_is_a_frame(classify: Failover) -> None:
    with pytest.raises(ConfigError, match=r"^view 'lid': roi .* beyond the frame of 300 x 200 px"):
        Looking((View("lid", roi=(250, 0, 90, 71)),), FRAME_PX, classify)
    with pytest.raises(ConfigError, match=r"^view 'lid': good 'ok' is no label of the bundle; its"):
        Looking((View("lid", good=("ok",)),), None, classify)


def test_a_frame_allocates_nothing_of_its_size(classify: Failover) -> None:
    looking = Looking(VIEWS, FRAME_PX, classify)
    for _ in range(3):
        looking(frame(TRAY))

    tracemalloc.start()
    for _ in range(10):
        looking(frame(TRAY))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # One place prepared is 12 kB, the smallest picture of a view 19; scores and looks are counted.
    assert peak < 12_000


def test_a_provider_that_is_lost_is_noticed_and_the_part_is_reviewed(classify: Failover) -> None:
    looking = Looking(VIEWS, FRAME_PX, classify)
    classify.classifier.close()

    with pytest.raises(ProviderError, match="closed; open the bundle again"):
        looking(frame(TRAY))

    assert classify.lost == 1


def test_threads_that_share_it_get_their_own_answers(classify: Failover) -> None:
    looking = Looking(VIEWS, FRAME_PX, classify)
    trays = [tray([["good", "scratch", "good"]] * 2, seed) for seed in range(4)]
    alone = [[one.prediction.scores for one in looking(frame(image))] for image in trays]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(10):
            seen = looking(frame(trays[number]))
            pairs = zip(seen, alone[number], strict=True)
            wrong.extend(
                number for one, scores in pairs if not np.array_equal(one.prediction.scores, scores)
            )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(trays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
