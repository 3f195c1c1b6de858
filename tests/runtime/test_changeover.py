"""Recipe and bundle of a running station are changed between two parts, proven before, or not."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bundles import lying, renamed
from edgecls.bundle import Bundle
from edgecls.errors import BundleError, ConfigError, ProviderError
from edgecls.frame import Frame
from edgecls.verdict import Outcome
from edgecls_runtime.capture.ahead import PreparedFrame
from edgecls_runtime.changes import changeover
from edgecls_runtime.changes.changeover import Changeover
from edgecls_runtime.changes.engines import Engines
from edgecls_runtime.changes.jobs import open_job
from edgecls_runtime.changes.recipes import Recipe
from edgecls_runtime.changes.succession import Job, Seat, Succession
from edgecls_runtime.config import Settings
from edgecls_runtime.decision import Rule
from edgecls_runtime.failover import Failover
from parts import LABELS, Made, part_image

WAIT_S = 30.0
GOOD = part_image(LABELS[0], np.random.default_rng(3))
KIND: dict[str, object] = {"kind": "cpu"}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def rule(*good: str) -> Rule:
    return Rule(good, min_score=0.0, min_margin=0.0)


class Line:
    """A station's jobs, without its hardware."""

    def __init__(self, made: Made, stack: ExitStack) -> None:
        recipes = {
            "m6": Recipe(rule("good"), made.path),
            "m8": Recipe(rule("scratch"), made.path),
            "odd": Recipe(rule("rusty"), made.path),
        }
        settings = Settings(
            bundle=made.path,
            rule=rule("good"),
            camera={"kind": "fake"},
            providers=(KIND,),
            timeout_ms=10.0,
            max_age_ms=10.0,
            recipe="m6",
            recipes=recipes,
        )
        self.file = settings
        self.classifiers: list[Failover] = []
        self.engines = Engines(self.classifiers)
        stack.callback(self.engines.close)
        self.jobs = Succession(self.begin(settings))
        self.seat = Seat(self.jobs, "")
        self.followed: list[Job] = []
        self.changeover = stack.enter_context(
            closing(
                Changeover(
                    self.jobs,
                    made.path.parent,
                    begin=self.begin,
                    follow=self.followed.append,
                    end=lambda job: self.engines.give_back(job.classify),
                    again=lambda: self.file,
                )
            )
        )

    def begin(self, settings: Settings) -> Job:
        return open_job(settings, Path(), self.engines)[0]

    def judged(self, announced_at: float) -> Outcome:
        frame = Frame(GOOD, 0, announced_at, announced_at=announced_at)
        return self.seat.judge(self.seat.classify(frame)).outcome


@pytest.fixture
def line(made: Made, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(changeover, "SPARE_S", 0.2)
    with ExitStack() as stack:
        yield Line(made, stack)


def test_a_part_is_judged_by_the_recipe_that_was_valid_when_it_was_announced(line: Line) -> None:
    before = time.monotonic()

    text = line.changeover.change_recipe("m8")

    assert line.judged(before) is Outcome.PASS
    assert line.judged(time.monotonic()) is Outcome.FAIL
    bundle = line.changeover.running.bundle
    assert text == f"recipe m8, {bundle} judges from now on"
    assert line.changeover.running.recipe == "m8"
    assert line.changeover.running.recipes == ("m6", "m8", "odd")
    assert line.followed == [line.jobs.newest]


def test_what_was_there_before_goes_on_until_its_last_part_is_done_and_then_is_closed(
    line: Line, made: Made, tmp_path: Path
) -> None:
    other = renamed(made.path, tmp_path / "other.bundle", "9.0")

    line.changeover.change_bundle(other)

    assert line.changeover.running.path == other
    assert line.changeover.running.bundle.split()[1] == "9.0"
    until(lambda: len(line.jobs) == 1 and len(line.classifiers) == 1)
    assert line.classifiers == [line.jobs.newest.classify]
    assert line.judged(time.monotonic()) is Outcome.PASS


def test_recipes_of_one_bundle_share_its_classifier(line: Line) -> None:
    first = line.jobs.newest.classify

    line.changeover.change_recipe("m8")

    assert line.jobs.newest.classify is first
    until(lambda: len(line.jobs) == 1)
    assert line.judged(time.monotonic()) is Outcome.FAIL


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (
            lambda one, _: one.change_recipe("m10"),
            ConfigError("'m10' is no recipe of the file; its recipes are m6, m8, odd"),
        ),
        (
            lambda one, _: one.change_recipe("odd"),
            ConfigError("rule.good: 'rusty' is no label of the bundle; its labels are good, scra"),
        ),
        (
            lambda one, _: one.change_bundle(Path("no")),
            BundleError("no: no such directory; expected a bundle made by edgecls export"),
        ),
        (
            lambda one, folder: one.change_bundle(folder / "lying.bundle"),
            ProviderError("answers wrongly here on CPUExecutionProvider"),
        ),
        (
            lambda one, folder: one.change_bundle(folder / "torn.bundle"),
            BundleError("altered: its SHA-256 is"),
        ),
    ],
    ids=["no such recipe", "a label that is not there", "no bundle", "wrong answers", "damaged"],
)
def test_what_is_refused_leaves_everything_as_it_was(
    line: Line,
    made: Made,
    tmp_path: Path,
    ask: Callable[[Changeover, Path], str],
    fault: Exception,
) -> None:
    lying(made.path, tmp_path / "lying.bundle")
    torn = renamed(made.path, tmp_path / "torn.bundle", "1.1")
    for variant in Bundle.open(torn).variants:
        (torn / variant.file).write_bytes(b"torn")
    before = line.jobs.newest, [*line.classifiers], line.changeover.running

    with pytest.raises(type(fault), match=re.escape(str(fault))):
        ask(line.changeover, tmp_path)

    assert (line.jobs.newest, line.classifiers, line.changeover.running) == before
    assert len(line.jobs) == 1
    assert line.judged(time.monotonic()) is Outcome.PASS


def test_the_file_that_is_read_again_may_change_what_judges(line: Line) -> None:
    line.file = replace(line.file, rule=rule("scratch"))

    line.changeover.reload()

    assert line.judged(time.monotonic()) is Outcome.FAIL


def test_the_file_that_is_read_again_may_change_nothing_else_and_then_nothing_is(
    line: Line,
) -> None:
    line.file = replace(line.file, rule=rule("scratch"), timeout_ms=20.0, name="press")

    with pytest.raises(ConfigError) as raised:
        line.changeover.reload()

    assert str(raised.value) == (
        "timeout_ms, name: changed in the file; only rule, bundle, recipe, recipes, views, "
        "frame_px can be changed while the station runs; restart it"
    )
    assert line.judged(time.monotonic()) is Outcome.PASS


def test_the_file_that_is_read_again_and_says_the_same_changes_nothing(line: Line) -> None:
    assert line.changeover.reload().endswith(" judges as before")
    assert (len(line.jobs), line.followed) == (1, [])


def test_a_bundle_that_was_changed_is_forgotten_with_the_recipe(
    line: Line, made: Made, tmp_path: Path
) -> None:
    line.changeover.change_bundle(renamed(made.path, tmp_path / "other.bundle", "9.0"))
    line.changeover.change_recipe("m8")

    assert line.changeover.running.path == made.path


def same(image: NDArray[np.uint8], _: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    return image


def test_more_bundles_than_memory_has_room_for_are_refused(
    line: Line, made: Made, tmp_path: Path
) -> None:
    line.begin(line.file)  # so that the first one's classifier is never closed
    bundles = [renamed(made.path, tmp_path / f"{n}.bundle", f"{n}.0") for n in range(3)]
    jobs = Succession(line.begin(replace(line.file, timeout_ms=3_600_000.0)))
    end: list[Job] = []
    one = Changeover(jobs, Path(), begin=line.begin, follow=lambda _: None, end=end.append)
    with closing(one):
        one.change_recipe("m8")
        one.change_bundle(bundles[0])
        one.change_bundle(bundles[1])

        with pytest.raises(
            ConfigError, match="parts of 3 bundles are still on their way; expected"
        ):
            one.change_bundle(bundles[2])

        assert len(end) == 1
        assert one.change_bundle(bundles[0]).endswith(" judges from now on")


def test_a_frame_that_was_prepared_for_another_bundle_is_prepared_anew(line: Line) -> None:
    wrong = np.zeros((64, 64, 3), np.uint8)
    now = time.monotonic()
    frame = PreparedFrame(GOOD, 0, now, prepared=wrong, by=same)
    plain = Frame(GOOD, 0, now)

    (_, answer), (_, expected) = line.seat.classify(frame), line.seat.classify(plain)

    assert np.array_equal(answer.scores, expected.scores)
    assert line.seat.fingerprint(frame) == line.seat.fingerprint(plain)


def test_parts_that_are_judged_while_bundles_change_are_each_judged_by_one_of_them(
    line: Line, made: Made, tmp_path: Path
) -> None:
    other = renamed(made.path, tmp_path / "other.bundle", "9.0")
    done = threading.Event()
    outcomes: list[Outcome] = []

    def judge() -> None:
        while not done.is_set():
            outcomes.append(line.judged(time.monotonic()))

    judging = threading.Thread(target=judge)
    judging.start()
    asks: list[Callable[[], str]] = [
        lambda: line.changeover.change_bundle(other),
        lambda: line.changeover.change_recipe("m6"),
    ]
    for ask in 4 * asks:
        ask()
    done.set()
    judging.join(WAIT_S)

    assert len(outcomes) > 8
    assert set(outcomes) == {Outcome.PASS}
    until(lambda: len(line.classifiers) == 1)
