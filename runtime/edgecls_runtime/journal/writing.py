"""Write a journal: announce parts, record verdicts, say who was told."""

import fcntl
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from edgecls.errors import OutputError
from edgecls.progress import tell
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.journal import chain, rows, schema
from edgecls_runtime.journal.housekeeping import Housekeeping
from edgecls_runtime.journal.reserve import Reserve
from edgecls_runtime.journal.schema import SessionLine

# Verdicts that wait in memory for a disk that is full; 10,000 are about 10 MB.
MOST_HELD = 10_000
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


class Journal:
    """An open journal, with one session begun.

    Attributes:
        path: The database file.
        announced: Parts of this run that ``announce`` was told of.
        id: Tells it from all other journals; begins the id of each verdict.
        recorded: Verdicts of this session that are durable.
        lost: Verdicts that could be kept nowhere, because the disk was full for too long.

    """

    def __init__(
        self,
        path: Path,
        session: SessionLine,
        *,
        reserve: int = 0,
        keep_days: float = 0,
        say: Callable[[str], object] = tell,
    ) -> None:
        """Open or create a journal and begin a session; parts that an earlier one left open end.

        Args:
            path: The database file; a damaged one is kept aside, and a new one begun.
            session: What judges.
            reserve: Bytes of disk that are kept free for it.
            keep_days: Older verdicts are removed, once every output has them; 0 keeps all.
            say: Told of trouble, and of its end.

        Raises:
            OutputError: The file is not a journal, is newer, in use, or cannot be written.

        """
        self.path, self._say = path, say
        self.announced = self.recorded = self.lost = 0
        self._lock = threading.RLock()
        self._held: deque[Verdict] = deque()
        self._fault = ""
        self._reserve = Reserve(path, reserve)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._owner = _owned(path)
            self._database = self._opened()
            self._begin(session, None)
            self._end_parts("the station ended before it was judged")
            self._reserve.fill()
        except (sqlite3.Error, OSError) as error:
            raise OutputError(f"journal {path}: {error}; choose another file or place") from error
        self._housekeeping = Housekeeping(path, self._tidy, keep_days)

    @property
    def fault(self) -> str:
        """Why verdicts cannot be kept at the moment; empty when they can."""
        return self._fault

    @property
    def held(self) -> int:
        """Verdicts that wait in memory until the disk takes them."""
        return len(self._held)

    def announce(self, part: str, at: float, camera: str = "") -> None:
        """Keep that a part was announced: whatever happens now, it ends in one verdict.

        It survives the end of the process. On a full disk it is only known to whoever announced it.

        Args:
            part: As of ``Verdict``, like ``camera``.
            at: Monotonic seconds.
            camera: Which one will judge it.

        """
        with self._lock:
            self.announced += 1
            values = (self._session, camera, part, rows.wall_clock(at))
            with suppress(sqlite3.Error), self._transaction(durable=False):
                self._database.execute(
                    "INSERT INTO open_parts (session, camera, part, announced_at)"
                    " VALUES (?, ?, ?, ?)",
                    values,
                )

    def record(self, verdict: Verdict) -> Verdict:
        """Make one verdict durable, and with it end its part.

        Returns:
            The verdict with ``id`` and ``recorded_at``. One that cannot be kept now, as on a full
            disk, comes back as a REVIEW without them, and is kept as that when there is room.

        """
        with self._lock:
            try:
                self._write_held()
                kept = self._write(verdict)
            except sqlite3.Error as error:
                return self._hold(verdict, error)
            if self._fault:
                self._fault = ""
                self._say(f"journal {self.path}: writing again")
            return kept

    def told(self, tellings: Sequence[Telling], through: tuple[str, int] | None = None) -> None:
        """Keep what became of verdicts at outputs.

        Args:
            tellings: In their order.
            through: An output, and the row up to which it needs to be told nothing any more.

        """
        lines = [(t.verdict, t.output, schema.now(), t.after_ms, t.state, t.reason) for t in tellings]
        with self._lock, suppress(sqlite3.Error), self._transaction(durable=False):
            self._database.executemany(
                "INSERT INTO tellings (verdict, output, told_at, after_ms, state, reason)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                lines,
            )
            if through:
                self._database.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", through)

    def cursor(self, output: str) -> int:
        """Return the row up to which an output was told; a new output begins with what comes."""
        with self._lock, self._transaction(durable=False):
            self._database.execute(
                "INSERT OR IGNORE INTO cursors SELECT ?, coalesce(max(id), 0) FROM verdicts",
                (output,),
            )
            found = self._database.execute(
                "SELECT verdict FROM cursors WHERE output = ?", (output,)
            ).fetchone()
        return int(found[0])

    def note(self, text: str) -> None:
        """Keep a line about the station that is no verdict: a refused bundle, a clock that jumped."""
        with self._lock, suppress(sqlite3.Error), self._transaction(durable=False):
            self._database.execute(
                "INSERT INTO notes (session, noted_at, text) VALUES (?, ?, ?)",
                (self._session, schema.now(), text),
            )

    def begin(self, session: SessionLine) -> None:
        """End the session and begin the next: something else judges from here on."""
        with self._lock:
            try:
                self._end()
                self._begin(session, self._run)
            except sqlite3.Error as error:  # its verdicts are held like those of a full disk
                self._trouble(error)

    def close(self, overrun: int = 0) -> None:
        """End open parts and the session; closing twice is allowed.

        Args:
            overrun: Parts that found a trigger's queue full: they are only counted.

        """
        with self._lock:
            if self._owner.closed:
                return
            self._housekeeping.close()
            # A session without an end is one that did not end well; its verdicts are kept.
            with suppress(sqlite3.Error):
                self._write_held()
                self._end_parts("the station was stopped before it was judged")
                self._end(overrun)
            self._database.close()
            self._reserve.release()
            self._owner.close()

    def _opened(self) -> sqlite3.Connection:
        """Open the file; a damaged one is put aside, and a new one made."""
        try:
            return _connected(self.path)
        except sqlite3.DatabaseError as error:
            if "malformed" not in str(error):
                raise
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns() // 10**9}")
            for end in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + end).rename(f"{aside}{end}")
            self._say(f"journal {self.path}: {error}; kept aside as {aside.name}, a new one begins")
            return _connected(self.path)

    def _begin(self, session: SessionLine, run: int | None) -> None:
        values = {"started_at": schema.now(), **asdict(session)}
        with self._transaction(durable=True):
            cursor = self._database.execute(
                f"INSERT INTO sessions ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - our own columns
                tuple(values.values()),
            )
            number = cursor.lastrowid
            assert number is not None  # noqa: S101 - SQLite sets it after every INSERT
            self._database.execute(
                "UPDATE sessions SET run = ? WHERE id = ?", (run or number, number)
            )
        self._session, self._run = number, run or number
        self._hash = chain.session_hash([number, *values.values()])
        self._bundle = f"{session.bundle} {session.digest[:12]}".strip()
        (self.id, removed) = self._database.execute(
            "SELECT id, removed_chain FROM journal"
        ).fetchone()
        last = self._database.execute(
            "SELECT id, chain FROM verdicts ORDER BY id DESC LIMIT 1"
        ).fetchone()
        self._last, self._head = last or (0, removed)
        self._head = self._head or chain.genesis(self.id)

    def _end(self, overrun: int = 0) -> None:
        with self._transaction(durable=True):
            self._database.execute(
                "UPDATE sessions SET ended_at = ?, announced = ?, overrun = ? WHERE id = ?",
                (schema.now(), self.announced, overrun, self._session),
            )
        self.announced = 0

    def _end_parts(self, reason: str) -> None:
        """Write down a verdict for every part that has none, in the session that left it open."""
        parts = self._database.execute(
            "SELECT session, part, camera, announced_at FROM open_parts ORDER BY id"
        ).fetchall()
        for session, part, camera, announced_at in parts:
            missed = Verdict(
                Outcome.REVIEW, f"missed: {reason}", part=part, camera=camera, cause=Cause.MISSED
            )
            self._write(missed, _Left(session, announced_at))

    def _write(self, verdict: Verdict, left: "_Left | None" = None) -> Verdict:
        """Write one verdict and end its part, in one transaction that is synced to the disk."""
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
        with self._transaction(durable=True):
            self._database.execute(INSERT, (*values, head))
            self._database.execute(
                "DELETE FROM open_parts WHERE id = (SELECT min(id) FROM open_parts WHERE part = ?)",
                (verdict.part,),
            )
        self._last, self._head = number, head
        self.recorded += 1
        return kept

    def _hold(self, verdict: Verdict, error: sqlite3.Error) -> Verdict:
        """Keep a verdict in memory, as a review: nobody may be told what is not on the disk."""
        if self._reserve.release():
            self._say(f"journal {self.path}: {error}; its reserve is being used: free space")
            return self.record(verdict)
        self._trouble(error)
        held = replace(
            verdict,
            outcome=Outcome.REVIEW,
            cause=Cause.ERROR,
            reason=f"not kept in time: journal: {error}; was {verdict.outcome}: {verdict.reason}",
            frame=None,
        )
        if len(self._held) < MOST_HELD:
            self._held.append(held)
        else:
            self.lost += 1
        return held

    def _trouble(self, error: sqlite3.Error) -> None:
        if not self._fault:
            self._say(
                f"journal {self.path}: {error}; parts are REVIEW until it can be written: "
                f"free space on its disk"
            )
        self._fault = str(error)

    def _write_held(self) -> None:
        while self._held:
            self._write(self._held[0])
            self._held.popleft()

    def _tidy(self, database: sqlite3.Connection) -> None:
        """Do what is due now and then; called by the housekeeping's thread with its connection."""
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        with self._lock:
            if self._held:
                self._write_held()
                self._fault = ""
                self._say(f"journal {self.path}: writing again")
            if not self._held:
                self._reserve.fill()

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


def _connected(path: Path) -> sqlite3.Connection:
    # Threads of stations, outputs and triggers write in turns.
    database = sqlite3.connect(path, isolation_level=None, timeout=2.0, check_same_thread=False)
    try:
        schema.prepare(database)
        database.execute("SELECT count(*) FROM (SELECT * FROM verdicts ORDER BY id DESC LIMIT 1)")
    except BaseException:
        database.close()
        raise
    return database


def _owned(path: Path) -> IO[str]:
    """Take the journal for this object alone; the operating system lets go of it for a dead one.

    Raises:
        OSError: Somebody else writes it.

    """
    # Not the database itself: closing it would take SQLite's own locks from it.
    file = path.with_name(f"{path.name}-lock").open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OSError("another station is writing it") from error
    return file
