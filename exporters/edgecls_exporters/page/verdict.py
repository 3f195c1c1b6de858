"""What is in the bundle and how good it is, what was left out and why, and how sure that is."""

from edgecls.manifest import Manifest, Variant
from edgecls_exporters import figures
from edgecls_exporters.ledger import Row
from edgecls_exporters.page import evidence, standing
from edgecls_exporters.page.markup import Html, element, joined, marked, table, two_lines
from edgecls_exporters.report import Report, interval


def part(report: Report, manifest: Manifest) -> Html:
    """Return the first part of the page; it is never empty."""
    said = report.images()
    return joined(
        [
            element("p", _headline(report, manifest), class_="lead"),
            _table(report, manifest),
            _reasons(report),
            element("p", f"{said[0].upper()}{said[1:]}.", class_="note"),
            evidence.part(report),
        ]
    )


def _headline(report: Report, manifest: Manifest) -> str:
    kept = [variant.name for variant in manifest.variants]
    text = f"The bundle holds {figures.listed(kept)}."
    if report.left_out:
        text += f" {figures.listed(list(report.left_out))} {_were(report)} left out."
    first = standing.named(report).get(kept[0])
    if first is not None and len(kept) > 1:
        text += f" {kept[0]} is preferred{_speed(report, manifest)}."
    return text


def _speed(report: Report, manifest: Manifest) -> str:
    """Say that the first variant is the fastest, where it is."""
    rows = standing.named(report)
    found = [row for variant in manifest.variants if (row := rows.get(variant.name))]
    times = [row.engine_ms for row in found if row.engine_ms is not None]
    fastest = len(times) == len(manifest.variants) and times[0] == min(times)
    return ": it is the fastest on the build machine" if fastest else ""


def _were(report: Report) -> str:
    return "was" if len(report.left_out) == 1 else "were"


def _table(report: Report, manifest: Manifest) -> Html:
    rows = standing.named(report)
    first = standing.original(report)
    lines = [_line(first.name, Html("the original"), first, None)] if first else []
    for number, variant in enumerate(manifest.variants):
        first_of_many = number == 0 and len(manifest.variants) > 1
        state = "in the bundle, preferred" if first_of_many else "in the bundle"
        found = rows.get(variant.name)
        lines.append(_line(variant.name, marked(state, "good"), found, variant))
    out = marked("left out", "bad")
    lines += [_line(name, out, rows.get(name), None) for name in report.left_out]
    head = ["variant", "top-1", "95 % interval", "points lost", "agreement", "size", "engine"]
    cut = () if standing.labelled(report) else (1, 2, 3) if first else (1, 2, 3, 4, 6)
    lines = [tuple(c for i, c in enumerate(line) if i not in cut) for line in lines]
    head = [name for i, name in enumerate(head) if i not in cut]
    return table("Variants", head, lines)


def _line(name: str, state: Html, row: Row | None, variant: Variant | None) -> tuple[str, ...]:
    size = variant.size_bytes if variant else row.size_bytes if row else None
    if row is None:
        return (two_lines(name, state), *["-"] * 4, figures.file_size(size), "-")
    is_original = row.after is None
    return (
        two_lines(name, state),
        figures.percent(row.accuracy),
        interval(row),
        "-" if is_original else figures.points(row.drop),
        "-" if is_original else figures.percent(row.agreement),
        figures.file_size(size),
        figures.milliseconds(row.engine_ms),
    )


def _reasons(report: Report) -> Html:
    return joined(
        element("p", element("b", f"{name} left out:"), f" {reason}", class_="out")
        for name, reason in report.left_out.items()
    )
