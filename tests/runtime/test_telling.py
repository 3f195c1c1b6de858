"""Telling, specified: who is slow, down or gone delays no verdict, and nothing decided is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edgecls import Outcome, Verdict
from edgecls.errors import ConfigError, OutputError, OutputRefused
from edgecls.verdict import Cause
from edgecls_runtime.journal import Journal, open_reader
from edgecls_runtime.journal.chain import Value
from edgecls_runtime.telling import outbox as outbox_room
from edgecls_runtime.telling.chorus import Chorus
from edgecls_runtime.telling.outbox import Keeping, Momentary, Outbox, Traits
from edgecls_runtime.telling.settings import Audience
from journals import SESSION
from journals import verdict as past
from trigger_sources import until

WAIT_S = 30.0


@dataclass
class Line:
    """The other side of a made-up output: it can be slow, down, or want nothing of some part."""

    heard: list[Verdict] = field(default_factory=list)
    safe: list[str] = field(default_factory=list)
    down: bool = False
    unwanted: str = ""
    open: threading.Event = field(default_factory=threading.Event)
    closed: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    def send(self, verdict: Verdict) -> None:
        self.open.wait(WAIT_S)
        if self.down:
            raise OutputError("line: no answer; is it plugged in?")
        if verdict.part == self.unwanted:
            raise OutputRefused(f"line: part {verdict.part}: not wanted")
        self.heard.append(verdict)

    def make_safe(self, reason: str) -> None:
        self.safe.append(reason)

    def close(self) -> None:
        self.closed += 1

    @property
    def parts(self) -> list[str]:
        return [verdict.part for verdict in self.heard]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "v.db", SESSION)) as opened:
        yield opened


def verdict(part: str) -> Verdict:
    return replace(past(part), decided_at=time.monotonic())


@contextmanager
def keeping(line: Line, journal: Journal, say: Callable[[str], object] = print) -> Iterator[Outbox]:
    with open_reader(journal.path) as reader:
        audience = Audience("line")
        with closing(Keeping(line, audience, journal, say, verdicts=reader.verdicts)) as outbox:
            yield outbox


@contextmanager
def momentary(
    line: Line, journal: Journal | None = None, audience: Audience | None = None
) -> Iterator[Outbox]:
    said = audience or Audience("line")
    with closing(Momentary(line, said, journal, print, traits=Traits())) as outbox:
        yield outbox


def tellings(journal: Journal, row: int) -> list[tuple[Value, ...]]:
    with open_reader(journal.path) as reader:
        return [(one["output"], one["state"], one["reason"]) for one in reader.tellings(row)]


@pytest.mark.parametrize("keeps", [True, False], ids=["keeping", "momentary"])
def test_an_output_that_hangs_delays_nobody(journal: Journal, keeps: bool) -> None:
    line = Line()
    line.open.clear()

    with (keeping if keeps else momentary)(line, journal) as outbox:
        began = time.monotonic()
        for part in range(50):
            outbox.send(journal.record(verdict(str(part))))
        took = time.monotonic() - began
        line.open.set()
        until(lambda: bool(line.heard), WAIT_S)

    assert took < 5


def test_what_is_not_wanted_takes_no_place_of_what_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_room, "MOST_WAITING", 10)
    line = Line()
    with open_reader(journal.path) as reader:
        audience = Audience("line", only=("fail",))
        outbox = Keeping(line, audience, journal, print, verdicts=reader.verdicts)
        for part in range(20):
            outbox.send(journal.record(verdict(str(part))))
        until(lambda: outbox.state.backlog == 0, WAIT_S)
        outbox.send(journal.record(replace(verdict("last"), outcome=Outcome.FAIL)))
        until(lambda: line.parts == ["last"], WAIT_S)
        outbox.close()

        (told,) = reader.tellings(21)
    assert told["after_ms"] is not None


def test_an_output_that_keeps_is_told_all_in_order_once_it_is_back(journal: Journal) -> None:
    line = Line(down=True)
    said: list[str] = []

    with keeping(line, journal, said.append) as outbox:
        for part in range(500):
            outbox.send(journal.record(verdict(str(part))))
        until(lambda: bool(line.safe), WAIT_S)
        backlog = outbox.state.backlog
        line.down = False
        until(lambda: len(line.heard) == 500, WAIT_S)
        until(lambda: outbox.state.backlog == 0, WAIT_S)

    assert backlog == 500
    assert line.parts == [str(part) for part in range(500)]
    assert len({one.id for one in line.heard}) == 500
    assert said == ["output line: line: no answer; is it plugged in?", "output line: told again"]


def test_an_output_that_keeps_goes_on_in_the_next_run_where_it_was(tmp_path: Path) -> None:
    line, path = Line(down=True), tmp_path / "v.db"
    with closing(Journal(path, SESSION)) as journal, keeping(line, journal) as outbox:
        outbox.send(journal.record(verdict("before")))
        until(lambda: bool(line.safe), WAIT_S)
    line.down = False

    with closing(Journal(path, SESSION)) as journal, keeping(line, journal) as outbox:
        outbox.send(journal.record(verdict("after")))
        until(lambda: len(line.heard) == 2, WAIT_S)

    assert line.parts == ["before", "after"]


def test_a_new_output_is_not_told_what_was_decided_before_it_was_there(journal: Journal) -> None:
    line = Line()
    journal.record(verdict("before"))

    with keeping(line, journal) as outbox:
        outbox.send(journal.record(verdict("after")))
        until(lambda: bool(line.heard), WAIT_S)

    assert line.parts == ["after"]


def test_a_verdict_that_the_other_side_never_wants_does_not_hold_up_the_next(
    journal: Journal,
) -> None:
    line = Line(unwanted="2")

    with keeping(line, journal) as outbox:
        for part in ("1", "2", "3"):
            outbox.send(journal.record(verdict(part)))
        until(lambda: outbox.state.backlog == 0, WAIT_S)

    assert line.parts == ["1", "3"]
    assert tellings(journal, 2) == [("line", "failed", "line: part 2: not wanted")]


@pytest.mark.parametrize("keeps", [True, False], ids=["keeping", "momentary"])
def test_what_was_told_is_in_the_journal_with_its_time(journal: Journal, keeps: bool) -> None:
    line = Line()

    with (keeping if keeps else momentary)(line, journal) as outbox:
        outbox.send(journal.record(verdict("1")))
        until(lambda: bool(tellings(journal, 1)), WAIT_S)

    with open_reader(journal.path) as reader:
        (told,) = reader.tellings(1)
    assert (told["output"], told["state"]) == ("line", "told")
    assert 0 <= float(told["after_ms"] or -1) < 1000 * WAIT_S


def test_a_momentary_output_is_not_told_late_but_made_safe(journal: Journal) -> None:
    line = Line()
    line.open.clear()

    with momentary(line, journal, Audience("line", window_ms=300)) as outbox:
        outbox.send(journal.record(verdict("held up")))
        until(lambda: outbox.state.backlog == 1, WAIT_S)
        outbox.send(journal.record(verdict("late")))
        time.sleep(0.4)  # its window
        line.open.set()
        until(lambda: outbox.state.late == 1, WAIT_S)
        outbox.send(journal.record(verdict("next")))
        until(lambda: len(line.heard) == 2, WAIT_S)

    assert line.parts == ["held up", "next"]
    assert line.safe == ["not told within 300 ms"]
    assert tellings(journal, 2) == [("line", "late", "not told within 300 ms")]


def test_a_momentary_output_that_is_down_is_made_safe_and_not_told_later(journal: Journal) -> None:
    line = Line(down=True)

    with momentary(line, journal) as outbox:
        outbox.send(journal.record(verdict("1")))
        until(lambda: outbox.state.failed == 1, WAIT_S)
        fault = outbox.state.fault
        line.down = False
        outbox.send(journal.record(verdict("2")))
        until(lambda: bool(line.heard), WAIT_S)
        until(lambda: not outbox.state.fault, WAIT_S)

    assert fault == "line: no answer; is it plugged in?"
    assert line.parts == ["2"]
    assert line.safe == [fault]


def test_a_verdict_that_is_not_on_the_disk_is_told_to_nobody(journal: Journal) -> None:
    line = Line()
    unkept = Verdict(Outcome.REVIEW, "not kept in time: disk full", cause=Cause.ERROR)

    with momentary(line, journal) as outbox:
        outbox.send(unkept)
        outbox.send(journal.record(verdict("1")))
        until(lambda: bool(line.heard), WAIT_S)

    assert line.parts == ["1"]
    assert line.safe == ["not kept in time: disk full"]


def test_without_a_journal_a_momentary_output_is_told_all_the_same() -> None:
    line = Line()

    with momentary(line) as outbox:
        outbox.send(verdict("1"))
        until(lambda: bool(line.heard), WAIT_S)

    assert line.parts == ["1"]


def test_an_output_hears_only_of_what_it_asked_for(journal: Journal) -> None:
    line = Line()

    with momentary(line, journal, Audience("line", only=("fail", "error"))) as outbox:
        for outcome, cause in (
            (Outcome.FAIL, Cause.JUDGED),
            (Outcome.REVIEW, Cause.JUDGED),
            (Outcome.REVIEW, Cause.ERROR),
        ):
            told = Verdict(outcome, "r", part=cause, cause=cause, decided_at=time.monotonic())
            outbox.send(journal.record(told))
        until(lambda: len(line.heard) == 2, WAIT_S)

    assert [one.counts_as for one in line.heard] == ["fail", "error"]


def test_what_waits_is_told_before_the_output_is_closed(journal: Journal) -> None:
    line = Line()

    with momentary(line, journal) as outbox:
        for part in range(100):
            outbox.send(journal.record(verdict(str(part))))

    assert len(line.heard) == 100
    assert line.closed == 1


def test_a_line_that_is_too_slow_loses_the_newest_and_counts_them(journal: Journal) -> None:
    line = Line()
    line.open.clear()

    with momentary(line, journal) as outbox:
        for part in range(1010):
            outbox.send(replace(past(str(part)), id=f"x-{part + 1}", decided_at=time.monotonic()))
        state = outbox.state
        line.open.set()

    assert (state.backlog, state.dropped) == (1000, 10)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"only": ("good",)}, "outputs.only: 'good'; expected of pass, fail, review, missed, err"),
        ({"window_ms": 0}, "outputs.window_ms: 0; expected above 0, at most 86400000"),
        ({"window_ms": float("nan")}, "outputs.window_ms: nan; expected above 0, at most"),
    ],
)
def test_what_no_output_can_keep_is_refused(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Audience(**keys)  # type: ignore[arg-type]


def test_a_station_that_hangs_is_not_hidden_by_the_signs_of_life_of_its_neighbour() -> None:
    beats: list[int] = []
    chorus = Chorus([Beaten(beats)])
    left, right = chorus.voice(), chorus.voice()

    for _ in range(3):
        left.beat()
    alone = len(beats)
    right.beat()
    together = len(beats)
    right.close()
    left.beat()

    assert (alone, together, len(beats)) == (0, 1, 2)


class Beaten:
    """Whoever watches for signs of life."""

    def __init__(self, beats: list[int]) -> None:
        self._beats = beats

    def beat(self) -> None:
        self._beats.append(1)


class Brittle(Line):
    """An output whose safe state fails in a way that nobody thought of."""

    def make_safe(self, reason: str) -> None:
        super().make_safe(reason)
        raise RuntimeError("brittle: broken")


def test_an_output_whose_safe_state_fails_is_told_again_when_it_is_back(journal: Journal) -> None:
    line = Brittle(down=True)

    with momentary(line, journal) as outbox:
        outbox.send(journal.record(verdict("1")))
        until(lambda: bool(line.safe), WAIT_S)
        line.down = False
        outbox.send(journal.record(verdict("2")))
        until(lambda: bool(line.heard), WAIT_S)

    assert line.parts == ["2"]
