"""Write a journal: announce parts, record verdicts, say who was told; also on a full disk."""

import fcntl
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from edgecls.errors import OutputError
from edgecls.progress import tell
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.journal.housekeeping import Housekeeping
from edgecls_runtime.journal.ledger import Ledger, Telling
from edgecls_runtime.journal.reserve import Reserve
from edgecls_runtime.journal.schema import SessionLine

# Verdicts that wait in memory for a disk that is full; 10,000 are about 10 MB.
MOST_HELD = 10_000
# Moves the log into the file, as far as nobody reads it; the next that is written begins it anew
# when it was moved to its end. In pages of 4 KB, what is long.
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
LONG_LOG = 1000


class Journal:
    """An open journal, with one session begun; threads may share it.

    Attributes:
        path: The database file.
        announced: Parts of this session that ``announce`` was told of.
        recorded: Verdicts of this run that are durable.
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
        # In their order: verdicts, and what judges those behind it.
        self._held: deque[Verdict | SessionLine] = deque()
        self._fault = ""
        self._reserve = Reserve(path, reserve)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._owner = _owned(path)
            try:
                self._ledger = self._begun(session)
            except BaseException:
                self._owner.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise OutputError(f"journal {path}: {error}; choose another file or place") from error
        self._reserve.fill()
        self._housekeeping = Housekeeping(path, self._tidy, keep_days)

    @property
    def fault(self) -> str:
        """Why verdicts cannot be kept at the moment; empty when they can."""
        return self._fault

    @property
    def held(self) -> int:
        """Verdicts that wait in memory until the disk takes them."""
        return sum(isinstance(one, Verdict) for one in self._held)

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
            with suppress(sqlite3.Error):
                self._ledger.announce(part, camera, at)

    def record(self, verdict: Verdict) -> Verdict:
        """Make one verdict durable, and with it end its part.

        Returns:
            The verdict with ``id`` and ``recorded_at``. One that cannot be kept now, as on a full
            disk, comes back as a REVIEW without them, and is kept as that when there is room.

        """
        with self._lock:
            try:
                return self._write(verdict)
            except sqlite3.Error as error:
                if _is_locked(error) or not self._reserve.release():
                    return self._hold(verdict, error)
                self._say(f"journal {self.path}: {error}; its reserve is being used: free space")
                return self.record(verdict)

    def told(self, tellings: Sequence[Telling], through: tuple[str, int] | None = None) -> None:
        """Keep what became of verdicts at outputs; on a full disk it is not kept.

        Args:
            tellings: In their order.
            through: An output, and the row up to which it needs to be told nothing any more.

        """
        with self._lock, suppress(sqlite3.Error):
            self._ledger.tell(tellings, through)

    def cursor(self, output: str) -> int:
        """Return the row up to which an output was told; a new output begins with what comes.

        Raises:
            OutputError: The disk is full.

        """
        with self._lock:
            try:
                return self._ledger.cursor(output)
            except sqlite3.Error as error:
                raise OutputError(
                    f"journal {self.path}: {error}; free space on its disk"
                ) from error

    def forget_cursors(self, outputs: Sequence[str]) -> None:
        """Forget how far outputs were told that the station does not name any more.

        What they were not told would be kept for ever; one that comes back begins anew.
        """
        with self._lock, suppress(sqlite3.Error):
            for name in self._ledger.forget_cursors(outputs):
                self._say(f"journal {self.path}: output {name} is not told any more; forgotten")

    def note(self, text: str) -> None:
        """Keep a line about the station: a bundle that was refused, a clock that jumped."""
        with self._lock, suppress(sqlite3.Error):
            self._ledger.note(text)

    def begin(self, session: SessionLine) -> None:
        """End the session and begin the next: something else judges from here on."""
        with self._lock:
            self._held.append(session)
            with suppress(sqlite3.Error):  # then before the next verdict
                self._write_held()

    def close(self, overrun: int = 0) -> None:
        """End open parts and the session; closing twice is allowed.

        Args:
            overrun: Parts that found a trigger's queue full: they are only counted.

        """
        self._housekeeping.close()
        with self._lock:
            if self._owner.closed:
                return
            # A session without an end is one that did not end well; its verdicts are kept.
            with suppress(sqlite3.Error):
                self._write_held()
                self._ledger.end_parts("the station was stopped before it was judged")
                self._ledger.end(self.announced, overrun)
            if held := self.held:
                self.lost += held
                self._say(f"journal {self.path}: {self._fault}; {held} verdicts are lost with it")
            self._ledger.close()
            self._reserve.release()
            self._owner.close()

    def _begun(self, session: SessionLine) -> Ledger:
        """Open the file, on a full disk with the reserve that a run before has left."""
        ledger: Ledger | None = None
        try:
            ledger = Ledger(self.path, session, self._say)
            ledger.end_parts("the station ended before it was judged")
        except BaseException as error:
            if ledger is not None:
                ledger.close()
            is_full = isinstance(error, sqlite3.OperationalError) and not _is_locked(error)
            if is_full and self._reserve.release():
                self._say(f"journal {self.path}: {error}; its reserve is being used: free space")
                return self._begun(session)
            raise
        return ledger

    def _write(self, verdict: Verdict) -> Verdict:
        self._write_held()
        kept = self._ledger.write(verdict)
        self.recorded += 1
        self._recover()
        return kept

    def _write_held(self) -> None:
        while self._held:
            one = self._held[0]
            if isinstance(one, Verdict):
                self._ledger.write(one)
                self.recorded += 1
            else:
                self._ledger.end(self.announced, 0)
                self._ledger.begin(one)
                self.announced = 0
            self._held.popleft()

    def _hold(self, verdict: Verdict, error: sqlite3.Error) -> Verdict:
        """Keep a verdict in memory, as a review: nobody may be told what is not on the disk."""
        if not self._fault:
            self._say(
                f"journal {self.path}: {error}; parts are REVIEW until it can be written: "
                f"free space on its disk"
            )
        self._fault = str(error)
        reason = f"not kept in time: journal: {error}; was {verdict.outcome}: {verdict.reason}"
        held = replace(
            verdict, outcome=Outcome.REVIEW, cause=Cause.ERROR, reason=reason, frame=None
        )
        if len(self._held) < MOST_HELD:
            self._held.append(held)
        else:
            self.lost += 1
        return held

    def _recover(self) -> None:
        if self._fault:
            self._fault = ""
            self._say(f"journal {self.path}: writing again")

    def _tidy(self, database: sqlite3.Connection) -> None:
        """Do what is due now and then; called by the housekeeping's thread with its connection."""
        with self._lock:
            if self._held:
                self._write_held()
                self._recover()
            self._reserve.fill()
        _, length, _ = database.execute(CHECKPOINT).fetchone()
        if length > LONG_LOG:
            # While something is always written, the log is never moved to its end, and grows for
            # ever: what came meanwhile, a few pages, is moved while everybody waits.
            with self._lock:
                database.execute(CHECKPOINT)


def _is_locked(error: sqlite3.Error) -> bool:
    """Return whether another program is writing: room on the disk would not help."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")


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
