"""What a drill finds out about a journal and those who were told."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import Outcome
from edgecls.verdict import Cause, Verdict
from edgecls_runtime.drill.account import account
from edgecls_runtime.drill.fault import Fault, Result, Seen
from edgecls_runtime.drill.report import Report
from edgecls_runtime.drill.rounds import tried
from edgecls_runtime.drill.scene import Broken, Scene, Untried
from edgecls_runtime.drill.small_disk import small_disk
from edgecls_runtime.journal import Journal
from journals import SESSION, verdict

Table = dict[str, object]


@pytest.fixture
def told(tmp_path: Path) -> list[Table]:
    """Keep four parts in ``v.db``, and return what an output was told of them."""
    journal = Journal(tmp_path / "v.db", SESSION)
    kept = [journal.record(verdict(part)).table() for part in ("1", "2", "3", "3")]
    journal.close()
    return kept


def write(file: Path, lines: list[Table]) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def test_a_part_that_is_lost_or_doubled_is_named(tmp_path: Path, told: list[Table]) -> None:
    found = account(tmp_path / "v.db", told, ["1", "3", "4"])

    assert (found.lost, found.doubled, found.untold) == (("4",), ("3",), ())
    assert found.said == "1 parts lost: 4; 1 parts doubled: 3"


def test_each_station_owes_a_verdict_of_each_part(tmp_path: Path, told: list[Table]) -> None:
    found = account(tmp_path / "v.db", told, ["1"], ["left", "right"])

    assert found.lost == ("left 1", "right 1")


def test_a_line_that_is_not_in_the_journal_or_says_something_else_is_found(
    tmp_path: Path, told: list[Table]
) -> None:
    other = {**told[0], "outcome": "fail"}
    unknown = {**told[1], "id": "0123456789ab-99"}

    found = account(tmp_path / "v.db", [other, unknown, told[2]])

    assert found.untold == (told[0]["id"], "0123456789ab-99")


def test_what_an_output_missed_or_was_told_twice_or_too_early_is_counted(
    tmp_path: Path, told: list[Table]
) -> None:
    kept = write(tmp_path / "kept.jsonl", [told[0], told[2], told[0], told[1]])

    found = account(tmp_path / "v.db", told, kept=kept)

    assert (found.missing, found.disordered, found.repeated) == (1, 1, 1)
    assert found.wrong == ["1 verdicts never told to the output that keeps", "1 told out of order"]


def test_a_torn_line_is_passed_over(tmp_path: Path, told: list[Table]) -> None:
    kept = write(tmp_path / "kept.jsonl", told)
    with kept.open("a", encoding="utf-8") as file:
        file.write('{"id": "torn')

    assert account(tmp_path / "v.db", told, kept=kept).wrong == []


def test_a_journal_that_was_changed_does_not_hold(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(Verdict(Outcome.REVIEW, "no frame", part="1", cause=Cause.ERROR))
    journal._ledger._database.execute("UPDATE verdicts SET reason = 'all is well'")
    journal.close()

    found = account(tmp_path / "v.db", [])

    assert found.wrong == [
        "row 1, part 1: does not fit its hash; it, its session or the entry before it was changed"
    ]


def raising(error: Exception) -> Fault:
    def fault(_: Scene) -> Seen:
        raise error

    return Fault("odd", "done", "expected", fault)


def rounds_of(*faults: Fault) -> list[tuple[Result, str, int]]:
    scene: Scene = None  # type: ignore[assignment] # these faults need none
    return [(one.result, one.seen, one.tries) for one in tried(scene, faults, 0.0, print)]


def test_a_fault_is_as_it_was_seen() -> None:
    right = Fault("right", "done", "expected", lambda _: Seen(right=True, text="all well"))
    wrong = Fault("wrong", "done", "expected", lambda _: Seen(right=False, text="it passed"))

    assert rounds_of(right, wrong) == [
        (Result.EXPECTED, "all well", 1),
        (Result.UNEXPECTED, "it passed", 1),
    ]


def test_what_breaks_is_not_as_expected_and_what_cannot_be_tried_is_no_try() -> None:
    assert rounds_of(raising(Broken("it ended"))) == [(Result.UNEXPECTED, "it ended", 1)]
    assert rounds_of(raising(Untried("needs root"))) == [(Result.UNTRIED, "needs root", 0)]


def test_what_was_once_not_as_expected_stays_so() -> None:
    seen = iter([True, False, True, True])
    fault = Fault("odd", "done", "expected", lambda _: Seen(right=next(seen), text="seen"))
    scene: Scene = None  # type: ignore[assignment] # it needs none
    rounds = tried(scene, [fault], 60.0, print)

    results = [next(rounds).result for _ in range(4)]

    assert results == [Result.EXPECTED, *[Result.UNEXPECTED] * 3]


def report(*faults: Fault) -> Report:
    scene: Scene = None  # type: ignore[assignment] # these faults need none
    found = {one.fault.name: one for one in tried(scene, faults, 0.0, print)}
    return Report({"station": "<line> & co.toml"}, "2026-01-02T03:04:05+00:00", [*found.values()])


def test_a_report_of_nothing_but_untried_faults_does_not_pass() -> None:
    found = report(raising(Untried("no camera")))

    assert not found.is_passed
    assert found.summary == "1 not tried"
    assert "    not tried no camera" in [*found.lines()]


def test_a_page_shows_signs_as_they_are() -> None:
    text = "<script>alert(1)</script>"
    found = report(Fault("odd", "done", "expected", lambda _: Seen(right=False, text=text)))

    page = found.page()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<title>Drill of &lt;line&gt; &amp; co.toml</title>" in page
    assert '<td class="result">NOT as expected</td>' in page


def test_a_small_disk_is_full_without_filling_any_other(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("mounting a disk needs root")
    with small_disk(tmp_path, 2) as disk:
        if disk is None:
            pytest.skip("mounting is not allowed here")
        disk.fill(0)
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "more").write_bytes(b"\0" * 8192)
        disk.free(0)
        (tmp_path / "more").write_bytes(b"\0" * 8192)

    assert not any(tmp_path.iterdir())


def test_a_told_verdict_is_the_line_of_its_entry(tmp_path: Path, told: list[Table]) -> None:
    again = [replace(verdict("1"), id=str(told[0]["id"])).table()]

    assert account(tmp_path / "v.db", again).untold == ()
