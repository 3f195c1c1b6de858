"""Each entry of a journal holds the hash of the one before: what was changed later is found.

An entry is bound to everything its row says, to the session that judged it (and with that to the
digest of the bundle), and to the pixels that the network got. Whoever can write the file can make
the whole chain anew, or cut its end off: note the head somewhere else, or compare with what outputs
were told.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence

# What of a session is hashed with each of its entries; its end and its counters come later.
SESSION_COLUMNS = (
    "id",
    "started_at",
    "bundle",
    "digest",
    "variant",
    "provider",
    "camera",
    "rule",
    "placement",
    "recipe",
    "software",
)
VERDICT_COLUMNS = (
    "id",
    "session",
    "part",
    "frame_number",
    "outcome",
    "reason",
    "label",
    "score",
    "scores",
    "recorded_at",
    "latency_ms",
    "looks",
    "camera",
    "cause",
    "announced_at",
    "waited_ms",
    "recipe",
    "image_sha256",
)

Value = str | int | float | None


def genesis(journal: str) -> str:
    """Return what the first entry of a journal follows.

    Args:
        journal: Its id.

    """
    return hashlib.sha256(f"edgecls journal {journal}".encode()).hexdigest()


def session_hash(values: Sequence[Value]) -> str:
    """Return the hash of a session.

    Args:
        values: Of ``SESSION_COLUMNS``, as SQLite returns them.

    """
    return _hash(values)


def hash_of_session(database: sqlite3.Connection, number: int) -> str:
    """Return the hash of a session that a journal holds."""
    columns = ", ".join(SESSION_COLUMNS)
    found = database.execute(f"SELECT {columns} FROM sessions WHERE id = ?", (number,)).fetchone()  # noqa: S608 - our own columns
    return session_hash(found)


def entry(previous: str, session: str, values: Sequence[Value]) -> str:
    """Return the hash of a verdict's row.

    Args:
        previous: Hash of the entry before.
        session: Hash of the session that judged it.
        values: Of ``VERDICT_COLUMNS``, as SQLite returns them.

    """
    return _hash([previous, session, *values])


def _hash(values: Sequence[Value]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
