"""Asking a journal: what was changed afterwards is found, what is asked for is told."""

import contextlib
import csv
import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import Outcome, Verdict
from edgecls.cli import main
from edgecls.errors import ConfigError
from edgecls.verdict import Cause
from edgecls_runtime.journal import Journal, SessionLine, open_reader
from edgecls_runtime.journal.checking import Checked, check
from edgecls_runtime.journal.exporting import WRITERS, export
from edgecls_runtime.journal.ledger import Telling
from edgecls_runtime.journal.reading import Query
from journals import SESSION, verdict

FAIL = Verdict(Outcome.FAIL, "dent scored 0.950", part="bolt 7")
LOST = Verdict(Outcome.REVIEW, "no frame within 1 s", part="8", cause=Cause.ERROR)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of eight verdicts, of two sessions."""
    path = tmp_path / "v.db"
    writing = Journal(path, SESSION)
    for part in range(5):
        writing.record(verdict(str(part)))
    writing.begin(replace(SESSION, digest="def"))
    writing.record(FAIL)
    writing.told([Telling(6, "gate", "told", 1.25)])
    writing.record(LOST)
    writing.record(Verdict(Outcome.REVIEW, "trigger lost", cause=Cause.INCIDENT))
    writing.close()
    return path


def checked(path: Path, head: str = "") -> Checked:
    with open_reader(path) as reader:
        return check(reader, head)


def change(path: Path, sql: str) -> None:
    database = sqlite3.connect(path)
    database.executescript(sql)
    database.close()


def test_a_journal_that_nobody_changed_holds(journal: Path) -> None:
    found = checked(journal)

    assert (found.entries, found.faults, found.head_row) == (8, (), 8)


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE verdicts SET outcome = 'pass' WHERE id = 6", "row 6, part bolt 7: does not fit"),
        ("UPDATE verdicts SET score = 0.91 WHERE id = 2", "row 2, part 1: does not fit its hash"),
        ("UPDATE verdicts SET image_sha256 = 'x' WHERE id = 2", "row 2, part 1: does not fit"),
        ("DELETE FROM verdicts WHERE id = 3", "row 4: follows row 2; expected 3: entries were"),
        ("UPDATE sessions SET digest = 'x' WHERE id = 2", "row 6, part bolt 7: does not fit"),
        ("UPDATE verdicts SET session = 1 WHERE id = 6", "row 6, part bolt 7: does not fit"),
        ("UPDATE verdicts SET chain = '' WHERE id = 2", "row 2, part 1: does not fit its hash"),
        ("DELETE FROM verdicts WHERE id = 1", "row 2, part 1: does not fit its hash"),
    ],
    ids=[
        "an outcome", "a score", "a picture's hash", "a row taken out", "the bundle's digest",
        "another bundle's", "a hash taken out", "the first row",
    ],
)  # fmt: skip
def test_what_was_changed_afterwards_is_found(journal: Path, sql: str, fault: str) -> None:
    change(journal, sql)

    found = checked(journal)

    assert found.faults[0].startswith(fault)


def test_an_end_that_was_cut_off_is_found_by_a_hash_that_was_noted(journal: Path) -> None:
    head = checked(journal).head
    change(journal, "DELETE FROM verdicts WHERE id > 6")

    without, noted = checked(journal), checked(journal, head[:16])

    assert without.faults == ()
    assert noted.faults == (f"no entry has the hash {head[:16]}; expected the one noted earlier",)
    assert checked(journal, without.head[:16]).faults == ()


def test_a_part_that_was_announced_and_has_no_verdict_is_found(tmp_path: Path) -> None:
    writing = Journal(tmp_path / "v.db", SESSION)
    for part in ("1", "2"):
        writing.announce(part, time.monotonic())
        writing.record(replace(verdict(part), announced_at=time.monotonic()))
    writing.close()
    balanced = checked(tmp_path / "v.db")
    change(tmp_path / "v.db", "UPDATE sessions SET announced = 3")

    found = checked(tmp_path / "v.db")

    assert balanced.faults == ()
    assert found.faults == ("run of session 1: 3 parts were announced, 2 have a verdict",)


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (Query(counts_as=("fail", "error")), ["bolt 7", "8"]),
        (Query(part="3"), ["3"]),
        (Query(text="DENT"), ["bolt 7"]),
        (Query(text="100%"), []),
        (Query(text="_"), []),
        (Query(label="ok", after=3), ["3", "4"]),
        (Query(session=2), ["bolt 7", "8", ""]),
        (Query(since="9999"), []),
        (Query(until="9999", counts_as=("incident",)), [""]),
    ],
)
def test_verdicts_are_found_by_what_they_say(journal: Path, query: Query, parts: list[str]) -> None:
    with open_reader(journal) as reader:
        found = [one.part for one in reader.found(query)]
        newest = [one.part for one in reader.found(query, 1, newest_first=True)]

    assert found == parts
    assert newest == parts[-1:]


@pytest.mark.parametrize("ending", WRITERS)
def test_every_verdict_is_exported_and_can_be_read_by_others(
    journal: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"found{ending}"

    with open_reader(journal) as reader:
        count = export(reader, Query(), target)

    found = read(target)
    assert count == len(found) == 8
    assert [row["part"] for row in found] == ["0", "1", "2", "3", "4", "bolt 7", "8", ""]
    assert float(found[0]["score"]) == 0.9
    assert found[0]["bundle"] == "disc 1 abc"
    assert len({row["id"] for row in found}) == 8


def read(file: Path) -> list[dict[str, str]]:
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    if file.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'edgecls[parquet]'")
        rows: list[dict[str, str]] = parquet.read_table(file).to_pylist()
        return rows
    text = file.read_text(encoding="utf-8")
    found: list[dict[str, str]] = (
        json.loads(text) if file.suffix == ".json" else [json.loads(t) for t in text.splitlines()]
    )
    return found


def test_a_part_that_reads_like_a_formula_is_text_in_a_spreadsheet(tmp_path: Path) -> None:
    writing = Journal(tmp_path / "v.db", SESSION)
    writing.record(verdict("=1+1"))
    writing.close()

    with open_reader(tmp_path / "v.db") as reader:
        export(reader, Query(), tmp_path / "v.csv")

    assert read(tmp_path / "v.csv")[0]["part"] == "'=1+1"


def test_a_file_that_is_there_is_not_written_over(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("mine", encoding="utf-8")

    with open_reader(journal) as reader:
        with pytest.raises(ConfigError, match="v.csv: exists; expected the name of a new file"):
            export(reader, Query(), tmp_path / "v.csv")
        with pytest.raises(ConfigError, match="v.xls: expected a name that ends in .csv, .json"):
            export(reader, Query(), tmp_path / "v.xls")

    assert (tmp_path / "v.csv").read_text(encoding="utf-8") == "mine"


def test_the_command_tells_a_verdict_with_who_was_told(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["journal", "list", str(journal), "--outcome", "fail", "--json"])
    (listed,) = json.loads(capsys.readouterr().out)

    code = main(["journal", "show", str(journal), listed["id"]])

    shown = capsys.readouterr().out
    assert code == 0
    assert "reason        dent scored 0.950" in shown
    assert "told          gate: told 1.25 ms after the decision" in shown


def test_the_command_says_whether_the_journal_holds(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = main(["journal", "verify", str(journal)])
    held = capsys.readouterr().out
    change(journal, "UPDATE verdicts SET outcome = 'pass' WHERE id = 6")

    after = main(["journal", "verify", str(journal)])

    assert (before, after) == (0, 1)
    assert "8 entries: the chain holds" in held
    assert "8 entries: the chain does not hold" in capsys.readouterr().out


def test_the_command_counts_so_that_it_balances(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["journal", "counts", str(journal)])

    assert capsys.readouterr().out == (
        "7 parts = 5 pass + 1 fail + 0 review + 0 missed + 1 error + 0 waiting; 1 incidents\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["list", "none.db"], "journal none.db: no such file; expected the [journal] path of a"),
        (["show", "V"], "show: no verdict named; expected its id, as edgecls journal list says"),
        (["show", "V", "x-1"], "x-1: not in "),
        (["export", "V"], "--to: required; expected a file that ends in .csv, .json"),
        (["list", "T"], "journal T: file is not a database"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(
    journal: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    journal.rename(journal.with_name("V"))
    journal.with_name("T").write_text("dear diary, " * 1000, encoding="utf-8")

    with contextlib.chdir(journal.parent):
        code = main(["journal", *arguments])

    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith(f"edgecls journal: {text}")
    assert said.count("\n") == 1


def test_a_journal_of_an_older_version_is_not_read(tmp_path: Path) -> None:
    Journal(tmp_path / "v.db", SessionLine(*("x",) * 7)).close()
    change(tmp_path / "v.db", "PRAGMA user_version = 3")

    with pytest.raises(ConfigError, match="of version 3; this edgecls reads version 4; a station"):
        open_reader(tmp_path / "v.db")
