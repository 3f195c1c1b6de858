"""The journal in trouble: whatever goes wrong, no part is lost, doubled, or kept wrongly."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import Outcome, Verdict
from edgecls.verdict import Cause
from edgecls_runtime.journal import Journal, open_reader, retention
from edgecls_runtime.journal.checking import check
from edgecls_runtime.journal.reading import Query
from journals import SESSION, verdict

ALL = Query()
SYNCED = "PRAGMA synchronous = FULL"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "v.db", SESSION)) as opened:
        yield opened


def allow(journal: Journal, pages: int) -> None:
    """Let the file grow to so many pages: with fewer than it has, the disk is full."""
    journal._ledger._database.execute(f"PRAGMA max_page_count = {pages}")


def filled(journal: Journal) -> None:
    """Record verdicts until the disk is full; the last one is held."""
    allow(journal, 1)
    while journal.record(verdict("old")).id:
        pass


def test_an_incident_ends_no_part_that_waits_under_its_number(journal: Journal) -> None:
    journal.announce("1", time.monotonic())

    journal.record(Verdict(Outcome.REVIEW, "trigger lost", part="1", cause=Cause.INCIDENT))

    with open_reader(journal.path) as reader:
        assert reader.counts()["waiting"] == 1


def test_a_part_that_was_judged_a_moment_before_it_was_announced_keeps_the_chain_whole(
    journal: Journal,
) -> None:
    journal.record(replace(verdict("1"), announced_at=10.0125 + 1e-9))

    with open_reader(journal.path) as reader:
        assert check(reader).faults == ()


def test_text_and_numbers_that_no_database_takes_cost_no_verdict(journal: Journal) -> None:
    part = "bottle \ud800"
    journal.announce(part, time.monotonic())

    journal.note("driver said \udcff")
    kept = journal.record(Verdict(Outcome.REVIEW, "lost: \udcff", part=part, frame_number=2**64))

    with open_reader(journal.path) as reader:
        assert check(reader).faults == ()
        assert reader.counts()["waiting"] == 0
        found = reader.verdict(kept.id)
    assert found is not None
    assert (found.part, found.reason) == ("bottle \\ud800", "lost: \\udcff")
    assert found.frame_number is None


def test_what_was_held_is_kept_under_what_judged_it(journal: Journal) -> None:
    filled(journal)

    for recipe in ("b", "c"):
        journal.begin(replace(SESSION, recipe=recipe))
        journal.record(replace(verdict(recipe), recipe=recipe))
    held = journal.held
    allow(journal, 2**30)
    journal.record(replace(verdict("room"), recipe="c"))

    with open_reader(journal.path) as reader:
        recipes = {one["id"]: one["recipe"] for one in reader.table("sessions")}
        found = [(row["part"], row["recipe"], recipes[row["session"]]) for row in reader.rows(ALL)]
    assert held == 3
    assert {judged for part, _, judged in found if part == "old"} == {""}
    assert found[-3:] == [("b", "b", "b"), ("c", "c", "c"), ("room", "c", "c")]


def test_parts_announced_before_a_session_that_cannot_begin_are_still_counted_in_theirs(
    journal: Journal,
) -> None:
    journal.announce("1", time.monotonic())
    journal.record(replace(verdict("1"), announced_at=time.monotonic()))
    filled(journal)
    journal.begin(replace(SESSION, camera=50_000 * "x"))

    allow(journal, 2**30)
    journal.record(verdict("room"))

    with open_reader(journal.path) as reader:
        assert [one["announced"] for one in reader.table("sessions")] == [1, 0]


def fill(place: Path) -> None:
    """Let others take the disk."""
    with (place / "others").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))


@pytest.fixture
def full_disk(small_disk: Path) -> Path:
    """Return the place of a journal whose station was killed, on a disk that is full since."""
    journal = Journal(small_disk / "v.db", SESSION)
    journal.announce("1", time.monotonic())
    journal._housekeeping.close()  # as a process that is killed lets go of it
    journal._ledger.close()
    journal._owner.close()
    (small_disk / "v.db-reserve").write_bytes(bytes(96 * 1024))
    fill(small_disk)
    return small_disk / "v.db"


def test_a_station_that_starts_on_a_full_disk_uses_the_reserve_that_was_left(
    full_disk: Path,
) -> None:
    said: list[str] = []

    with closing(Journal(full_disk, SESSION, reserve=96 * 1024, say=said.append)) as journal:
        kept = journal.record(verdict("2"))

    assert kept.id
    assert "its reserve is being used: free space" in said[0]


def test_a_journal_that_cannot_begin_leaves_no_file_open(tmp_path: Path) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())

    with pytest.raises(UnicodeEncodeError) as raised:
        Journal(tmp_path / "v.db", replace(SESSION, camera="\udce4"))

    assert sorted(Path("/proc/self/fd").iterdir()) == before, raised.value


def test_parts_that_wait_at_the_end_are_synced_to_the_disk_once_and_not_each(
    journal: Journal,
) -> None:
    for part in range(50):
        journal.announce(str(part), time.monotonic())
    asked: list[str] = []
    journal._ledger._database.set_trace_callback(asked.append)

    journal._ledger.end_parts("the station was stopped before it was judged")

    assert asked.count(SYNCED) == 1


def test_looking_for_verdicts_that_are_too_old_does_not_look_at_all_of_them(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    for part in range(2000):
        journal._ledger.write(verdict(str(part)), durable=False)
    steps: list[int] = []
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as database:
        database.set_progress_handler(lambda: steps.append(1), 100)

        retention.remove(database, "2000")

    assert len(steps) < 10


def test_verdicts_that_are_lost_because_the_disk_stayed_full_are_said_at_the_end(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "v.db", SESSION, say=said.append)
    filled(journal)
    journal.record(verdict("2"))

    journal.close()

    assert journal.lost == 2
    assert said[-1].endswith("v.db: database or disk is full; 2 verdicts are lost with it")


def test_another_program_that_writes_does_not_cost_the_reserve(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "v.db", SESSION, reserve=100_000)) as journal:
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            kept = journal.record(verdict("1"))

        assert not kept.id
        assert (tmp_path / "v.db-reserve").exists()


def test_a_chain_that_was_taken_away_as_a_whole_is_seen(journal: Journal) -> None:
    journal.record(verdict("1"))
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("UPDATE verdicts SET reason = 'better', chain = ''")

    with open_reader(journal.path) as reader:
        assert len(check(reader).faults) == 1
