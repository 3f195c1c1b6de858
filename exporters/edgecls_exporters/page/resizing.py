"""The ways to resize that were tried, against the exact one."""

from edgecls_exporters import figures
from edgecls_exporters.page.markup import Html, joined, marked, note, table
from edgecls_exporters.report import Report

HEAD = ("resize", "agreement", "largest difference", "time per image", "")


def part(report: Report) -> Html:
    """Return the ladder; empty when none was measured."""
    if not report.rungs:
        return Html()
    lines = [
        (
            rung.name,
            figures.percent(rung.agreement),
            figures.decimal(rung.largest_difference),
            figures.milliseconds(rung.milliseconds),
            marked("chosen", "good") if rung.chosen else "",
        )
        for rung in report.rungs
    ]
    reading = note(
        "Agreement and difference are those of scores, with the exact resize (Pillow's bytes); ",
        "time is the median of the whole preprocessing on the build machine.",
    )
    return joined([reading, table("Ways to resize", HEAD, lines, left=(4,))])
