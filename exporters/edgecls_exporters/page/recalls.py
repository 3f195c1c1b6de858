"""Recall: the share of each label's images that is answered rightly, row by row."""

from collections import Counter

from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import Html, element, folded, joined, marked, note, table
from edgecls_exporters.report import Report

# More labels than this are shown worst first, and all of them only on demand.
AT_ONCE = 30
WORST = 15


def part(report: Report) -> Html:
    """Return recall per label; empty without labelled images."""
    first = standing.original(report)
    if first is None or not first.recall:
        return Html()
    names = list(first.recall)
    shown = _worth_showing(report)
    same = [row.name for row in report.rows if row not in shown]
    reading = note(
        f"{figures.listed(same)}: the same as {first.name}. " if same else "",
        "A label with few images has a coarse recall: one image of ten is ten points. ",
        "Below the original's is ",
        marked("marked", "bad"),
        ".",
    )
    if len(names) <= AT_ONCE:
        return joined([reading, _table(report, names)])
    worst = sorted(names, key=lambda name: -_loss(report, name))[:WORST]
    lost = [name for name in worst if _loss(report, name) > 0]
    title = f"The {len(lost)} labels that lose most" if lost else "No label loses anything."
    return joined(
        [
            reading,
            element("h3", title),
            _table(report, lost) if lost else Html(),
            folded(f"All {len(names)} labels", _table(report, names)),
        ]
    )


def _worth_showing(report: Report) -> list[Row]:
    """Return the rows without the steps that change no recall; variants always."""
    first, *others = report.rows
    named = {*report.variants, *report.left_out}
    return [first, *(row for row in others if row.name in named or row.recall != first.recall)]


def _loss(report: Report, name: str) -> float:
    """Return the most that a variant of the bundle loses on a label, 0..1."""
    first = report.rows[0].recall[name]
    found = [row.recall.get(name, first) for row in report.rows if row.name in report.variants]
    return first - min(found, default=first)


def _table(report: Report, names: list[str]) -> Html:
    first, *others = _worth_showing(report)
    images = Counter[str]()
    for truth, _, count in first.confusions:
        images[report.labels[truth]] += count
    head = ("label", "images", first.name, *(row.name for row in others))
    lines = [
        (
            name,
            str(images[name]) if images else "-",
            figures.percent(first.recall[name]),
            *(_cell(row, first, name) for row in others),
        )
        for name in names
    ]
    return table("Recall per label", head, lines)


def _cell(row: Row, first: Row, name: str) -> str:
    share = row.recall.get(name)
    told = figures.percent(share)
    return marked(told, "bad") if share is not None and share < first.recall[name] else told
