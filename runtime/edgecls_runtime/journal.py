"""The durable record of verdicts: SQLite in WAL mode, one transaction a part.

A verdict that ``record`` has returned from survives a power cut. The file can be read by any SQLite
tool while the station runs; ``docs/journal.md`` describes the tables.
"""

import json
import sqlite3
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecls.errors import OutputError
from edgecls.verdict import Verdict

APPLICATION_ID = 0x65636C73  # "ecls"
SCHEMA_VERSION = 3
# Of a thousand labels the best few say why; a thousand numbers a part would fill the disk.
KEPT_SCORES = 5
SCHEMA = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    bundle TEXT NOT NULL,
    digest TEXT NOT NULL,
    variant TEXT NOT NULL,
    provider TEXT NOT NULL,
    camera TEXT NOT NULL,
    rule TEXT NOT NULL,
    placement TEXT NOT NULL
) STRICT;
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    part TEXT NOT NULL,
    frame_number INTEGER,
    outcome TEXT NOT NULL CHECK (outcome IN ('pass', 'fail', 'review')),
    reason TEXT NOT NULL,
    label TEXT,
    score REAL,
    scores TEXT,
    recorded_at TEXT NOT NULL,
    latency_ms REAL,
    looks TEXT
) STRICT;
CREATE INDEX verdicts_by_session ON verdicts (session, outcome);
"""


# From each version to the next, in one transaction each.
MIGRATIONS = {
    1: "ALTER TABLE sessions ADD COLUMN placement TEXT NOT NULL DEFAULT ''",
    2: "ALTER TABLE verdicts ADD COLUMN looks TEXT",
}


@dataclass(frozen=True, slots=True)
class SessionLine:
    """What judged the parts of one run, as the journal keeps it: all text, for people."""

    bundle: str
    digest: str
    variant: str
    provider: str
    camera: str
    rule: str
    placement: str


class Journal:
    """An open journal, with one session begun.

    Attributes:
        path: The database file.
        recorded: Verdicts of this session that are durable.

    """

    def __init__(self, path: Path, session: SessionLine) -> None:
        """Open or create a journal and begin a session.

        Raises:
            OutputError: The file is not a journal, is newer, or cannot be written.

        """
        self.path, self.recorded = path, 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Stations of several cameras write in turns, from threads of their own.
            self._database = sqlite3.connect(
                path, isolation_level=None, timeout=2.0, check_same_thread=False
            )
            self._prepare()
            self._session = self._begin(session)
        except (sqlite3.Error, OSError) as error:
            raise OutputError(f"journal {path}: {error}; choose another file or place") from error

    def record(self, verdict: Verdict) -> None:
        """Make one verdict durable.

        Raises:
            OutputError: It could not be written, as on a full disk. What was recorded before stays.

        """
        prediction, latency = verdict.prediction, verdict.latency
        row = (
            self._session,
            verdict.part,
            verdict.frame_number,
            verdict.outcome,
            verdict.reason,
            prediction and prediction.label,
            prediction and prediction.score,
            prediction and json.dumps({k: round(v, 6) for k, v in prediction.top(KEPT_SCORES)}),
            _now(),
            None if latency is None else round(1000 * latency, 3),
            json.dumps([look.table() for look in verdict.looks]) if verdict.looks else None,
        )
        try:
            self._database.execute(
                "INSERT INTO verdicts (session, part, frame_number, outcome, reason, label, score,"
                " scores, recorded_at, latency_ms, looks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        except sqlite3.Error as error:
            raise OutputError(
                f"journal {self.path}: {error}; {self.recorded} verdicts of this session are kept; "
                f"part {verdict.part} is not: free space and start again"
            ) from error
        self.recorded += 1

    def begin(self, session: SessionLine) -> None:
        """End the session and begin the next: something else judges from here on.

        Raises:
            OutputError: It could not be written.

        """
        try:
            self._end()
            self._session = self._begin(session)
        except sqlite3.Error as error:
            raise OutputError(
                f"journal {self.path}: {error}; free space and start again"
            ) from error

    def close(self) -> None:
        """End the session; closing twice is allowed."""
        # A session without an end is one that did not end well; its verdicts are kept.
        with suppress(sqlite3.Error):
            self._end()
        self._database.close()

    def _end(self) -> None:
        self._database.execute(
            "UPDATE sessions SET ended_at = ? WHERE id = ?", (_now(), self._session)
        )

    def _prepare(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise sqlite3.DatabaseError("a database, but not an edgecls journal")
        if tables and not 1 <= version <= SCHEMA_VERSION:
            raise sqlite3.DatabaseError(
                f"journal of version {version}; this edgecls writes version {SCHEMA_VERSION}"
            )
        self._database.execute("PRAGMA journal_mode = WAL")
        # FULL: the log is synced at every commit, so that a power cut loses no verdict.
        self._database.execute("PRAGMA synchronous = FULL")
        while tables and version < SCHEMA_VERSION:
            self._database.executescript(
                f"BEGIN; {MIGRATIONS[version]}; PRAGMA user_version = {version + 1}; COMMIT;"
            )
            version += 1
        if not tables:
            self._database.executescript(
                f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    def _begin(self, session: SessionLine) -> int:
        values = {"started_at": _now(), **asdict(session)}
        cursor = self._database.execute(
            f"INSERT INTO sessions ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - our own columns
            tuple(values.values()),
        )
        assert cursor.lastrowid is not None  # noqa: S101 - SQLite sets it after every INSERT
        return cursor.lastrowid


def _now() -> str:
    """Wall-clock time in UTC, for people; durations are measured on the monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
