"""What the page remembers: bounded, and never in anybody's way."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import Verdict
from edgecls.errors import ConfigError, OutputError
from edgecls.frame import Frame
from edgecls_runtime.journal.reading import Query
from edgecls_runtime.web import history
from edgecls_runtime.web.history import History
from edgecls_runtime.web.hub import LATEST, MOST_CAMERAS, MOST_KEPT, Hub
from edgecls_runtime.web.status import Balance
from web_station import Station, drawn_part, station_of, verdict

FRAME = Frame(drawn_part(1, size=(9, 12)), 1, 0.0)


def with_frame(number: int, camera: str = "") -> Verdict:
    return replace(verdict(number), camera=camera, frame=FRAME)


def test_a_hub_keeps_one_frame_a_camera_and_a_few_verdicts() -> None:
    hub = Hub()
    for number in range(MOST_KEPT + 50):
        hub.send(with_frame(number))

    kept = hub.since(0)
    newest = hub.newest()

    assert len(kept) == MOST_KEPT
    assert all(told.verdict.frame is None for told in kept)
    assert newest is not None
    assert newest.verdict.frame is not None
    assert len(hub._latencies) <= LATEST


def test_a_hub_keeps_so_many_cameras_and_no_more() -> None:
    hub = Hub()
    for number in range(MOST_CAMERAS + 5):
        hub.send(with_frame(number, f"camera {number:02}"))

    assert hub.cameras == tuple(f"camera {n:02}" for n in range(5, MOST_CAMERAS + 5))


def test_a_hub_that_is_closed_lets_its_frames_go() -> None:
    hub = Hub()
    hub.send(with_frame(1))

    hub.close()
    hub.close()
    newest = hub.newest()

    assert newest is not None
    assert newest.verdict.frame is None


@pytest.mark.parametrize(
    ("balance", "is_balanced"),
    [
        (Balance(), True),
        (Balance(10, 4, 2, 1, 1, 1, 1), True),
        (Balance(10, 4, 2, 1, 1, 1, 0), False),
        (Balance(1, 1, incidents=5), True),
    ],
)
def test_a_balance_holds_or_is_said_not_to(balance: Balance, is_balanced: bool) -> None:
    assert balance.is_balanced is is_balanced


@pytest.fixture
def filled(tmp_path: Path) -> Station:
    with station_of(tmp_path) as station:
        for number in range(1, 60):
            station.judge(number, "fail" if number == 3 else "pass", tell=False)
        station.spread(24)
    return station


def test_a_search_that_takes_long_says_how_far_it_came_and_goes_on(
    filled: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHUNK", 10)
    journal = History(filled.journal_path, longest=0)

    steps, found = 0, journal.find(Query(counts_as=("fail",)))
    while not found.verdicts:
        assert found.next
        assert found.searched_to
        steps += 1
        found = journal.find(Query(counts_as=("fail",)), found.next)

    assert [one.part for one in found.verdicts] == ["bolt 3"]
    assert steps == 5


def test_a_search_finds_what_was_recorded_while_the_clock_stood_still(
    filled: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHUNK", 10)
    with closing(sqlite3.connect(filled.journal_path)) as database:
        database.execute("UPDATE verdicts SET recorded_at = '2026-11-28T06:00:00.000+00:00'")
        database.commit()
    journal = History(filled.journal_path)

    first = journal.find(Query(), most=40)
    second = journal.find(Query(), first.next, most=40)

    assert [one.part for one in (*first.verdicts, *second.verdicts)] == [
        f"bolt {number}" for number in range(59, 0, -1)
    ]


def test_a_search_in_a_long_journal_is_over_soon(filled: Station) -> None:
    with closing(sqlite3.connect(filled.journal_path)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(verdicts)")][1:]
        names = ", ".join(columns)
        for _ in range(12):  # 59 -> 240,000
            database.execute(f"INSERT INTO verdicts ({names}) SELECT {names} FROM verdicts")  # noqa: S608 - its own columns
        database.commit()
    began = time.monotonic()

    found = History(filled.journal_path, longest=0.3).find(Query(text="nowhere"))

    assert not found.verdicts
    assert time.monotonic() - began < 5
    with closing(sqlite3.connect(filled.journal_path)) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT recorded_at FROM verdicts WHERE (recorded_at, id) < (?, ?)"
            " AND recorded_at >= ? ORDER BY recorded_at DESC, id DESC LIMIT 1 OFFSET 20000",
            ("9", 0, "0"),
        ).fetchall()
    assert "verdicts_by_time" in plan[0][3]


def test_a_journal_that_is_gone_is_said(filled: Station) -> None:
    journal = History(filled.journal_path)
    filled.journal_path.unlink()

    with pytest.raises(OutputError) as caught:
        journal.find(Query())

    assert str(caught.value) == (
        f"journal {filled.journal_path}: unable to open database file; it cannot be read now"
    )


def test_no_journal_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        History(tmp_path / "none.db")

    assert str(caught.value) == (
        f"journal {tmp_path / 'none.db'}: no such file; expected the [journal] path of a station"
    )
