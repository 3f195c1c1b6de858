"""The journal, specified: what it has taken, it keeps; what it cannot take, it says."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls import Outcome, Prediction, Task, Verdict
from edgecls.errors import OutputError
from edgecls.verdict import Cause
from edgecls_runtime.journal import SCHEMA_VERSION, Journal, open_reader, retention
from edgecls_runtime.journal.checking import check
from edgecls_runtime.journal.ledger import Telling
from edgecls_runtime.journal.steady_clock import SteadyClock
from journals import LOOKS, SESSION, verdict
from trigger_sources import until

WAIT_S = 30.0


def rows(path: Path, columns: str = "part") -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    found = database.execute(f"SELECT {columns} FROM verdicts ORDER BY id").fetchall()  # noqa: S608 - a test's own text
    database.close()
    return found


def test_a_verdict_is_kept_with_what_a_person_asks_for_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a" / "v.db", SESSION)

    journal.record(verdict("17"))
    journal.record(Verdict(Outcome.REVIEW, "no frame within 1 s", part="18", decided_at=11))
    journal.close()

    assert rows(tmp_path / "a" / "v.db", "session, part, outcome, label, scores, latency_ms") == [
        (1, "17", "pass", "ok", '{"ok": 0.9, "dent": 0.1}', 12.5),
        (1, "18", "review", None, None, None),
    ]


def test_a_new_session_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for part in ("1", "2"):
        journal = Journal(tmp_path / "v.db", SESSION)
        journal.record(verdict(part))
        journal.close()

    assert rows(tmp_path / "v.db", "session, part") == [(1, "1"), (2, "2")]


def test_a_verdict_is_durable_the_moment_it_is_recorded(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from edgecls_runtime.journal import Journal
from journals import SESSION, verdict
journal = Journal(Path({str(tmp_path / "v.db")!r}), SESSION)
journal.record(verdict("1"))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ})

    assert rows(tmp_path / "v.db") == [("1",)]


def test_on_a_full_disk_a_part_is_review_and_is_kept_as_that_when_there_is_room(
    small_disk: Path,
) -> None:
    said: list[str] = []
    journal = Journal(small_disk / "v.db", SESSION, say=said.append)
    (small_disk / "other files").write_bytes(bytes(1024 * 64))

    kept = until_full(journal)
    unkept = journal.record(verdict("full"))
    (small_disk / "other files").unlink()
    afterwards = journal.record(verdict("room"))
    journal.close()

    assert kept > 10
    assert (unkept.outcome, unkept.cause, unkept.id) == (Outcome.REVIEW, Cause.ERROR, "")
    assert unkept.reason.startswith("not kept in time: journal: ")
    assert unkept.reason.endswith("; was pass: ok scored 0.900")
    assert (afterwards.outcome, bool(afterwards.id)) == (Outcome.PASS, True)
    parts = [*map(str, range(kept)), str(kept), "full", "room"]
    assert rows(small_disk / "v.db") == [(part,) for part in parts]
    assert "parts are REVIEW until it can be written: free space on its disk" in said[0]
    assert said[-1].endswith("v.db: writing again")


def until_full(journal: Journal) -> int:
    """Record verdicts until one cannot be kept; return how many could."""
    for part in range(100_000):
        if not journal.record(verdict(str(part))).id:
            return part
    raise AssertionError("the disk is never full")


def test_a_full_disk_is_first_met_from_the_reserve(small_disk: Path) -> None:
    said: list[str] = []
    plain = Journal(small_disk / "plain.db", SESSION, say=said.append)
    without = until_full(plain)
    plain.close()
    for file in small_disk.iterdir():
        file.unlink()
    journal = Journal(small_disk / "v.db", SESSION, reserve=0, say=said.append)
    journal._reserve.size = 96 * 1024
    journal._reserve.path.write_bytes(bytes(96 * 1024))
    said.clear()

    kept = until_full(journal)

    assert "its reserve is being used: free space" in said[0]
    assert kept > 0.5 * without
    journal.close()


def test_a_reserve_is_taken_where_the_disk_has_room_for_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION, reserve=1_000_000)

    size = (tmp_path / "v.db-reserve").stat().st_size
    journal.close()

    assert size == 1_000_000
    assert not (tmp_path / "v.db-reserve").exists()


def test_a_verdict_can_be_known_again_among_all_others(tmp_path: Path) -> None:
    one, other = (Journal(tmp_path / name, SESSION) for name in ("one.db", "other.db"))

    ids = {journal.record(verdict("1")).id for journal in (one, other, one)}

    one.close()
    other.close()
    assert len(ids) == 3


def test_a_part_that_was_announced_and_not_judged_before_a_kill_ends_as_missed(
    tmp_path: Path,
) -> None:
    code = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from edgecls_runtime.journal import Journal
from journals import SESSION, verdict
journal = Journal(Path({str(tmp_path / "v.db")!r}), SESSION)
for part in ("a", "b", "c"):
    journal.announce(part, time.monotonic())
journal.record(verdict("b"))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ})

    Journal(tmp_path / "v.db", SESSION).close()

    found = rows(tmp_path / "v.db", "session, part, outcome, cause, reason")
    gone = "missed: the station ended before it was judged"
    assert found[1:] == [(1, part, "review", "missed", gone) for part in ("a", "c")]
    assert counted(tmp_path / "v.db")["triggers"] == 3


def test_a_part_that_waits_when_the_station_is_stopped_ends_as_missed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    journal.announce("7", time.monotonic())

    journal.close(overrun=2)

    reason = "missed: the station was stopped before it was judged"
    assert rows(tmp_path / "v.db", "part, reason") == [("7", reason)]
    counts = counted(tmp_path / "v.db")
    assert counts == {
        "triggers": 3, "pass": 0, "fail": 0, "review": 0, "missed": 3, "error": 0, "waiting": 0,
        "incident": 0,
    }  # fmt: skip


def counted(path: Path) -> dict[str, int]:
    with open_reader(path) as reader:
        return reader.counts()


def test_a_part_that_is_being_judged_is_counted_as_waiting(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)

    journal.announce("7", time.monotonic())
    before = counted(tmp_path / "v.db")
    journal.record(verdict("7"))
    after = counted(tmp_path / "v.db")

    journal.close()
    assert (before["triggers"], before["waiting"], before["pass"]) == (1, 1, 0)
    assert (after["triggers"], after["waiting"], after["pass"]) == (1, 0, 1)


def test_two_stations_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)

    with pytest.raises(OutputError, match="v.db: another station is writing it; choose another"):
        Journal(tmp_path / "v.db", SESSION)

    journal.close()


def test_a_damaged_journal_is_kept_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    for part in range(300):
        journal.record(verdict(str(part)))
    journal.close()
    content = (tmp_path / "v.db").read_bytes()
    (tmp_path / "v.db").write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    said: list[str] = []

    journal = Journal(tmp_path / "v.db", SESSION, say=said.append)
    journal.record(verdict("new"))
    journal.close()

    (aside,) = tmp_path.glob("v.db.damaged-*")
    assert aside.stat().st_size == len(content)
    (line,) = said
    assert line.startswith(f"journal {tmp_path}/v.db: database disk image is malformed; kept aside")
    assert line.endswith(f" as {aside.name}, a new one begins")
    assert rows(tmp_path / "v.db") == [("new",)]


def test_a_verdict_that_was_read_back_says_what_the_first_one_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    seen = replace(
        verdict("17"), looks=LOOKS, camera="left", announced_at=9.5, recipe="M6", image_sha256="ab"
    )

    kept = journal.record(seen)
    journal.close()

    with open_reader(tmp_path / "v.db") as reader:
        (found,) = reader.verdicts(0, 10)
    assert found.table() == kept.table()
    assert found.id == f"{found.id.partition('-')[0]}-1"
    assert found.bundle == "disc 1 abc"


def test_a_binary_answer_with_the_lower_score_is_read_back_as_the_answer(tmp_path: Path) -> None:
    scores = np.array([0.4, 0.6], np.float32)
    journal = Journal(tmp_path / "v.db", SESSION)
    binary = Prediction(scores, ("ok", "dent"), Task.BINARY, (0.9,))

    journal.record(replace(verdict("1"), prediction=binary))
    journal.close()

    with open_reader(tmp_path / "v.db") as reader:
        (found,) = reader.verdicts(0, 10)
    assert found.prediction is not None
    assert (found.prediction.label, found.prediction.labels) == ("ok", ("ok", "dent"))


def test_a_new_session_of_a_run_says_what_judges_from_then_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)

    journal.record(verdict("1"))
    journal.begin(replace(SESSION, digest="def", recipe="M8"))
    journal.record(verdict("2"))
    journal.note("clock jumped by 3600 s")
    journal.close()

    with open_reader(tmp_path / "v.db") as reader:
        sessions, notes = reader.table("sessions"), reader.table("notes")
        bundles = [found.bundle for found in reader.verdicts(0, 10)]
    assert [(one["id"], one["run"], one["recipe"]) for one in sessions] == [
        (1, 1, ""),
        (2, 1, "M8"),
    ]
    assert all(one["ended_at"] for one in sessions)
    assert bundles == ["disc 1 abc", "disc 1 def"]
    assert [(one["session"], one["text"]) for one in notes] == [(2, "clock jumped by 3600 s")]


def test_old_verdicts_are_removed_and_the_chain_goes_on_from_the_last_of_them(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    for part in range(500):
        journal.record(verdict(str(part)))
    database = sqlite3.connect(tmp_path / "v.db", isolation_level=None)

    removed = retention.remove(database, "9999")
    again = retention.remove(database, "9999")
    journal.record(verdict("next"))
    journal.close()

    assert (removed, again) == (499, 0)
    assert rows(tmp_path / "v.db") == [("499",), ("next",)]
    with open_reader(tmp_path / "v.db") as reader:
        assert check(reader).faults == ()
    database.close()


def test_a_verdict_that_an_output_was_not_told_yet_is_not_removed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    journal.cursor("mqtt")
    for part in range(5):
        journal.record(verdict(str(part)))
    journal.told([Telling(2, "mqtt", "told")], ("mqtt", 2))
    database = sqlite3.connect(tmp_path / "v.db", isolation_level=None)

    retention.remove(database, "9999")

    journal.close()
    database.close()
    assert rows(tmp_path / "v.db") == [("2",), ("3",), ("4",)]


def test_what_stands_before_a_verdict_of_a_clock_that_was_wrong_is_not_removed_with_it(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    for part in range(6):
        journal.record(verdict(str(part)))
    database = sqlite3.connect(tmp_path / "v.db", isolation_level=None)
    # As after a start without a clock: 0 is old, 3 says so only.
    database.execute("UPDATE verdicts SET recorded_at = '1970-01-01' WHERE part IN ('0', '3')")

    removed = retention.remove(database, "1999")

    journal.close()
    database.close()
    assert removed == 1
    assert rows(tmp_path / "v.db") == [("1",), ("2",), ("3",), ("4",), ("5",)]


def test_a_clock_that_was_set_is_not_believed_for_a_day() -> None:
    clock = SteadyClock(1000.0, 10.0)

    steady = [
        clock.is_steady(wall, monotonic)
        for wall, monotonic in (
            (1100.0, 110.0),
            (1100.0 + 3600, 111.0),  # set on by an hour
            (1100.0 + 3700, 211.0),
            (1100.0 + 3600 + 86_399, 86_510.0),
            (1100.0 + 3600 + 86_400, 86_511.0),
        )
    ]

    assert steady == [True, False, False, False, True]


def times_begun(log: Path) -> int:
    """Return how often a write-ahead log was begun: SQLite counts that in its header."""
    return int.from_bytes(log.read_bytes()[12:16], "big")


def test_the_log_of_a_journal_that_is_never_idle_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(verdict("1"))
    log = tmp_path / "v.db-wal"
    first = times_begun(log)
    over = threading.Event()

    def announce() -> None:
        while not over.wait(0.001):
            journal.announce("2", time.monotonic())

    writers = [threading.Thread(target=announce) for _ in range(2)]
    for one in writers:
        one.start()
    try:
        until(lambda: times_begun(log) > first + 1, WAIT_S)
    finally:
        over.set()
        for one in writers:
            one.join()
        journal.close()


def test_the_log_that_killed_stations_leave_does_not_grow_with_each(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from edgecls_runtime.journal import Journal
from journals import SESSION, verdict
journal = Journal(Path({str(tmp_path / "v.db")!r}), SESSION)
for part in range(20):
    journal.record(verdict(str(part)))
os._exit(1)
"""
    lengths = []
    for _ in range(4):
        subprocess.run([sys.executable, "-c", code], check=False)
        lengths.append((tmp_path / "v.db-wal").stat().st_size)

    assert lengths[-1] < 1.5 * lengths[0], lengths


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign.db", tmp_path / "text.db"
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE orders (id)")
    database.commit()
    database.close()
    text.write_text("dear diary, " * 100, encoding="utf-8")
    before = foreign.read_bytes(), text.read_bytes()

    with pytest.raises(OutputError, match="foreign.db: a database, but not an edgecls journal; ch"):
        Journal(foreign, SESSION)
    with pytest.raises(OutputError, match="text.db: file is not a database; choose another file"):
        Journal(text, SESSION)

    assert (foreign.read_bytes(), text.read_bytes()) == before


# As edgecls wrote it before entries were chained.
THIRD = """
CREATE TABLE sessions (id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT,
    bundle TEXT NOT NULL, digest TEXT NOT NULL, variant TEXT NOT NULL, provider TEXT NOT NULL,
    camera TEXT NOT NULL, rule TEXT NOT NULL, placement TEXT NOT NULL) STRICT;
CREATE TABLE verdicts (id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions (id),
    part TEXT NOT NULL, frame_number INTEGER, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    label TEXT, score REAL, scores TEXT, recorded_at TEXT NOT NULL, latency_ms REAL, looks TEXT)
    STRICT;
CREATE INDEX verdicts_by_session ON verdicts (session, outcome);
INSERT INTO sessions VALUES (1, '2026-01-01', NULL, 'disc 0', 'a', 'fp32', 'cpu', '{}', '{}', '');
INSERT INTO verdicts VALUES (1, 1, 'old', 3, 'pass', 'ok scored 0.900', 'ok', 0.9, '{"ok": 0.9}',
    '2026-01-01T00:00:00.000+00:00', 12.5, NULL);
PRAGMA application_id = 1701014643;
"""
EARLIER = {
    1: "ALTER TABLE verdicts DROP COLUMN looks; ALTER TABLE sessions DROP COLUMN placement;",
    2: "ALTER TABLE verdicts DROP COLUMN looks;",
    3: "",
}


@pytest.mark.parametrize("version", EARLIER)
def test_a_journal_of_an_earlier_version_goes_on_with_its_verdicts(
    tmp_path: Path, version: int
) -> None:
    database = sqlite3.connect(tmp_path / "v.db")
    database.executescript(f"{THIRD}{EARLIER[version]}PRAGMA user_version = {version}")
    database.close()

    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(replace(verdict("new"), looks=LOOKS))
    journal.close()

    with open_reader(tmp_path / "v.db") as reader:
        old, new = reader.verdicts(0, 10)
        checked = check(reader)
    assert (old.part, old.prediction and old.prediction.label, old.latency) == ("old", "ok", 0.0125)
    assert (new.part, new.looks[0].name) == ("new", "lid")
    assert (checked.entries, checked.unchained, checked.faults) == (1, 1, ())


def test_the_places_of_a_part_are_kept_as_json_with_where_they_were(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)

    journal.record(verdict("whole"))
    journal.record(replace(verdict("17"), looks=LOOKS))
    journal.close()

    (whole,), (looks,) = rows(tmp_path / "v.db", "looks")
    assert whole is None
    assert json.loads(str(looks)) == [
        {
            "name": "lid",
            "outcome": "pass",
            "label": "ok",
            "score": 0.9,
            "outline": [[1, 2], [11, 2], [11.5, 22], [1, 22]],
        },
        {
            "name": "tile 3,1",
            "outcome": "review",
            "label": "dent",
            "score": None,
            "outline": [[1, 2], [11, 2], [11.5, 22], [1, 22]],
        },
    ]
    database = sqlite3.connect(tmp_path / "v.db")
    found = database.execute(
        "SELECT part, value ->> 'name' FROM verdicts, json_each(looks)"
        " WHERE value ->> 'outcome' = 'review'"
    ).fetchall()
    database.close()
    assert found == [("17", "tile 3,1")]


def test_a_journal_of_a_later_version_is_not_written_to(tmp_path: Path) -> None:
    Journal(tmp_path / "v.db", SESSION).close()
    database = sqlite3.connect(tmp_path / "v.db")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()

    with pytest.raises(OutputError, match="journal of version 5; this edgecls writes version 4"):
        Journal(tmp_path / "v.db", SESSION)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"journal .*file/v.db: .*; choose another file or place"):
        Journal(tmp_path / "file" / "v.db", SESSION)


def test_an_output_that_is_named_no_more_holds_up_no_removal(tmp_path: Path) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "v.db", SESSION, say=said.append)
    for name in ("mqtt", "webhook"):
        journal.cursor(name)
    for part in range(3):
        journal.record(verdict(str(part)))
    journal.told([], ("mqtt", 3))

    journal.forget_cursors(["mqtt"])

    database = sqlite3.connect(tmp_path / "v.db", isolation_level=None)
    retention.remove(database, "9999")
    database.close()
    journal.close()
    assert said == [f"journal {tmp_path}/v.db: output webhook is not told any more; forgotten"]
    assert rows(tmp_path / "v.db") == [("2",)]


def test_a_journal_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    Journal(tmp_path / "v.db", SESSION).close()

    assert (tmp_path / "v.db").stat().st_mode & 0o777 == 0o640
