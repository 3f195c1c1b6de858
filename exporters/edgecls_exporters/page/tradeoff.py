"""The variants in one picture each: how often right, how large, how slow."""

from collections.abc import Sequence

from edgecls.metrics import wilson
from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import Html, element, joined, note
from edgecls_exporters.page.svg import Axis, dot, drawing, line, spanning, text
from edgecls_exporters.report import Report

WIDTH, STEP, TOP, SIDE = 300, 36, 4, 6


def part(report: Report) -> Html:
    """Return the pictures; empty without variants that were measured."""
    rows = standing.variants(report)
    if not rows:
        return Html()
    charts = [
        _answers(report, rows),
        _bars(
            "size",
            report,
            [(row.name, row.size_bytes, figures.file_size(row.size_bytes)) for row in rows],
        ),
        _bars(
            "engine, median on the build machine",
            report,
            [(row.name, row.engine_ms, figures.milliseconds(row.engine_ms)) for row in rows],
        ),
    ]
    return joined(
        [
            note(
                "Whiskers are 95 % intervals; the dashed line is the original. ",
                "Hollow and pale: left out of the bundle." if report.left_out else "",
            ),
            element("div", joined(charts), class_="charts"),
        ]
    )


def _figure(title: str, what: str, height: float, shapes: list[Html]) -> Html:
    chart = drawing(what, WIDTH, height, *shapes)
    return element("figure", element("figcaption", title), chart)


def _answers(report: Report, rows: list[Row]) -> Html:
    """Return top-1 with its intervals; without labels, agreement."""
    truth = standing.labelled(report)
    title = "top-1" if truth else "agreement"
    shares = {row.name: row.accuracy if truth else row.agreement for row in rows}
    known = {name: share for name, share in shares.items() if figures.known(share)}
    first = report.rows[0]
    level = first.accuracy if truth else 1.0
    intervals = {
        row.name: wilson(round((shares[row.name] or 0) * row.images), row.images)
        for row in rows
        if row.name in known
    }
    ends = [end for interval in intervals.values() for end in interval]
    axis = spanning(
        [*ends, *([level] if level is not None else [])], SIDE, WIDTH - SIDE, least=0.01
    )
    height = TOP + STEP * len(rows)
    shapes = []
    for number, row in enumerate(rows):
        y = TOP + STEP * number
        share = shares[row.name]
        shapes += _named(row.name, figures.percent(share), y)
        if share is None or row.name not in known:
            continue
        low, high = intervals[row.name]
        if level is not None and figures.known(level):
            shapes.append(line((axis.at(level), y + 16), (axis.at(level), y + 30), "level"))
        out = " out" if row.name in report.left_out else ""
        shapes.append(line((axis.at(low), y + 23), (axis.at(high), y + 23), f"whisker{out}"))
        shapes.append(dot(axis.at(share), y + 23, 4, f"dot{out}"))
    told = ", ".join(f"{name} {figures.percent(share)}" for name, share in known.items())
    return _figure(title, f"{title} of each variant: {told}", height, shapes)


def _bars(title: str, report: Report, sizes: Sequence[tuple[str, float | None, str]]) -> Html:
    """Return a bar for each (variant, value, value as text)."""
    known = {name: size for name, size, _ in sizes if size is not None and figures.known(size)}
    largest = max(known.values(), default=0)
    if not largest:
        return Html()
    axis = Axis(0, largest, SIDE, WIDTH - SIDE)
    shapes = []
    for number, (name, _, written) in enumerate(sizes):
        y = TOP + STEP * number
        shapes += _named(name, written, y)
        if name in known:
            out = " out" if name in report.left_out else ""
            shapes.append(line((SIDE, y + 23), (axis.at(known[name]), y + 23), f"bar{out}"))
    told = ", ".join(f"{name} {written}" for name, _, written in sizes)
    return _figure(title, f"{title} of each variant: {told}", TOP + STEP * len(sizes), shapes)


def _named(name: str, value: str, y: float) -> list[Html]:
    return [text(SIDE, y + 12, name), text(WIDTH - SIDE, y + 12, value, "end")]
