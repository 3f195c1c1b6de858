"""Read a journal, also while a station writes it."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgecls.errors import ConfigError
from edgecls.verdict import Verdict
from edgecls_runtime.journal import rows, schema
from edgecls_runtime.journal.chain import VERDICT_COLUMNS, Value

COUNTED = ("pass", "fail", "review", "missed", "error")
COUNTS_AS = "CASE v.cause WHEN 'judged' THEN v.outcome ELSE v.cause END"
SELECT = (
    f"SELECT {', '.join(f'v.{column}' for column in VERDICT_COLUMNS)}, v.chain,"  # noqa: S608 - our own columns
    " s.bundle || ' ' || substr(s.digest, 1, 12) AS bundle"
    " FROM verdicts v JOIN sessions s ON s.id = v.session"
)
COUNT = f"SELECT {COUNTS_AS} AS what, count(*) AS n FROM verdicts v"  # noqa: S608 - likewise
PAGE = 500


@dataclass(frozen=True, slots=True)
class Query:
    """Which verdicts are wanted; all conditions must hold.

    Attributes:
        since: UTC, ISO 8601, such as ``2026-11-28`` or ``2026-11-28T06:00``: then or later.
        until: Recorded before.
        counts_as: Any of these.
        part: Exactly this id.
        text: Somewhere in the reason or the part's id, whatever its case.
        label: The answer.
        session: In this one.
        after: Rows behind this one.

    """

    since: str = ""
    until: str = ""
    counts_as: tuple[str, ...] = ()
    part: str = ""
    text: str = ""
    label: str = ""
    session: int = 0
    after: int = 0

    def where(self) -> tuple[str, list[Value]]:
        """Return the condition in SQL, and its values."""
        marks = ", ".join("?" * len(self.counts_as))
        like = f"%{self.text.translate(_ESCAPED)}%"
        found: list[tuple[object, str, list[Value]]] = [
            (self.since, "v.recorded_at >= ?", [self.since]),
            (self.until, "v.recorded_at < ?", [self.until]),
            (self.counts_as, f"{COUNTS_AS} IN ({marks})", [*self.counts_as]),
            (self.part, "v.part = ?", [self.part]),
            (
                self.text,
                r"(v.reason LIKE ? ESCAPE '\' OR v.part LIKE ? ESCAPE '\')",
                [like, like],
            ),
            (self.label, "v.label = ?", [self.label]),
            (self.session, "v.session = ?", [self.session]),
            (self.after, "v.id > ?", [self.after]),
        ]
        used = [(sql, values) for wanted, sql, values in found if wanted]
        condition = " AND ".join(sql for sql, _ in used) or "1"
        return condition, [value for _, values in used for value in values]


_ESCAPED = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


class Reader:
    """A journal, open to be read; threads may share it.

    Attributes:
        path: The database file.
        id: Of the journal.

    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        """Take an open connection; closed by this."""
        self.path, self._database = path, database
        self._lock = threading.Lock()
        database.row_factory = sqlite3.Row
        (self.id,) = database.execute("SELECT id FROM journal").fetchone()

    def verdicts(self, after: int, most: int) -> list[Verdict]:
        """Return the verdicts behind a row, oldest first.

        Args:
            after: Number of a row; 0 is before the first.
            most: No more than so many.

        """
        return list(self.found(Query(after=after), most))

    def found(
        self, query: Query, most: int | None = None, *, newest_first: bool = False
    ) -> Iterator[Verdict]:
        """Yield the verdicts of a query, page by page, so that a long answer needs no memory."""
        for row in self.rows(query, most, newest_first=newest_first):
            yield rows.verdict(row, self.id, str(row["bundle"]))

    def rows(
        self, query: Query, most: int | None = None, *, newest_first: bool = False
    ) -> Iterator[dict[str, Value]]:
        """Yield what ``found`` does, as columns."""
        order, behind = ("DESC", "v.id < ?") if newest_first else ("ASC", "v.id > ?")
        where, values = query.where()
        last: int = 2**62 if newest_first else 0
        left = 2**62 if most is None else most
        while left > 0:
            page = self._ask(
                f"{SELECT} WHERE {where} AND {behind} ORDER BY v.id {order} LIMIT ?",
                [*values, last, min(PAGE, left)],
            )
            if not page:
                return
            yield from page
            left -= len(page)
            last = int(page[-1]["id"] or 0)

    def verdict(self, verdict_id: str) -> Verdict | None:
        """Return one verdict by its id; None where this journal has none such."""
        number = verdict_id.removeprefix(f"{self.id}-")
        if not number.isdecimal():
            return None
        return next(iter(self.verdicts(int(number) - 1, 1)), None) if self._has(number) else None

    def counts(self, query: Query | None = None) -> dict[str, int]:
        """Return how many parts count as what.

        Returns:
            ``triggers``, which is the sum of ``pass``, ``fail``, ``review``, ``missed`` (also those
            that found a trigger's queue full) and ``error``, and of ``waiting`` (announced, and not
            judged yet); and ``incident``: verdicts of no part.

        """
        where, values = (query or Query()).where()
        found = {
            str(one["what"]): int(one["n"] or 0)
            for one in self._ask(f"{COUNT} WHERE {where} GROUP BY 1", values)
        }
        counted = {what: found.get(what, 0) for what in COUNTED}
        waiting = 0
        if query is None:  # what is no verdict has neither reason nor label to ask for
            (open_parts,) = self._ask("SELECT count(*) AS n FROM open_parts", [])
            (overrun,) = self._ask("SELECT coalesce(sum(overrun), 0) AS n FROM sessions", [])
            waiting = int(open_parts["n"] or 0)
            counted["missed"] += int(overrun["n"] or 0)
        triggers = sum(counted.values()) + waiting
        incident = found.get("incident", 0)
        return {"triggers": triggers, **counted, "waiting": waiting, "incident": incident}

    def table(self, name: str) -> list[dict[str, Value]]:
        """Return all of a small table, ``journal``, ``sessions`` or ``notes``, in its order."""
        return self._ask(f"SELECT * FROM {name} ORDER BY id", [])  # noqa: S608 - not a user's

    def runs(self) -> list[dict[str, Value]]:
        """Return each run: ``ended_at`` of its last session, parts ``announced`` and ``judged``.

        Runs of earlier versions of edgecls are left out, and those of which verdicts were removed.
        """
        return self._ask(
            "SELECT s.run, sum(s.announced) AS announced,"
            " CASE count(*) WHEN count(s.ended_at) THEN max(s.ended_at) END AS ended_at,"
            " (SELECT count(*) FROM verdicts v JOIN sessions o ON o.id = v.session"
            "  WHERE o.run = s.run AND v.announced_at IS NOT NULL) AS judged"
            " FROM sessions s WHERE s.run IS NOT NULL GROUP BY s.run"
            " HAVING min(s.id) > (SELECT removed_session FROM journal)",
            [],
        )

    def tellings(self, verdict: int) -> list[dict[str, Value]]:
        """Return what became of a verdict at outputs, by its row."""
        return self._ask("SELECT * FROM tellings WHERE verdict = ? ORDER BY id", [verdict])

    def close(self) -> None:
        """Let go of the file; closing twice is allowed."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _has(self, number: str) -> bool:
        return bool(self._ask("SELECT 1 AS n FROM verdicts WHERE id = ?", [int(number)]))

    def _ask(self, sql: str, values: Sequence[Value]) -> list[dict[str, Value]]:
        with self._lock:
            return [dict(row) for row in self._database.execute(sql, values)]


def version(path: Path) -> int:
    """Return the version of a journal that is there and that nobody writes; 0 for an empty file.

    Raises:
        ConfigError: It is somebody else's, damaged, or newer.

    """
    database = _connected(path, is_still=True)
    try:
        found, tables = schema.check(database)
    except sqlite3.Error as error:
        raise ConfigError(f"journal {path}: {error}") from error
    finally:
        database.close()
    return found if tables else 0


def _connected(path: Path, *, is_still: bool) -> sqlite3.Connection:
    name = path.absolute().as_posix().replace("?", "%3f").replace("#", "%23")
    # What a station that was killed left beside it belongs to it, and must be read too.
    alone = is_still and not path.with_name(f"{path.name}-wal").exists()
    return sqlite3.connect(
        f"file:{name}?mode=ro{'&immutable=1' if alone else ''}",
        uri=True,
        timeout=2.0,
        check_same_thread=False,
    )


def open_reader(path: Path, *, is_still: bool = False) -> Reader:
    """Open a journal to be read; nothing is written to it.

    Args:
        path: Its file.
        is_still: Nobody writes it meanwhile: then SQLite leaves no files of its own beside it.

    Raises:
        ConfigError: There is no journal, or it is of another version.

    """
    if not path.is_file():
        raise ConfigError(f"journal {path}: no such file; expected the [journal] path of a station")
    database = _connected(path, is_still=is_still)
    try:
        version, tables = schema.check(database)
        if not tables or version < schema.SCHEMA_VERSION:
            raise sqlite3.DatabaseError(
                f"journal of version {version}; this edgecls reads version "
                f"{schema.SCHEMA_VERSION}; a station that opens it brings it up to date"
            )
        return Reader(path, database)
    except sqlite3.Error as error:
        database.close()
        raise ConfigError(f"journal {path}: {error}") from error
