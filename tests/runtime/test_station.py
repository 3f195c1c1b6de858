"""A station, specified. Every test is one sentence about what a line operator relies on."""

import time

import numpy as np
import pytest

from edgecls.errors import CameraError, EndOfStream, ImageError, OutputError, ProviderError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.cameras.fake import FakeCamera
from edgecls_runtime.decision import Rule
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station
from servers import Image, card

LABELS = ("ok", "scratch", "dent")
GREY = card(128, 128, 128, (4, 6))
GOOD = (0.97, 0.02, 0.01)


def scored(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS)


class Log:
    """A journal and an output that write down, in one list, what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Verdict]] = []

    def record(self, verdict: Verdict) -> Verdict:
        self.told.append(("journal", verdict))
        return verdict

    def send(self, verdict: Verdict) -> None:
        self.told.append(("output", verdict))

    def close(self) -> None: ...

    @property
    def order(self) -> list[str]:
        return [f"{who} {verdict.part}" for who, verdict in self.told]


class FullDisk:
    """A journal or an output that can take no more."""

    def send(self, verdict: Verdict) -> None:
        raise OutputError(f"journal: disk full; part {verdict.part} is not kept")

    def close(self) -> None: ...


class Parts:
    """A camera that names its parts; a text stands for a file that is no image."""

    live = False

    def __init__(self, *parts: tuple[str, Image | str]) -> None:
        self._parts = enumerate(parts)

    def read(self, timeout: float) -> Frame:
        for number, (part, image) in self._parts:
            if isinstance(image, str):
                raise ImageError(f"{part}: {image}", part)
            return Frame(image, number, time.monotonic(), "parts", part)
        raise CameraError(f"parts: no frame within {timeout:g} s")

    def close(self) -> None: ...


class OldFrames:
    """A camera whose pictures show the past."""

    live = True

    def __init__(self, age: float) -> None:
        self._age = age

    def read(self, timeout: float) -> Frame:  # noqa: ARG002 - it is there at once
        return Frame(GREY, 0, time.monotonic() - self._age, "usb camera 0")

    def close(self) -> None: ...


def station(camera: Camera, *scores: float, log: Log | None = None) -> Station[Prediction]:
    log = log or Log()
    return Station(
        camera,
        lambda _: scored(*(scores or GOOD)),
        Rule(("ok",)),
        record=log.record,
        outputs=[log],
        timeout=0.05,
    )


def running() -> bool:
    return False


@pytest.mark.parametrize(
    ("scores", "outcome", "reason"),
    [
        (GOOD, Outcome.PASS, "ok scored 0.970"),
        ((0.02, 0.97, 0.01), Outcome.FAIL, "scratch scored 0.970"),
        ((0.60, 0.30, 0.10), Outcome.REVIEW, "ok scored 0.600 < 0.9"),
    ],
    ids=["clearly good", "clearly scratched", "too close to call"],
)
def test_a_part_is_judged_by_its_best_label(
    scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    verdict = station(FakeCamera([GREY]), *scores).inspect("1")

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_a_verdict_says_what_was_seen_and_when() -> None:
    before = time.monotonic()

    verdict = station(FakeCamera([GREY])).inspect("7")

    assert (verdict.part, verdict.frame_number) == ("7", 0)
    assert verdict.prediction is not None
    assert verdict.captured_at is not None
    assert before <= verdict.captured_at <= verdict.decided_at <= time.monotonic()


def test_a_silent_camera_never_passes_a_part() -> None:
    log = Log()

    verdicts = list(station(FakeCamera([]), log=log).run(running, 3))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.REVIEW] * 3
    assert {verdict.reason for verdict in verdicts} == {"fake camera: no frame within 0.05 s"}
    assert [verdict.latency for verdict in verdicts] == [None] * 3
    assert log.order[::2] == ["journal 1", "journal 2", "journal 3"]


def test_a_lost_camera_is_a_part_to_review_and_the_next_part_goes_on() -> None:
    camera = FakeCamera([CameraError("usb camera 0: unplugged"), GREY])

    verdicts = list(station(camera).run(running, 2))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.REVIEW, Outcome.PASS]
    assert verdicts[0].reason == "usb camera 0: unplugged"


def test_a_file_that_is_no_image_is_a_part_to_review_under_its_own_name() -> None:
    camera = Parts(("a.png", GREY), ("b.png", "empty file"), ("c.png", GREY))

    verdicts = list(station(camera).run(running, 3))

    assert [(verdict.part, verdict.outcome, verdict.reason) for verdict in verdicts] == [
        ("a.png", Outcome.PASS, "ok scored 0.970"),
        ("b.png", Outcome.REVIEW, "b.png: empty file"),
        ("c.png", Outcome.PASS, "ok scored 0.970"),
    ]


def test_a_broken_frame_without_a_name_is_reviewed_under_the_number_of_the_part() -> None:
    verdict = station(FakeCamera([ImageError("usb camera 0: half a frame")])).inspect("4")

    assert (verdict.part, verdict.outcome) == ("4", Outcome.REVIEW)
    assert verdict.reason == "usb camera 0: half a frame"


def test_a_stale_frame_is_reviewed_with_its_age_and_is_not_classified() -> None:
    seen = []

    def classify(frame: Frame) -> Prediction:
        seen.append(frame)
        return scored(*GOOD)

    verdict = Station(OldFrames(age=2.5), classify, Rule(("ok",)), max_age=1.0).inspect("1")

    assert (verdict.outcome, verdict.reason) == (
        Outcome.REVIEW,
        "usb camera 0: frame is 2.5 s old > 1 s",
    )
    assert seen == []


@pytest.mark.parametrize(
    "fault",
    [
        ProviderError("cpu: the engine failed"),
        ValueError("image: expected three channels"),
        MemoryError("12 GB for one image"),
    ],
    ids=["engine", "image", "memory"],
)
def test_a_part_that_cannot_be_classified_is_reviewed_and_the_next_is_judged(
    fault: Exception,
) -> None:
    faults = iter([fault])

    def classify(_: Frame) -> Prediction:
        for error in faults:
            raise error
        return scored(*GOOD)

    verdicts = list(Station(FakeCamera([GREY] * 2), classify, Rule(("ok",))).run(running, 2))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.REVIEW, Outcome.PASS]
    assert verdicts[0].reason == str(fault)
    assert verdicts[0].frame_number == 0


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.1], ids=["nan", "above 1", "below 0"])
def test_scores_that_are_no_scores_never_pass_a_part(score: float) -> None:
    verdict = station(FakeCamera([GREY]), score, 0.0, 0.0).inspect("1")

    assert (verdict.outcome, verdict.reason) == (
        Outcome.REVIEW,
        "the model answered with no valid scores",
    )


def test_the_journal_has_a_verdict_before_any_output_is_told() -> None:
    log = Log()

    verdicts = list(station(FakeCamera([GREY] * 2), log=log).run(running, 2))

    assert log.order == ["journal 1", "output 1", "journal 2", "output 2"]
    assert [told for _, told in log.told[::2]] == verdicts


def test_an_output_without_which_a_run_is_over_ends_it() -> None:
    log = Log()
    inspected = Station(
        FakeCamera([GREY] * 2),
        lambda _: scored(*GOOD),
        Rule(("ok",)),
        record=log.record,
        outputs=[FullDisk()],
    )

    with pytest.raises(OutputError, match=r"^journal: disk full; part 1 is not kept$"):
        list(inspected.run(running))

    assert log.order == ["journal 1"]


def test_an_output_that_fails_stops_the_run_with_the_verdict_kept() -> None:
    log = Log()
    inspected = Station(
        FakeCamera([GREY] * 2),
        lambda _: scored(*GOOD),
        Rule(("ok",)),
        record=log.record,
        outputs=[FullDisk()],
    )

    with pytest.raises(OutputError):
        list(inspected.run(running))

    assert log.order == ["journal 1"]


def test_stop_is_obeyed_between_two_parts() -> None:
    answers = iter([False, False, True])

    verdicts = list(station(FakeCamera([GREY] * 5)).run(lambda: next(answers)))

    assert [verdict.part for verdict in verdicts] == ["1", "2"]


def test_a_run_that_is_stopped_before_it_begins_looks_at_nothing() -> None:
    camera = FakeCamera([GREY])

    assert list(station(camera).run(lambda: True)) == []
    assert camera.read(0.01).number == 0


def test_the_end_of_a_stream_ends_the_run_without_a_verdict_of_its_own() -> None:
    camera = FakeCamera([GREY, EndOfStream("folder parts: every file was read"), GREY])
    log = Log()

    verdicts = list(station(camera, log=log).run(running))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS]
    assert log.order == ["journal 1", "output 1"]


def test_a_run_ends_after_as_many_parts_as_were_asked_for() -> None:
    verdicts = list(station(FakeCamera([GREY] * 5)).run(running, 3))

    assert [verdict.part for verdict in verdicts] == ["1", "2", "3"]
