"""What is taken for what: a matrix for few labels, the most confused pairs for many."""

from collections import Counter

from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import (
    Html,
    element,
    folded,
    joined,
    marked,
    note,
    scrolling,
    table,
)
from edgecls_exporters.report import Report

LARGEST_MATRIX = 30
# Matrices of more labels than this are folded away, all but the original's.
SMALL_MATRIX = 12
PAIRS = 25
SHADES = 9


def part(report: Report) -> Html:
    """Return the confusions; empty without labelled images."""
    rows = [row for row in standing.compared(report) if row.confusions]
    if not rows:
        return Html()
    pairs = _pairs(report, rows)
    if len(report.labels) > LARGEST_MATRIX:
        return pairs or note("No label is taken for another.")
    reading = note(
        "A row holds the images of one true label, by the label they were given; the darker, the ",
        "larger the share of the row. A small number is the difference from the original.",
    )
    first, *others = rows
    blocks = [_matrix(first, first, report.labels)]
    same = []
    for row in others:
        if row.confusions == first.confusions:
            same.append(row.name)
        else:
            blocks.append(_matrix(row, first, report.labels))
    if len(report.labels) > SMALL_MATRIX:
        blocks = blocks[:1] + [
            folded(f"Confusions of {row.name}", block)
            for row, block in zip(
                [row for row in others if row.name not in same], blocks[1:], strict=True
            )
        ]
    parts = [reading, element("div", *blocks, class_="matrices")]
    if same:
        parts.append(note(f"The same as {first.name}'s: {', '.join(same)}."))
    return joined(parts)


def _matrix(row: Row, first: Row, labels: tuple[str, ...]) -> Html:
    counts = {(truth, answer): n for truth, answer, n in row.confusions}
    before = {(truth, answer): n for truth, answer, n in first.confusions}
    totals = Counter[int]()
    for (truth, _), n in counts.items():
        totals[truth] += n
    head = element(
        "tr",
        element("td", "true \u2193 answered \u2192", class_="corner"),
        *(element("th", element("span", label), scope="col") for label in labels),
    )
    lines = [
        element(
            "tr",
            element("th", label, scope="row"),
            *(
                _cell(counts.get(at, 0), before.get(at, 0), totals[truth], at)
                for at in ((truth, answer) for answer in range(len(labels)))
            ),
        )
        for truth, label in enumerate(labels)
    ]
    what = f"Confusions of {row.name}"
    filled = element("table", element("caption", row.name), head, *lines, class_="matrix")
    return scrolling(filled, what)


def _cell(count: int, before: int, total: int, at: tuple[int, int]) -> Html:
    if not count and not before:
        return element("td")
    shade = -(-SHADES * count // total) if total else 0
    kind = "h" if at[0] == at[1] else "e"
    change = (
        element("small", f"{count - before:+}".replace("-", figures.MINUS))
        if count != before
        else Html()
    )
    return element("td", str(count), change, class_=f"{kind}{shade}")


def _pairs(report: Report, rows: list[Row]) -> Html:
    tables = [{(t, a): n for t, a, n in row.confusions if t != a} for row in rows]
    before = tables[0]
    most = {pair: max(counts.get(pair, 0) for counts in tables) for pair in set().union(*tables)}
    # The most frequent first; of equals, the one that grew most since the original.
    ranked = sorted(most, key=lambda pair: (-most[pair], before.get(pair, 0), pair))
    shown = ranked[:PAIRS]
    if not shown:
        return Html()
    lines = [
        (
            report.labels[pair[0]],
            report.labels[pair[1]],
            *(_more(counts.get(pair, 0), before.get(pair, 0)) for counts in tables),
        )
        for pair in shown
    ]
    head = ("true", "answered", *(row.name for row in rows))
    told = f"The {len(shown)} most frequent of {len(most)} pairs of labels that are confused."
    return joined([note(told), table("Confused pairs", head, lines, left=(1,))])


def _more(count: int, before: int) -> str:
    """Return a count, marked where it is above the original's."""
    return marked(str(count), "bad") if count > before else str(count)
