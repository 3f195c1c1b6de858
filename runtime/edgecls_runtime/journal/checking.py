"""Check a journal: whether the chain holds, and whether the counters balance."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgecls_runtime.journal import chain
from edgecls_runtime.journal.chain import Value
from edgecls_runtime.journal.reading import Query, Reader


@dataclass(frozen=True, slots=True)
class Checked:
    """What a journal's check found.

    Attributes:
        entries: Verdicts whose hash was computed again.
        unchained: Verdicts of versions that had no chain.
        faults: What is wrong, a line each; empty where nothing is.
        head: Hash of the newest entry: noted elsewhere, it shows later that none was cut off.
        head_row: Its row.

    """

    entries: int
    unchained: int
    faults: tuple[str, ...]
    head: str
    head_row: int


def check(reader: Reader, head: str = "") -> Checked:
    """Compute every hash again, and add up the parts of every run.

    Args:
        reader: Of the journal.
        head: A hash that was noted earlier, or its beginning; it must be in the chain.

    """
    sessions, chained = _sessions(reader), _chained(reader)
    last, previous = _beginning(reader)
    entries = unchained = 0
    faults: list[str] = []
    is_head_found = not head or previous.startswith(head)
    for row in reader.rows(Query()):
        number = int(row["id"] or 0)
        if not entries and not row["chain"] and row["session"] not in chained:
            unchained, last = unchained + 1, number
            continue
        faults += _faults_of(row, last, previous, sessions)
        entries, last, previous = entries + 1, number, str(row["chain"])
        is_head_found = is_head_found or previous.startswith(head)
    if not is_head_found:
        faults.append(f"no entry has the hash {head}; expected the one noted earlier")
    faults += _unbalanced(reader)
    return Checked(entries, unchained, tuple(faults), previous, last)


def check_end(reader: Reader, entries: int) -> Checked:
    """Compute the hashes of the newest entries again, each from the one before it.

    Args:
        reader: Of the journal.
        entries: So many at most.

    """
    newest = [*reader.rows(Query(), entries + 1, newest_first=True)][::-1]
    last, start = _beginning(reader)
    previous, sessions, chained = start, _sessions(reader), _chained(reader)
    if len(newest) > entries:
        before = newest.pop(0)
        last, previous = int(before["id"] or 0), str(before["chain"]) or start
    unchained = 0
    faults: list[str] = []
    for row in newest:
        number = int(row["id"] or 0)
        if previous == start and not row["chain"] and row["session"] not in chained:
            unchained, last = unchained + 1, number
            continue
        faults += _faults_of(row, last, previous, sessions)
        last, previous = number, str(row["chain"])
    return Checked(len(newest) - unchained, unchained, tuple(faults), previous, last)


def _beginning(reader: Reader) -> tuple[int, str]:
    """Return the row that the first entry follows, 0 for none, and its hash."""
    (about,) = reader.table("journal")
    return int(about["removed_through"] or 0), str(about["removed_chain"]) or chain.genesis(
        reader.id
    )


def _sessions(reader: Reader) -> dict[Value, str]:
    """Return the hash of each session by its number."""
    return {
        one["id"]: chain.session_hash([one[column] for column in chain.SESSION_COLUMNS])
        for one in reader.table("sessions")
    }


def _chained(reader: Reader) -> set[Value]:
    """Return the sessions whose entries have a chain: versions without one knew no runs either."""
    return {one["id"] for one in reader.table("sessions") if one["run"] is not None}


def _faults_of(
    row: dict[str, Value], last: int, previous: str, sessions: dict[Value, str]
) -> Iterator[str]:
    number = int(row["id"] or 0)
    if last and number != last + 1:
        yield f"row {number}: follows row {last}; expected {last + 1}: entries were removed"
    values = [row[column] for column in chain.VERDICT_COLUMNS]
    if row["chain"] != chain.entry(previous, sessions.get(row["session"], ""), values):
        yield (
            f"row {number}, part {row['part']}: does not fit its hash; "
            f"it, its session or the entry before it was changed"
        )


def _unbalanced(reader: Reader) -> Iterator[str]:
    """Yield the runs in which a part that was announced has no verdict, or more than one."""
    for run in reader.runs():
        if run["ended_at"] is not None and run["announced"] != run["judged"]:
            yield (
                f"run of session {run['run']}: {run['announced']} parts were announced, "
                f"{run['judged']} have a verdict"
            )
