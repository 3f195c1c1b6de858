"""What was decided then about the parts whose images are kept."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgecls.verdict import Cause, Outcome
from edgecls_runtime.evidence.names import safe_id
from edgecls_runtime.evidence.reading import Evidence, Kept
from edgecls_runtime.journal.chain import Value
from edgecls_runtime.journal.reading import Query, Reader

# More than this no folder holds; all of them are wanted.
ALL = 2**31


@dataclass(frozen=True, slots=True)
class Judge:
    """What judged then; what is not known is empty.

    Attributes:
        digest: Of the bundle, or the beginning of it.
        variant: Its name.
        provider: ONNX Runtime's name.
        rule: As of the journal's sessions, JSON.

    """

    digest: str = ""
    variant: str = ""
    provider: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Then:
    """One verdict, and the image that is kept of it.

    Attributes:
        id: Of the verdict; the others likewise.
        label: Empty where nothing was classified.
        score: NaN where there was no number.
        judge: What judged.
        kept: The image.

    """

    id: str
    part: str
    camera: str
    outcome: Outcome
    label: str
    score: float
    image_sha256: str
    judge: Judge
    kept: Kept

    @property
    def was_judged(self) -> bool:
        """Whether a rule decided; else the frame was not fit, too old, or the engine failed."""
        return bool(self.label)


def newest(evidence: Evidence, most: int | None) -> list[Kept]:
    """Return kept images in the order of time: the newest so many, or all."""
    return evidence.listed(most=ALL if most is None else most)[::-1]


def of_journal(reader: Reader, kept: Sequence[Kept]) -> Iterator[Then | None]:
    """Yield what the journal says of each image; None of those that it does not know."""
    judges = {
        row["id"]: Judge(*(str(row[key]) for key in ("digest", "variant", "provider", "rule")))
        for row in reader.table("sessions")
    }
    for one in kept:
        row = _row(reader, one)
        yield None if row is None else _of_row(row, judges[row["session"]], one)


def of_folder(kept: Sequence[Kept]) -> Iterator[Then | None]:
    """Yield what stands beside each image; None of those that have nothing there."""
    for one in kept:
        table: dict[str, Any] = one.table()
        try:
            judge = Judge(digest=str(table["bundle"]).rpartition(" ")[2])
            yield _of_row(table, judge, one)
        except (KeyError, ValueError):
            yield None


def _row(reader: Reader, kept: Kept) -> dict[str, Value] | None:
    """Return the row of a kept image's verdict; its id is the journal's and the row's number."""
    number = kept.id.removeprefix(f"{safe_id(reader.id)}-")
    if number == kept.id or not number.isdecimal():
        return None
    row = next(reader.rows(Query(after=int(number) - 1), 1), None)
    if row is None or row["id"] != int(number):
        return None
    return {**row, "id": kept.id}


def _of_row(row: dict[str, Any], judge: Judge, kept: Kept) -> Then:
    label = str(row["label"] or "") if row["cause"] == Cause.JUDGED else ""
    return Then(
        id=str(row["id"]),
        part=str(row["part"]),
        camera=str(row["camera"]),
        outcome=Outcome(row["outcome"]),
        label=label,
        score=math.nan if row["score"] is None else float(row["score"]),
        image_sha256=str(row["image_sha256"]),
        judge=judge,
        kept=kept,
    )
