"""The tables of a journal, and how those of an older version become them."""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

APPLICATION_ID = 0x65636C73  # "ecls"
SCHEMA_VERSION = 4
_ROOMS_OF_4 = """
CREATE TABLE journal (
    id TEXT NOT NULL,
    removed_through INTEGER NOT NULL DEFAULT 0,
    removed_session INTEGER NOT NULL DEFAULT 0,
    removed_chain TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE open_parts (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    camera TEXT NOT NULL,
    part TEXT NOT NULL,
    announced_at TEXT NOT NULL
) STRICT;
CREATE INDEX open_parts_by_part ON open_parts (part);
CREATE TABLE tellings (
    id INTEGER PRIMARY KEY,
    verdict INTEGER NOT NULL,
    output TEXT NOT NULL,
    told_at TEXT NOT NULL,
    after_ms REAL,
    state TEXT NOT NULL CHECK (state IN ('told', 'late', 'failed', 'dropped')),
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX tellings_by_verdict ON tellings (verdict);
CREATE TABLE cursors (output TEXT PRIMARY KEY, verdict INTEGER NOT NULL) STRICT;
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    noted_at TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_by_part ON verdicts (part);
CREATE INDEX verdicts_by_time ON verdicts (recorded_at);
"""
SCHEMA = f"""
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
    placement TEXT NOT NULL,
    recipe TEXT NOT NULL DEFAULT '',
    software TEXT NOT NULL DEFAULT '',
    run INTEGER,
    announced INTEGER NOT NULL DEFAULT 0,
    overrun INTEGER NOT NULL DEFAULT 0
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
    looks TEXT,
    camera TEXT NOT NULL DEFAULT '',
    cause TEXT NOT NULL DEFAULT 'judged',
    announced_at TEXT,
    waited_ms REAL,
    recipe TEXT NOT NULL DEFAULT '',
    image_sha256 TEXT NOT NULL DEFAULT '',
    chain TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX verdicts_by_session ON verdicts (session, outcome);
{_ROOMS_OF_4}
"""

# From each version to the next, in one transaction each.
MIGRATIONS = {
    1: "ALTER TABLE sessions ADD COLUMN placement TEXT NOT NULL DEFAULT '';",
    2: "ALTER TABLE verdicts ADD COLUMN looks TEXT;",
    3: f"""
ALTER TABLE sessions ADD COLUMN recipe TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN software TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN run INTEGER;
ALTER TABLE sessions ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN overrun INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verdicts ADD COLUMN camera TEXT NOT NULL DEFAULT '';
ALTER TABLE verdicts ADD COLUMN cause TEXT NOT NULL DEFAULT 'judged';
ALTER TABLE verdicts ADD COLUMN announced_at TEXT;
ALTER TABLE verdicts ADD COLUMN waited_ms REAL;
ALTER TABLE verdicts ADD COLUMN recipe TEXT NOT NULL DEFAULT '';
ALTER TABLE verdicts ADD COLUMN image_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE verdicts ADD COLUMN chain TEXT NOT NULL DEFAULT '';
{_ROOMS_OF_4}
""",
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
    recipe: str = ""
    software: str = ""


def prepare(database: sqlite3.Connection) -> None:
    """Make the tables of a new file, or bring those of an older version up to date.

    Raises:
        sqlite3.DatabaseError: The file is somebody else's, or of a newer version.

    """
    version, tables = check(database)
    database.execute("PRAGMA journal_mode = WAL")
    # The log is moved into the file by a thread of its own, never by whoever records a verdict.
    database.execute("PRAGMA wal_autocheckpoint = 0")
    while tables and version < SCHEMA_VERSION:
        named = _identity() if version == SCHEMA_VERSION - 1 else ""
        database.executescript(
            f"BEGIN; {MIGRATIONS[version]} {named} PRAGMA user_version = {version + 1}; COMMIT;"
        )
        version += 1
    if not tables:
        database.executescript(
            f"BEGIN; {SCHEMA} {_identity()} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def check(database: sqlite3.Connection) -> tuple[int, int]:
    """Return the version of a journal and its number of tables; none is a new file.

    Raises:
        sqlite3.DatabaseError: The file is somebody else's, or of a newer version.

    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise sqlite3.DatabaseError("a database, but not an edgecls journal")
    if tables and not 1 <= version <= SCHEMA_VERSION:
        raise sqlite3.DatabaseError(
            f"journal of version {version}; this edgecls writes version {SCHEMA_VERSION}"
        )
    return version, tables


def now() -> str:
    """Wall-clock time in UTC, for people; durations are measured on the monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _identity() -> str:
    return f"INSERT INTO journal (id) VALUES ('{secrets.token_hex(6)}');"  # noqa: S608 - digits
