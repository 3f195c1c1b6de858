"""The registers of one verdict: the same whether we write them or a PLC reads them.

Codes never change their meaning; 0 is always "none". Numbers of 32 bits take two registers, the
higher word first. The sequence is written last: a PLC that sees it change sees a whole block.
"""

import math
import time
from collections.abc import Sequence
from datetime import datetime

from edgecls.verdict import Cause, Outcome, Verdict

OUTCOMES = {Outcome.PASS: 1, Outcome.FAIL: 2, Outcome.REVIEW: 3}
CAUSES = {Cause.JUDGED: 0, Cause.MISSED: 1, Cause.ERROR: 2, Cause.INCIDENT: 3}
HEADER = 16
NONE = 65_535
MOST_TEXT = 100
SCORE_SCALE = 10_000
PLACES = 32


def following(sequence: int) -> int:
    """Return the sequence after one: 1 to 65535, then 1 again; 0 is before the first."""
    return sequence % 65_535 + 1


def registers(verdict: Verdict, labels: Sequence[str], part_registers: int) -> list[int]:
    """Return the block of one verdict, without its sequence (register 0 is 0).

    Args:
        verdict: As it was decided; of one read back from a journal the label's code may be wrong
            where ``labels`` is empty.
        labels: Those with a code, which is their place here, from 1; empty is the bundle's order.
        part_registers: Room for the part's id, in registers of two characters.

    Returns:
        ``HEADER + part_registers`` numbers, 0..65535.

    """
    prediction = verdict.prediction
    score = math.nan if prediction is None else prediction.score
    seconds = _recorded(verdict)
    failed = sum(
        1 << place
        for place, look in enumerate(verdict.looks[:PLACES])
        if look.outcome is not Outcome.PASS
    )
    text = verdict.part.encode("ascii", "replace")
    return [
        0,
        OUTCOMES[verdict.outcome],
        CAUSES[verdict.cause],
        _code(verdict, labels),
        round(SCORE_SCALE * score) if math.isfinite(score) else NONE,
        _ms(verdict.latency),
        _ms(verdict.waited),
        *words(int(seconds)),
        int(seconds * 1000) % 1000,
        *words(_number(verdict.id)),
        min(len(verdict.looks), NONE),
        *words(failed),
        min(len(text), NONE),
        *_characters(text, part_registers),
    ]


def words(number: int) -> tuple[int, int]:
    """Return a number of 32 bits as two registers, the higher word first; larger ones wrap."""
    return number >> 16 & 0xFFFF, number & 0xFFFF


def _code(verdict: Verdict, labels: Sequence[str]) -> int:
    if verdict.prediction is None:
        return 0
    known, label = labels or verdict.prediction.labels, verdict.prediction.label
    return known.index(label) + 1 if label in known else 0


def _ms(seconds: float | None) -> int:
    return NONE if seconds is None else min(max(round(1000 * seconds), 0), NONE - 1)


def _recorded(verdict: Verdict) -> float:
    """Unix seconds of the journal's entry; of now, where there is no journal."""
    if not verdict.recorded_at:
        return time.time()
    return datetime.fromisoformat(verdict.recorded_at).timestamp()


def _number(verdict_id: str) -> int:
    """Return the row of the journal, the last piece of the id; 0 without one."""
    row = verdict_id.rpartition("-")[2]
    return int(row) if row.isascii() and row.isdecimal() else 0


def _characters(text: bytes, count: int) -> list[int]:
    """Two characters a register, the first in the higher byte; what is left over is 0."""
    room = text[: 2 * count].ljust(2 * count, b"\0")
    return [room[i] << 8 | room[i + 1] for i in range(0, len(room), 2)]
