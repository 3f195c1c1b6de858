"""The journal as the page asks it: newest first, and never for long.

A reader keeps SQLite from emptying its log, and the disk busy. So a search looks at a few thousand
rows at a time; one that needs longer says how far back it came, and goes on from there when asked.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import ConfigError, OutputError
from edgecls.verdict import Verdict
from edgecls_runtime.journal import rows
from edgecls_runtime.journal.reading import COUNTS_AS, SELECT, Query, open_reader

MOST = 200
# Rows looked at before the clock is; so long a search may take.
CHUNK, LONGEST_S = 20_000, 1.5
# Before and after every time of the journal.
EVER, NEVER = "0", "9"
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        verdicts: Newest first.
        next: Where to go on: the next search's ``before``; empty when there is no more.
        searched_to: UTC: what was recorded before was not looked at; empty when all was.

    """

    verdicts: tuple[Verdict, ...] = ()
    next: str = ""
    searched_to: str = ""


class History:
    """A journal, read-only; used by one thread at a time.

    Attributes:
        path: The database file.
        longest: Seconds that a search may take.

    """

    def __init__(self, path: Path, longest: float = LONGEST_S) -> None:
        """Look that there is a journal.

        Raises:
            ConfigError: There is none, or it is of another version.

        """
        self.path, self.longest = path, longest
        with closing(open_reader(path)) as reader:
            self._id = reader.id

    def find(self, query: Query, before: str = "", most: int = 50) -> Found:
        """Search from the newest verdict back.

        Args:
            query: What is wanted.
            before: Where an earlier search ended: its ``Found.next``; empty begins anew.
            most: Verdicts at most.

        Raises:
            OutputError: The journal cannot be read.

        """
        with self._opened() as database:
            return self._find(
                database, query, min(before_of(before), (query.until or NEVER, 0)), most
            )

    def one(self, verdict_id: str) -> Verdict | None:
        """Return a verdict by its id; None where this journal does not have it.

        Raises:
            OutputError: The journal cannot be read.

        """
        journal, _, number = verdict_id.rpartition("-")
        if journal != self._id or not _is_number(number):
            return None
        with self._opened() as database:
            found = database.execute(f"{SELECT} WHERE v.id = ?", (int(number),)).fetchone()
        return None if found is None else self._verdict(found)

    def minutes(self, after: int, since: str) -> tuple[int, list[tuple[str, str, int]]]:
        """Count verdicts by the minute.

        Args:
            after: Only rows behind this one; 0 takes those since a time instead.
            since: UTC, ISO 8601.

        Returns:
            The last row, and (minute as ``2026-01-31T23:59``, counts as, how many).

        Raises:
            OutputError: The journal cannot be read.

        """
        where, value = ("v.id > ?", after) if after else ("v.recorded_at >= ?", since)
        with self._opened() as database:
            (last,) = database.execute("SELECT coalesce(max(id), 0) FROM verdicts").fetchone()
            counted = database.execute(
                f"SELECT substr(v.recorded_at, 1, 16), {COUNTS_AS}, count(*) FROM verdicts v"  # noqa: S608 - our own text
                f" WHERE {where} AND v.id <= ? GROUP BY 1, 2",
                (value, last),
            ).fetchall()
        return int(last), [(str(m), str(c), int(n)) for m, c, n in counted]

    def _find(
        self, database: sqlite3.Connection, query: Query, before: tuple[str, int], most: int
    ) -> Found:
        until, since = time.monotonic() + self.longest, query.since or EVER
        where, values = query.where()
        found: list[sqlite3.Row] = []
        while True:
            lower = _chunk_end(database, before, since)
            found += database.execute(
                f"{SELECT} WHERE (v.recorded_at, v.id) < (?, ?) AND v.recorded_at >= ?"
                f" AND {where} ORDER BY v.recorded_at DESC, v.id DESC LIMIT ?",
                (*before, lower, *values, most + 1 - len(found)),
            ).fetchall()
            if len(found) > most:
                last = found[most - 1]
                return Found(self._verdicts(found[:most]), f"{last['recorded_at']}~{last['id']}")
            if lower == since:
                return Found(self._verdicts(found))
            before = lower, 0
            if time.monotonic() > until:
                return Found(self._verdicts(found), f"{lower}~0", lower)

    def _verdicts(self, found: list[sqlite3.Row]) -> tuple[Verdict, ...]:
        return tuple(self._verdict(row) for row in found)

    def _verdict(self, row: sqlite3.Row) -> Verdict:
        return rows.verdict(dict(row), self._id, str(row["bundle"]))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one question: a connection that stays would outlive its file."""
        try:
            with closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
            ) as database:
                database.row_factory = sqlite3.Row
                yield database
        except sqlite3.Error as error:
            raise OutputError(f"journal {self.path}: {error}; it cannot be read now") from error


def before_of(text: str) -> tuple[str, int]:
    """Return the time and the row that a search goes on before.

    Raises:
        ConfigError: The text is not what an earlier search gave.

    """
    if not text:
        return NEVER, 0
    at, _, number = text.rpartition("~")
    if not at or not _is_number(number):
        raise ConfigError(f"before: {text!r}; expected what an earlier search gave as next")
    return at, int(number)


def _chunk_end(database: sqlite3.Connection, before: tuple[str, int], since: str) -> str:
    """Return the time of the row a chunk before a place, at the earliest ``since``."""
    found = database.execute(
        "SELECT recorded_at FROM verdicts WHERE (recorded_at, id) < (?, ?) AND recorded_at >= ?"
        " ORDER BY recorded_at DESC, id DESC LIMIT 1 OFFSET ?",
        (*before, since, CHUNK),
    ).fetchone()
    # Rows of one moment, as of a clock that stood still, are looked at together.
    return since if found is None or found[0] == before[0] else str(found[0])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
