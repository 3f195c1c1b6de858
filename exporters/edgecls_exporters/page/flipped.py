"""The images that a variant answers otherwise than the original, the worst first."""

from edgecls_exporters import figures
from edgecls_exporters.ledger import Flip
from edgecls_exporters.page.markup import Html, element, joined, marked, note
from edgecls_exporters.page.thumbnails import picture
from edgecls_exporters.report import Report

MOST = 24


def shown(report: Report) -> tuple[Flip, ...]:
    """Return the flips that the page shows: first where most variants lost a right answer."""
    ranked = sorted(report.flips, key=lambda flip: _damage(flip, report), reverse=True)
    return tuple(ranked[:MOST])


def _damage(flip: Flip, report: Report) -> tuple[int, int, int]:
    """Return how many shipped variants lost a right answer, changed theirs; and of all rows."""
    changed = [name for name, answer in flip.answers.items() if answer != flip.original]
    shipped = [name for name in changed if name in report.variants]
    lost = len(shipped) if flip.original == flip.label else 0
    return lost, len(shipped), len(changed)


def part(report: Report, thumbnails: dict[str, bytes]) -> Html:
    """Return the gallery; empty when no answer changed."""
    if not report.flips:
        return Html()
    found = shown(report)
    count = figures.counted(len(report.flips), "image")
    rest = (
        f"The {len(found)} worst are shown; report.json has all."
        if len(found) < len(report.flips)
        else ""
    )
    return joined(
        [
            note(f"{count} that a variant answers otherwise than the original. {rest}"),
            element(
                "div",
                *(_card(flip, report, thumbnails.get(flip.file)) for flip in found),
                class_="gallery",
            ),
        ]
    )


def _card(flip: Flip, report: Report, jpeg: bytes | None) -> Html:
    first = report.rows[0].name if report.rows else "original"
    lines = [_line("true", flip.label, "")] if flip.label is not None else []
    lines.append(_line(first, flip.original, _mark(flip.original, flip.label)))
    others: dict[str, list[str]] = {}
    for name, answer in flip.answers.items():
        if answer != flip.original:
            others.setdefault(answer, []).append(name)
    lines += [
        _line(", ".join(names), answer, _mark(answer, flip.label))
        for answer, names in others.items()
    ]
    if not others:  # multilabel: the first label is the same
        lines.append(_line("a variant", "differs in another label", ""))
    image = picture(jpeg, f"{flip.file}, answered {flip.original} by {first}")
    caption = element("figcaption", element("dl", *lines), element("small", flip.file))
    return element("figure", image, caption)


def _mark(answer: str, truth: str | None) -> str:
    if truth is None:
        return ""
    return "good" if answer == truth else "bad"


def _line(who: str, answer: str, mark: str) -> Html:
    said = element("dd", marked(answer, mark) if mark else answer)
    return element("div", element("dt", who), said)
