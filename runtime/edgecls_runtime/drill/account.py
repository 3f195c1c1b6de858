"""After each fault: is every part in the journal once, and everything that was told?"""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edgecls_runtime.drill.running import Table
from edgecls_runtime.journal import open_reader
from edgecls_runtime.journal.checking import check
from edgecls_runtime.journal.reading import Query

# Of many faults the first few tell as much.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Account:
    """What a journal and those who were told agree about.

    Attributes:
        entries: Verdicts in the journal.
        lost: Parts that were acknowledged and have no verdict.
        doubled: Parts with more than one.
        untold: Lines that were told and are not in the journal, or say something else there.
        missing: Verdicts that an output which is told everything was not told.
        disordered: Lines that it was told out of their order.
        repeated: Lines that it was told again: at least once is what is promised.
        faults: Of the chain and the balance.

    """

    entries: int = 0
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    missing: int = 0
    disordered: int = 0
    repeated: int = 0
    faults: tuple[str, ...] = ()

    @property
    def wrong(self) -> list[str]:
        """What is wrong, in words; nothing where all is well."""
        found = [
            f"{len(parts)} {what}: {', '.join(parts[:MOST_NAMED])}"
            for parts, what in (
                (self.lost, "parts lost"),
                (self.doubled, "parts doubled"),
                (self.untold, "told and not in the journal"),
            )
            if parts
        ]
        found += [
            f"{count} {what}"
            for count, what in (
                (self.missing, "verdicts never told to the output that keeps"),
                (self.disordered, "told out of order"),
            )
            if count
        ]
        return found + list(self.faults[:MOST_NAMED])

    @property
    def said(self) -> str:
        """What is to be said of it, in one line."""
        if self.wrong:
            return "; ".join(self.wrong)
        return f"{self.entries} entries: none lost or doubled, the chain holds"


def account(
    journal: Path,
    told: Iterable[Table],
    acknowledged: Collection[str] = (),
    stations: Collection[str] = ("",),
    kept: Path | None = None,
) -> Account:
    """Compare a journal with who was told.

    Args:
        journal: Of a station that is not running.
        told: Lines that a momentary output was told.
        acknowledged: Parts, each of which must have one verdict of every station.
        stations: Their names.
        kept: File of an output that is told everything; it must have it all by now.

    """
    with open_reader(journal) as reader:
        checked = check(reader)
        rows = {
            f"{reader.id}-{row['id']}": (row["part"], row["outcome"])
            for row in reader.rows(Query())
        }
    counted = Counter(part for part, _ in rows.values())
    wanted = [f"{name} {part}".strip() for part in acknowledged for name in stations]
    lines = [] if kept is None else lines_of(kept)
    order = [number_of(line) for line in lines]
    return Account(
        entries=len(rows),
        lost=tuple(part for part in wanted if not counted[part]),
        doubled=tuple(part for part in wanted if counted[part] > 1),
        untold=tuple(
            str(line["id"])
            for line in (*told, *lines)
            if rows.get(str(line["id"])) != (line["part"], line["outcome"])
        ),
        missing=0 if kept is None else len(rows.keys() - {line["id"] for line in lines}),
        disordered=_disordered(order),
        repeated=len(order) - len({*order}),
        faults=checked.faults,
    )


def lines_of(file: Path) -> list[Table]:
    """Return the JSON lines of a file; a torn one is left out."""
    found: list[Table] = []
    with suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return found


def number_of(line: Table) -> int:
    """Return the row of a line's verdict; 0 where no journal keeps it."""
    return int(str(line["id"]).rpartition("-")[2] or 0)


def _disordered(order: list[int]) -> int:
    """Count those that come before their turn: without what is told again, the order is strict."""
    first = list(dict.fromkeys(order))
    return sum(after < before for before, after in pairwise(first))
