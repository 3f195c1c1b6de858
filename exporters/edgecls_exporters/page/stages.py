"""The ledger: each step from the original to the device, and what it cost."""

from edgecls.manifest import Manifest
from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import standing
from edgecls_exporters.page.markup import Html, element, joined, marked, note, table, two_lines
from edgecls_exporters.page.svg import Axis, dot, drawing, line
from edgecls_exporters.report import Report, interval

STEPS = {
    "pytorch": "the model and the transform it was trained with",
    "graph": "the ONNX graph in fp32, fed with the original's tensor",
    "normalisation": "mean and std inside the graph, Pillow's pixels",
    "resize": "the runtime's own resize, from the image file on",
}
EXACT = " exact"
WIDTH, HEIGHT = 132, 18
CHANCE = 0.05


def part(report: Report, manifest: Manifest) -> Html:
    """Return the ledger as a table; empty when nothing was measured."""
    if not report.rows:
        return Html()
    targets = {v.name: v.target for v in manifest.variants}
    targets |= {q.variant: q.target for q in report.quantizations}
    labelled = standing.labelled(report)
    escapes = any(row.escapes is not None for row in report.rows)
    axis = _axis(report)
    head = ["step", "agreement", "changed here"]
    if labelled:
        head = ["step", "top-1", "agreement", "changed here", "points lost", "", "p"]
    head += ["new escapes"] * escapes + ["largest difference"]
    lines = []
    before = None
    for row in report.rows:
        line = [_name(row, before, targets, report), *_counts(row)]
        if labelled:
            spread = interval(row) if figures.known(row.accuracy) else ""
            top1 = two_lines(figures.percent(row.accuracy), spread)
            line = [line[0], top1, *line[1:], *_drop(row, axis, report.max_drop)]
        line += [_escapes(row)] * escapes + [_difference(row)]
        lines.append(line)
        before = row.name
    return joined(
        [note(*_reading(report.max_drop, labelled=labelled)), table("The ledger", head, lines)]
    )


def _reading(budget: float | None, *, labelled: bool) -> list[str]:
    text = [
        "Read downwards: each row changes one thing. ",
        element("b", "Agreement"),
        " is with the original; ",
        element("b", "changed here"),
        " counts answers that are others than in the step before. ",
    ]
    if labelled:
        text += [
            element("b", "Points lost"),
            " are of top-1, against the original (below 0 is a gain), with the 95 % interval",
            ", and the budget as a line in red; " if budget is not None else "; ",
            element("b", "p"),
            " is the exact McNemar test: below 0.05 the difference is hardly chance.",
        ]
    return text


def _name(row: Row, before: str | None, targets: dict[str, str], report: Report) -> Html:
    target = targets.get(row.name)
    what = STEPS.get(row.name) or (f"made for {target}" if target else "")
    if target == "any":
        what = "made for any kernels"
    if row.name.endswith(EXACT):
        what = "its integers computed exactly, without a kernel"
    told = [what] if what else []
    if row.after is not None and row.after != before:
        told.append(f"after {row.after}")
    if row.name in report.left_out:
        told.append("left out")
    strong = "b" if row.name in {*report.variants, *report.left_out} else "span"
    return two_lines(element(strong, row.name), "; ".join(told))


def _counts(row: Row) -> list[str]:
    if row.after is None:
        return ["-", "-"]
    return [figures.percent(row.agreement), str(row.changed)]


def _escapes(row: Row) -> str:
    if row.escapes is None or row.after is None:
        return "-"
    return marked(str(row.escapes), "bad") if row.escapes else "0"


def _difference(row: Row) -> str:
    return "-" if row.after is None else figures.decimal(row.largest_difference)


def _drop(row: Row, axis: Axis, budget: float | None) -> list[str]:
    if row.after is None or row.drop is None or row.drop_interval is None:
        return ["-", "", "-"]
    low, high = row.drop_interval
    p = figures.probability(row.drop_p)
    if row.drop_p is not None and row.drop_p < CHANCE and row.drop > 0:
        p = marked(p, "bad")
    spread = f"{figures.points(low)} .. {figures.points(high)}"
    whisker = _whisker(row.drop, (low, high), axis, budget)
    return [two_lines(figures.points(row.drop), spread), whisker, p]


def _axis(report: Report) -> Axis:
    """Return one axis for the drops of all rows, with 0 in its middle.

    What is left out may have lost half of everything; it must not make the others look alike.
    """
    shipped = [row for row in report.rows if row.name not in report.left_out]
    ends = [abs(end) for row in shipped for end in row.drop_interval or ()]
    reach = max([end for end in ends if figures.known(end)], default=1.0) or 1.0
    return Axis(-reach, reach, 5, WIDTH - 5)


def _whisker(drop: float, spread: tuple[float, float], axis: Axis, budget: float | None) -> Html:
    low, high = spread
    if not all(map(figures.known, (drop, low, high))):
        return Html()
    y = HEIGHT / 2
    shapes = [
        line((axis.at(0), 0), (axis.at(0), HEIGHT), "level"),
        line((axis.at(low), y), (axis.at(high), y), "whisker"),
    ]
    if budget is not None and budget < axis.high:
        shapes.append(line((axis.at(budget), 0), (axis.at(budget), HEIGHT), "budget"))
    if drop > axis.high:
        tip = f"M{WIDTH - 8} {y - 4}l7 4-7 4z"
        shapes.append(element("path", d=tip, class_="beyond"))
    else:
        shapes.append(dot(axis.at(drop), y, 3.5, "dot"))
    what = f"drop {figures.points(drop)}, from {figures.points(low)} to {figures.points(high)}"
    return drawing(what, WIDTH, HEIGHT, *shapes, mark="inline")
