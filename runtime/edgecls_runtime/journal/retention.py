"""Remove verdicts that are too old; the chain goes on from the last one that was removed."""

import sqlite3
from itertools import takewhile

# In one transaction: a verdict that is to be recorded waits no longer than for these.
AT_ONCE = 200


def remove(database: sqlite3.Connection, before: str) -> int:
    """Remove old verdicts, with what was told of them, and old notes; sessions stay.

    The newest verdict stays, and those that some output was not told yet.

    Args:
        database: Of a connection that is in no transaction.
        before: UTC, as the journal writes it; what was recorded earlier goes.

    Returns:
        How many verdicts were removed.

    """
    total = 0
    while removed := _remove_some(database, before):
        total += removed
    return total


def _remove_some(database: sqlite3.Connection, before: str) -> int:
    database.execute("BEGIN IMMEDIATE")
    try:
        oldest = database.execute(
            "SELECT id, session, chain, recorded_at FROM verdicts"
            " WHERE id < (SELECT max(id) FROM verdicts)"
            " AND id <= (SELECT coalesce(min(verdict), 9e18) FROM cursors)"
            " ORDER BY id LIMIT ?",
            (AT_ONCE,),
        ).fetchall()
        # Up to the first that is new: behind it stands what a clock that was wrong calls old.
        found = [*takewhile(lambda row: row[3] < before, oldest)]
        if found:
            number, session, chain, _ = found[-1]
            database.execute("DELETE FROM verdicts WHERE id <= ?", (number,))
            database.execute("DELETE FROM tellings WHERE verdict <= ?", (number,))
            database.execute(
                "UPDATE journal SET removed_through = ?, removed_session = ?, removed_chain = ?",
                (number, session, chain),
            )
            database.execute("DELETE FROM notes WHERE noted_at < ?", (before,))
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return len(found)
