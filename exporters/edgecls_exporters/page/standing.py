"""How a row of the ledger stands: the original, a step, a variant that ships or is left out."""

import math

from edgecls_exporters.ledger import Row
from edgecls_exporters.report import Report


def named(report: Report) -> dict[str, Row]:
    """Return the rows by their names."""
    return {row.name: row for row in report.rows}


def original(report: Report) -> Row | None:
    """Return the row that all others are held to; None when nothing was measured."""
    return report.rows[0] if report.rows else None


def variants(report: Report) -> list[Row]:
    """Return the rows of variants, the left-out ones too, in the order of the ledger."""
    wanted = {*report.variants, *report.left_out}
    return [row for row in report.rows[1:] if row.name in wanted]


def compared(report: Report) -> list[Row]:
    """Return the original and the variants: what is worth a picture of its own."""
    return [*report.rows[:1], *variants(report)]


def changed(row: Row) -> int:
    """Return on how many images a row answers otherwise than the original; all if unknown."""
    if not math.isfinite(row.agreement):
        return row.images
    return round((1 - row.agreement) * row.images)


def labelled(report: Report) -> bool:
    """Return whether the truth of the images is known."""
    return bool(report.rows) and report.rows[0].accuracy is not None
