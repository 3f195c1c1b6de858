"""Whether a score means what it says: of answers scored 0.9, nine of ten should be right."""

import numpy as np

from edgecls.metrics import calibration_error
from edgecls_exporters import figures
from edgecls_exporters.ledger import Bin, Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import Html, element, joined, note
from edgecls_exporters.page.svg import Axis, dot, drawing, line, text
from edgecls_exporters.report import Report

SIDE, LEFT, BOTTOM, EDGE = 220, 34, 26, 8
LARGEST = 7.0
# Of the whole axis: half a pixel.
ALIKE = 0.0025
TICKS = (0.0, 0.5, 1.0)


def part(report: Report) -> Html:
    """Return a curve for each variant; empty without labelled images."""
    rows = [row for row in standing.compared(report) if row.reliability]
    if not rows:
        return Html()
    first = rows[0].reliability
    temperatures = {q.variant: q.temperature for q in report.quantizations}
    same = [row for row in rows[1:] if _alike(row.reliability, first)]
    charts = [_chart(row, first, temperatures.get(row.name)) for row in rows if row not in same]
    names = [row.name for row in same]
    return joined(
        [
            note(
                "Images are grouped by their best score; a dot stands for a tenth, its area for ",
                "the number of images. On the diagonal a score of 0.9 is right nine times of ten; ",
                "below it scores promise too much. The grey line is the original. ",
                "ECE is the mean distance from the diagonal.",
            ),
            element("div", joined(charts), class_="charts"),
            note(f"The same as {rows[0].name}'s: {figures.listed(names)}.") if names else Html(),
        ]
    )


def _alike(bins: tuple[Bin, ...], others: tuple[Bin, ...]) -> bool:
    """Return whether two curves cannot be told apart on the page."""
    return len(bins) == len(others) and all(
        a.images == b.images and max(abs(a.score - b.score), abs(a.right - b.right)) < ALIKE
        for a, b in zip(bins, others, strict=True)
    )


def _chart(row: Row, first: tuple[Bin, ...], temperature: float | None) -> Html:
    bins = [b for b in row.reliability if figures.known(b.score) and figures.known(b.right)]
    x, y = Axis(0, 1, LEFT, SIDE - EDGE), Axis(0, 1, SIDE - BOTTOM, EDGE)
    shapes = [line((x.at(0), y.at(0)), (x.at(1), y.at(1)), "level")]
    for tick in TICKS:
        shapes.append(line((x.at(tick), y.at(0)), (x.at(tick), y.at(0) + 4), "axis"))
        shapes.append(text(x.at(tick), y.at(0) + 16, f"{tick:g}", "middle"))
        shapes.append(text(x.at(0) - 6, y.at(tick) + 4, f"{tick:g}", "end"))
    shapes.append(line((x.at(0), y.at(0)), (x.at(1), y.at(0)), "axis"))
    shapes.append(line((x.at(0), y.at(0)), (x.at(0), y.at(1)), "axis"))
    if row.reliability != first:
        shapes.append(_curve(first, x, y, "curve muted"))
    shapes.append(_curve(bins, x, y, "curve"))
    most = max((b.images for b in bins), default=1)
    shapes += [
        dot(x.at(b.score), y.at(b.right), max(1.5, LARGEST * (b.images / most) ** 0.5), "dot")
        for b in bins
    ]
    error = calibration_error(
        np.array([b.images for b in bins], np.intp),
        np.array([b.score for b in bins]),
        np.array([b.right for b in bins]),
    )
    told = f"ECE {figures.decimal(error)}"
    if figures.known(temperature) and temperature != 1:
        told += f", logits divided by {temperature:.3g}"
    caption = element("figcaption", row.name, element("small", told))
    what = f"{row.name}: " + "; ".join(
        f"score {b.score:.2f}: {figures.percent(b.right)} of {b.images} right" for b in bins
    )
    return element("figure", caption, drawing(what, SIDE, SIDE, *shapes))


def _curve(bins: list[Bin] | tuple[Bin, ...], x: Axis, y: Axis, mark: str) -> Html:
    points = " ".join(
        f"{x.at(b.score):g},{y.at(b.right):g}"
        for b in bins
        if figures.known(b.score) and figures.known(b.right)
    )
    return element("polyline", points=points, class_=mark)
