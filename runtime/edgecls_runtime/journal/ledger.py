"""The rows of a journal as they are written: whole transactions, each entry chained to the last."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.journal import chain, rows, schema
from edgecls_runtime.journal.schema import SessionLine

INSERTED = (*chain.VERDICT_COLUMNS, "chain")
INSERT = f"INSERT INTO verdicts ({', '.join(INSERTED)}) VALUES ({', '.join('?' * len(INSERTED))})"  # noqa: S608 - our own columns


@dataclass(frozen=True, slots=True)
class Telling:
    """What became of one verdict at one output.

    Attributes:
        verdict: Its row.
        output: Name of the output.
        state: ``told``; ``late``: no more in time, and not told; ``failed``; ``dropped``: the
            output was too far behind.
        after_ms: From the decision to the moment that the other side had it; None of a verdict
            that an earlier run decided.
        reason: Why it was not told.

    """

    verdict: int
    output: str
    state: str
    after_ms: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Left:
    """A part that was announced and never judged: in which session, and when."""

    session: int
    announced_at: str


class Ledger:
    """An open file with one session begun; its user sees to it that one thread writes at a time.

    Everything here raises ``sqlite3.Error``, and then nothing was changed.

    Attributes:
        id: Tells the journal from all others; begins the id of each verdict.

    """

    def __init__(self, path: Path, session: SessionLine, say: Callable[[str], object]) -> None:
        """Open or create the file, and begin a session and with it a run.

        Args:
            path: The database file; a damaged one is kept aside, and a new one begun.
            session: What judges.
            say: Told of a damaged file.

        """
        self._database = _opened(path, say)
        self._run: int | None = None
        try:
            self.begin(session)
        except BaseException:
            self._database.close()
            raise

    def begin(self, session: SessionLine) -> None:
        """Begin a session; the run goes on."""
        values = {"started_at": schema.now(), **asdict(session)}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._transaction(durable=True):
            number = self._database.execute(
                f"INSERT INTO sessions ({names}) VALUES ({marks})",  # noqa: S608 - our own columns
                tuple(values.values()),
            ).lastrowid
            assert number is not None  # noqa: S101 - SQLite sets it after every INSERT
            run = self._run or number
            self._database.execute("UPDATE sessions SET run = ? WHERE id = ?", (run, number))
        self._session, self._run = number, run
        self._hash = chain.session_hash([number, *values.values()])
        self._bundle = f"{session.bundle} {session.digest[:12]}".strip()
        self.id, self._last, self._head = self._newest()

    def end(self, announced: int, overrun: int) -> None:
        """End the session, with what was counted in it: as of ``Journal``."""
        with self._transaction(durable=True):
            self._database.execute(
                "UPDATE sessions SET ended_at = ?, announced = ?, overrun = ? WHERE id = ?",
                (schema.now(), announced, overrun, self._session),
            )

    def announce(self, part: str, camera: str, at: float) -> None:
        """Keep a part that was announced; not synced, so that it survives all but a power cut."""
        with self._transaction(durable=False):
            self._database.execute(
                "INSERT INTO open_parts (session, camera, part, announced_at) VALUES (?, ?, ?, ?)",
                (self._session, camera, rows.text(part), rows.wall_clock(at)),
            )

    def write(
        self, verdict: Verdict, left: _Left | None = None, *, durable: bool = True
    ) -> Verdict:
        """Write one verdict and end its part, in one transaction; ``durable`` as in those."""
        number = self._last + 1
        kept = replace(
            verdict,
            id=rows.verdict_id(self.id, number),
            recorded_at=schema.now(),
            bundle=self._bundle,
        )
        row = {"id": number, "session": self._session, **rows.row(kept)}
        bound_to = self._hash
        if left is not None:
            row |= {"session": left.session, "announced_at": left.announced_at}
            bound_to = chain.hash_of_session(self._database, left.session)
        values = [row[column] for column in chain.VERDICT_COLUMNS]
        head = chain.entry(self._head, bound_to, values)
        with self._transaction(durable=durable):
            self._database.execute(INSERT, (*values, head))
            if verdict.cause is not Cause.INCIDENT:  # its number may be a part's that still waits
                self._database.execute(
                    "DELETE FROM open_parts"
                    " WHERE id = (SELECT min(id) FROM open_parts WHERE part = ?)",
                    (rows.text(verdict.part),),
                )
        self._last, self._head = number, head
        return kept

    def end_parts(self, reason: str) -> int:
        """Write a verdict for every part that has none, in the session that left it open.

        Returns:
            How many.

        """
        parts = self._database.execute(
            "SELECT session, part, camera, announced_at FROM open_parts ORDER BY id"
        ).fetchall()
        for left, (session, part, camera, announced_at) in enumerate(parts, 1 - len(parts)):
            missed = Verdict(
                Outcome.REVIEW, f"missed: {reason}", part=part, camera=camera, cause=Cause.MISSED
            )
            # Synced once, with the last: thousands may wait, and a stop has its time.
            self.write(missed, _Left(session, announced_at), durable=not left)
        return len(parts)

    def tell(self, tellings: Sequence[Telling], through: tuple[str, int] | None) -> None:
        """Keep what became of verdicts at outputs, as ``Journal.told``."""
        lines = [
            (one.verdict, one.output, schema.now(), one.after_ms, one.state, rows.text(one.reason))
            for one in tellings
        ]
        with self._transaction(durable=False):
            self._database.executemany(
                "INSERT INTO tellings (verdict, output, told_at, after_ms, state, reason)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                lines,
            )
            if through:
                self._database.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", through)

    def cursor(self, output: str) -> int:
        """Return the row up to which an output was told; a new one begins with what comes."""
        with self._transaction(durable=False):
            self._database.execute(
                "INSERT OR IGNORE INTO cursors SELECT ?, coalesce(max(id), 0) FROM verdicts",
                (output,),
            )
            found = self._database.execute(
                "SELECT verdict FROM cursors WHERE output = ?", (output,)
            ).fetchone()
        return int(found[0])

    def forget_cursors(self, outputs: Sequence[str]) -> list[str]:
        """Forget how far outputs were told that are not among these; return which."""
        with self._transaction(durable=False):
            known = [name for (name,) in self._database.execute("SELECT output FROM cursors")]
            gone = [name for name in known if name not in outputs]
            self._database.executemany(
                "DELETE FROM cursors WHERE output = ?", [(name,) for name in gone]
            )
        return gone

    def note(self, text: str) -> None:
        """Keep a line that is no verdict."""
        with self._transaction(durable=False):
            self._database.execute(
                "INSERT INTO notes (session, noted_at, text) VALUES (?, ?, ?)",
                (self._session, schema.now(), rows.text(text)),
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _newest(self) -> tuple[str, int, str]:
        """Return the journal's id, its newest row and that row's hash."""
        (name, removed) = self._database.execute("SELECT id, removed_chain FROM journal").fetchone()
        last = self._database.execute(
            "SELECT id, chain FROM verdicts ORDER BY id DESC LIMIT 1"
        ).fetchone()
        number, head = last or (0, removed)
        return name, number, head or chain.genesis(name)

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        """Do several things or none; ``durable`` waits until they are on the disk."""
        self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise


def _opened(path: Path, say: Callable[[str], object]) -> sqlite3.Connection:
    """Open the file; a damaged one is put aside, and a new one made."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if "malformed" not in str(error):
            raise
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 10**9}")
        for end in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(f"{aside}{end}")
        say(f"journal {path}: {error}; kept aside as {aside.name}, a new one begins")
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    # Threads of stations, outputs and triggers write in turns.
    is_new = not path.exists()
    database = sqlite3.connect(path, isolation_level=None, timeout=2.0, check_same_thread=False)
    if is_new:
        path.chmod(0o640)
    try:
        schema.prepare(database)
        # The log that a killed station left is read at each start: one that is killed again and
        # again, each time before it could tidy up, would be longer at each.
        with suppress(sqlite3.OperationalError):  # a full disk
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        # Damage shows where it is read: the newest rows, and what leads to them.
        database.execute("SELECT * FROM verdicts ORDER BY id DESC LIMIT 1").fetchall()
        database.execute("SELECT count(*) FROM open_parts").fetchone()
    except BaseException:
        database.close()
        raise
    return database
