"""What so many images can prove, and how many would prove more."""

import math

from edgecls import metrics
from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import Html, element, joined
from edgecls_exporters.report import Report

# Points of top-1 that one may want to prove, largest first.
WANTED = (1.0, 0.3, 0.1, 0.03, 0.01)


def part(report: Report) -> Html:
    """Return what the number of images proves; empty when nothing was measured."""
    first = standing.original(report)
    shipped = [row for row in standing.variants(report) if row.name in report.variants]
    rows = [row for row in shipped if figures.known(row.agreement)]
    if first is None or not rows:
        return Html()
    same = [row.name for row in rows if standing.changed(row) == 0]
    lines = [_unchanged(same, first.images)] if same else []
    lines += [_changed(row, report.max_drop) for row in rows if standing.changed(row) > 0]
    title = f"What {figures.counted(first.images, 'image')} can prove"
    return joined(
        [
            element("h3", title),
            element("ul", *(element("li", line) for line in lines)),
            element("p", _more(first.images, report.max_drop), class_="note"),
        ]
    )


def _unchanged(names: list[str], images: int) -> str:
    bound = _never_less(100 * metrics.rule_of_three(images))
    return (
        f"{figures.listed(names)}: no answer is another than the original's. With 95 % confidence "
        f"the true drop is below {bound:g} points (rule of three: 3 / {images})."
    )


def _changed(row: Row, budget: float | None) -> str:
    changed = standing.changed(row)
    text = f"{row.name}: {figures.counted(changed, 'answer')} changed. "
    if row.drop is None or row.drop_interval is None:
        low, high = metrics.wilson(changed, row.images)
        return (
            f"{text}With 95 % confidence {figures.percent(low)} to {figures.percent(high)} of all "
            f"answers change; how many of them are lost is unknown without labels."
        )
    low, high = row.drop_interval
    half = (high - low) / 2
    wanted = next((points for points in WANTED if points < half), WANTED[-1])
    images = metrics.images_for_half_width(half, row.images, wanted)
    lost = "lost" if row.drop >= 0 else "gained"
    text += (
        f"{_points(round(abs(row.drop), 2))} {lost}; with 95 % confidence the true drop is between "
        f"{figures.points(low)} and {figures.points(high)} points (below 0 is a gain). "
    )
    if budget is not None and row.drop <= budget < high:
        text += f"The budget of {budget:g} is kept here, but so few images do not prove it. "
    return f"{text}To know it to {_points(wanted)} either way, about {_about(images)} are needed."


def _more(images: int, budget: float | None) -> str:
    proven = 100 * metrics.rule_of_three(images)
    wanted = [points for points in WANTED if points < proven - 1e-9][:2]
    if budget is not None and 0 < budget < proven:
        wanted = sorted({budget, *wanted}, reverse=True)[:2]
    told = [
        f"{_about(metrics.images_without_change(points / 100))} would prove a drop below "
        f"{_points(points)}"
        for points in wanted
    ]
    return f"With no answer changed, {figures.listed(told)}."


def _never_less(value: float) -> float:
    """Round up to two digits that count: a bound must not promise more than was proven."""
    power = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / power - 1e-9) * power


def _points(value: float) -> str:
    return f"{value:g} point{'' if value == 1 else 's'}"


def _about(images: int) -> str:
    """Return a number of images with two digits that count, thousands apart."""
    digits = len(str(images)) - 2
    rounded = -(-images // 10**digits) * 10**digits if digits > 0 else images
    return f"{rounded:,} images".replace(",", "\u202f")
