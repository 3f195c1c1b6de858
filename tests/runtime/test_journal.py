"""The journal, specified: what it has taken, it keeps; what it cannot take, it says."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls import Look, Outcome, Prediction, Verdict
from edgecls.errors import OutputError
from edgecls_runtime.journal import SCHEMA_VERSION, Journal, SessionLine

SESSION = SessionLine("disc 1", "abc", "int8", "CPUExecutionProvider", "{}", "{}", "100 %")
OUTLINE = ((1.0, 2.0), (11.0, 2.0), (11.46, 22.0), (1.0, 22.0))
LOOKS = (
    Look("lid", OUTLINE, Outcome.PASS, "ok", 0.9),
    Look("tile 3,1", OUTLINE, Outcome.REVIEW, "dent", float("nan")),
)
PREDICTION = Prediction(np.array([0.9, 0.1], np.float32), ("ok", "dent"))


def verdict(part: str) -> Verdict:
    return Verdict(Outcome.PASS, "ok scored 0.900", PREDICTION, part, 3, 10.0, 10.0125)


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
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_journal import Journal, SESSION, verdict
journal = Journal(Path({str(tmp_path / "v.db")!r}), SESSION)
journal.record(verdict("1"))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ})

    assert rows(tmp_path / "v.db") == [("1",)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_it_stops_with_an_error_and_keeps_what_it_has(small_disk: Path) -> None:
    path = small_disk / "v.db"
    journal = Journal(path, SESSION)

    with pytest.raises(OutputError, match=r"disk.*full|disk I/O error") as caught:
        for part in range(100_000):
            journal.record(verdict(str(part)))

    assert journal.recorded > 10
    assert f"{journal.recorded} verdicts of this session are kept" in str(caught.value)
    assert f"part {journal.recorded} is not: free space and start again" in str(caught.value)
    journal.close()
    assert rows(path) == [(str(part),) for part in range(journal.recorded)]


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


def test_a_journal_of_the_first_version_goes_on_with_its_verdicts(tmp_path: Path) -> None:
    Journal(tmp_path / "v.db", SESSION).close()
    database = sqlite3.connect(tmp_path / "v.db")
    database.executescript(
        "ALTER TABLE verdicts DROP COLUMN looks; ALTER TABLE sessions DROP COLUMN placement;"
        "PRAGMA user_version = 1"
    )
    database.close()

    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(verdict("1"))
    journal.close()

    database = sqlite3.connect(tmp_path / "v.db")
    found = database.execute("SELECT placement FROM sessions ORDER BY id").fetchall()
    database.close()
    assert found == [("",), ("100 %",)]
    assert rows(tmp_path / "v.db", "session, part") == [(2, "1")]


def test_a_journal_of_the_second_version_learns_to_keep_places(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(verdict("old"))
    journal.close()
    database = sqlite3.connect(tmp_path / "v.db")
    database.executescript("ALTER TABLE verdicts DROP COLUMN looks; PRAGMA user_version = 2")
    database.close()

    journal = Journal(tmp_path / "v.db", SESSION)
    journal.record(replace(verdict("new"), looks=LOOKS))
    journal.close()

    (old, new) = rows(tmp_path / "v.db", "part, looks")
    database = sqlite3.connect(tmp_path / "v.db")
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    database.close()
    assert old == ("old", None)
    assert new[0] == "new"
    assert json.loads(str(new[1]))[0]["name"] == "lid"


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

    with pytest.raises(OutputError, match="journal of version 4; this edgecls writes version 3"):
        Journal(tmp_path / "v.db", SESSION)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"journal .*file/v.db: .*; choose another file or place"):
        Journal(tmp_path / "file" / "v.db", SESSION)
