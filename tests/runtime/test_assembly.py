"""Several cameras look at one part: one verdict for each part that was announced, come what may."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice, permutations

import numpy as np
import pytest

from edgecls.errors import CameraTimeout, TriggerError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.announcing.announcements import Announcements, Signal
from edgecls_runtime.announcing.forked import Fork
from edgecls_runtime.assembly import Assembled, Assembly
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.decision.cameras import Cameras, Parts
from edgecls_runtime.decision.rule import Rule
from edgecls_runtime.station import Station

PARTS = Parts(Cameras.TOGETHER)
LABELS = ("ok", "scratch")
CAMERAS = ("left", "right")
WAIT_S = 30.0


def of(camera: str, part: str, announced_at: float = 1.0, ok: float = 0.99) -> Verdict:
    judged = Rule(("ok",))(Prediction(np.array([ok, 1 - ok], np.float32), LABELS))
    return Verdict(
        judged.outcome,
        judged.reason,
        judged.prediction,
        part=f"{camera} {part}",
        captured_at=announced_at,
        decided_at=announced_at + 0.1,
        camera=camera,
        announced_at=announced_at,
    )


def incident(camera: str) -> Verdict:
    reason = "trigger lost: bell"
    return Verdict(Outcome.REVIEW, reason, part=f"{camera} 4", camera=camera, cause=Cause.INCIDENT)


def assembly(name: str = "press") -> Assembly:
    return Assembly(name, CAMERAS, PARTS, patience=2.0)


def test_a_part_is_told_when_the_last_of_its_cameras_has_judged_it() -> None:
    parts = assembly()

    assert parts.put(of("left", "bolt 1"), 10.0) == []
    (whole,) = parts.put(of("right", "bolt 1"), 10.5)

    assert (whole.part, whole.camera, whole.outcome) == ("press bolt 1", "press", Outcome.PASS)
    assert [look.name for look in whole.looks] == ["left", "right"]
    assert parts.due(99.0) == []


def test_a_station_without_a_name_adds_none_to_its_parts() -> None:
    parts = assembly("")
    parts.put(of("left", "bolt 1"), 10.0)

    (whole,) = parts.put(of("right", "bolt 1"), 10.0)

    assert (whole.part, whole.camera) == ("bolt 1", "")


def test_a_camera_that_says_nothing_in_time_makes_it_a_review_that_names_it() -> None:
    parts = assembly()
    parts.put(of("right", "bolt 1"), 10.0)

    assert parts.due(11.9) == []
    (whole,) = parts.due(12.0)

    assert (whole.part, whole.outcome, whole.counts_as) == (
        "press bolt 1",
        Outcome.REVIEW,
        "review",
    )
    assert whole.reason == (
        "left: missed: no verdict within 2 s of the first camera's; "
        "1 of 2 cameras pass, 1 missed"
    )  # fmt: skip


def test_what_comes_too_late_is_counted_and_no_second_verdict() -> None:
    parts = assembly()
    parts.put(of("right", "bolt 1"), 10.0)
    parts.due(12.0)

    assert parts.put(of("left", "bolt 1"), 13.0) == []
    assert parts.late == 1
    assert parts.rest(14.0) == []


def test_an_id_that_comes_again_is_another_part() -> None:
    parts = assembly()
    given = [of(camera, "bolt 1", at) for at in (1.0, 5.0) for camera in CAMERAS]

    told = [whole for verdict in given for whole in parts.put(verdict, 10.0)]

    assert [whole.announced_at for whole in told] == [1.0, 5.0]


def test_two_parts_of_one_id_and_one_moment_are_two() -> None:
    parts = assembly()
    given = [of(camera, "bolt 1") for camera in ("left", "left", "right", "right")]

    told = [whole for verdict in given for whole in parts.put(verdict, 10.0)]

    assert len(told) == 2


def test_a_trigger_that_is_lost_for_all_cameras_is_told_once_and_again_when_it_is_lost_again() -> (
    None
):
    parts = assembly()

    told = [parts.put(incident(camera), at) for at in (10.0, 20.0) for camera in CAMERAS]

    assert [len(one) for one in told] == [1, 0, 1, 0]
    assert told[0][0].counts_as == "incident"


def test_in_whatever_order_cameras_speak_or_are_silent_each_part_has_one_verdict() -> None:
    everything = [of(camera, part) for camera in CAMERAS for part in ("1", "2", "3")]
    for silent in (*everything, None):
        given = [verdict for verdict in everything if verdict is not silent]
        for order in list(permutations(given))[::7]:
            parts = assembly()
            told = [whole for verdict in order for whole in parts.put(verdict, 10.0)]
            told += parts.due(12.0)
            assert sorted(whole.part for whole in told) == ["press 1", "press 2", "press 3"]
            reviews = [whole.outcome for whole in told].count(Outcome.REVIEW)
            assert reviews == (silent is not None)


class Bell(Announcements):
    """A trigger that tests ring, and break."""

    def __init__(self) -> None:
        super().__init__()
        self.cracked = False

    def wait(self, timeout: float) -> Signal | None:
        if self.cracked:
            self.cracked = False
            raise TriggerError("bell: cracked")
        return super().wait(min(timeout, 0.02))


class Eye:
    """A live camera; ``shut`` keeps frames from coming."""

    live = True

    def __init__(self, level: int) -> None:
        self.level, self.shut = level, threading.Event()
        self._count = 0

    def read(self, timeout: float) -> Frame:
        time.sleep(min(0.01, timeout))
        if self.shut.is_set():
            raise CameraTimeout("eye: no frame")
        self._count += 1
        image = np.full((4, 6, 3), self.level, np.uint8)
        return Frame(image, self._count, time.monotonic(), "eye")

    def close(self) -> None: ...


def classified(frame: Frame) -> Prediction:
    score = float(frame.image[0, 0, 0]) / 100
    return Prediction(np.array([score, 1 - score], np.float32), LABELS)


class Line:
    """Two cameras with one trigger, whose parts they see together."""

    def __init__(self, stack: ExitStack, timeout: float = 0.3) -> None:
        self.bell = Bell()
        self.eyes = {"left": Eye(99), "right": Eye(98)}
        self.kept: list[Verdict] = []
        fork = stack.enter_context(closing(Fork(self.bell, 2)))
        capture = CaptureSettings(window_ms=20_000)
        self.stations = []
        for way, (name, eye) in zip(fork.ways, self.eyes.items(), strict=True):
            parts = stack.enter_context(closing(TriggeredCamera(eye, way, capture, timeout)))
            self.stations.append(
                Station(
                    parts,
                    classified,
                    Rule(("ok",)),
                    record=self.keep,
                    max_age=WAIT_S,
                    name=name,
                    timeout=timeout,
                    announced=True,
                )
            )
        lead = Station(
            self.stations[0].camera, classified, Rule(("ok",)), record=self.keep, name="press"
        )
        self.assembled = Assembled(lead, self.stations, PARTS, patience=WAIT_S)

    def keep(self, verdict: Verdict) -> Verdict:
        self.kept.append(verdict)
        return verdict


@pytest.fixture
def line() -> Iterator[Line]:
    with ExitStack() as stack:
        yield Line(stack)


def rung(line: Line, ids: Sequence[str], parts: int) -> list[Verdict]:
    for part in ids:
        line.bell.put(part)
    return list(line.assembled.run(lambda: False, parts))


def test_each_announced_part_has_one_verdict_of_all_cameras_that_is_kept_before_it_is_given(
    line: Line,
) -> None:
    ids = [f"bolt {number}" for number in range(8)]

    told = rung(line, ids, 8)

    assert sorted(verdict.part for verdict in told) == [f"press {part}" for part in ids]
    assert {verdict.outcome for verdict in told} == {Outcome.PASS}
    assert all([look.name for look in verdict.looks] == ["left", "right"] for verdict in told)
    assert [id(verdict) for verdict in line.kept] == [id(verdict) for verdict in told]


def test_a_camera_that_is_blind_costs_reviews_that_name_it(line: Line) -> None:
    line.eyes["right"].shut.set()

    (verdict,) = rung(line, ["bolt 1"], 1)

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.reason.startswith("right: eye: no frame; 1 of 2 cameras pass, 1 missed")


def test_a_bad_part_of_one_camera_fails_whatever_the_other_says(line: Line) -> None:
    line.eyes["right"].level = 1

    (verdict,) = rung(line, ["bolt 1"], 1)

    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "right: scratch scored 0.990; 1 of 2 cameras pass, 1 fail"


def test_a_part_whose_other_camera_hangs_is_a_review_when_the_run_ends(line: Line) -> None:
    assembled = Assembled(line.assembled.lead, line.stations, PARTS, patience=0.2)
    line.eyes["left"].shut.set()
    stuck = threading.Event()
    line.stations[0].camera.close()
    line.bell.put("bolt 1")

    verdict = next(assembled.run(stuck.is_set))

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.reason.startswith("left: missed: no verdict within 0.2 s of the first camera's;")


def test_a_trigger_that_ends_ends_the_run_when_its_parts_are_told(line: Line) -> None:
    for part in ("bolt 1", "bolt 2"):
        line.bell.put(part)
    line.bell.end("bell: no more")

    told = list(line.assembled.run(lambda: False))

    assert sorted(verdict.part for verdict in told) == ["press bolt 1", "press bolt 2"]


def test_a_trigger_that_is_lost_is_one_incident(line: Line) -> None:
    line.bell.cracked = True
    line.bell.put("bolt 1")

    told = list(islice(line.assembled.run(lambda: False), 2))

    assert sorted(verdict.counts_as for verdict in told) == ["incident", "pass"]


def test_who_tells_the_parts_gives_signs_of_life_of_its_own_until_the_end(line: Line) -> None:
    given: list[str] = []

    def keep(verdict: Verdict) -> Verdict:
        given.append("told")
        return verdict

    lead = replace(
        line.assembled.lead,
        beat=lambda: given.append("beat"),
        ended=lambda: given.append("ended"),
        record=keep,
    )
    assembled = replace(line.assembled, lead=lead)
    line.bell.put("bolt 1")

    list(assembled.run(lambda: False, 1))

    before = given[: given.index("told")]
    assert before
    assert set(before) == {"beat"}
    assert given[-1] == "ended"
