"""HTML from parts: what is not marked as markup is escaped, so that no label becomes a tag."""

import html
from collections.abc import Collection, Iterable, Sequence

VOID = {"img", "meta"}
# HTML has no place for these; a file name may.
CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)], "\ufffd")


class Html(str):
    """Markup. Every other ``str`` is text, and is escaped where it becomes part of a page."""

    __slots__ = ()


def escaped(text: str) -> Html:
    """Return text as markup; markup stays as it is."""
    if isinstance(text, Html):
        return text
    # A file name may hold bytes that are no UTF-8; the page must be.
    clean = text.encode("utf-8", "replace").decode("utf-8").translate(CONTROLS)
    return Html(html.escape(clean))


def joined(parts: Iterable[str], separator: str = "") -> Html:
    """Return parts, texts escaped, behind each other."""
    return Html(escaped(separator).join(escaped(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | float | None) -> Html:
    """Return an element.

    Args:
        tag: Its name.
        children: Texts, which are escaped, and markup, which is not.
        attributes: ``class_`` is ``class``, ``aria_label`` is ``aria-label``; None is left away.

    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{joined(children)}</{tag}>")


def _attribute(value: str | float) -> Html:
    return escaped(str(value) if isinstance(value, str) else f"{round(value, 2):g}")


def marked(text: str, mark: str) -> Html:
    """Return text with a class of the style sheet: ``bad``, ``good``, ``muted``."""
    return element("span", text, class_=mark)


def two_lines(first: str, second: str) -> Html:
    """Return a cell with a second, smaller line, if there is something to say in it."""
    return joined([first, element("small", second)] if second else [first])


def note(*children: str) -> Html:
    """Return a paragraph that says how to read what follows."""
    return element("p", *children, class_="note")


def scrolling(content: str, what: str) -> Html:
    """Return wide content in a box that scrolls by itself, with the keyboard too."""
    return element("div", content, class_="wide", tabindex="0", role="region", aria_label=what)


def folded(summary: str, content: str) -> Html:
    """Return content that is shown when its summary is clicked."""
    return element("details", element("summary", summary), content)


def table(
    what: str, head: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = ()
) -> Html:
    """Return a table whose first column names its rows; the others are numbers.

    Args:
        what: What it shows, for who cannot see it.
        head: Name of each column.
        rows: Cells of each row.
        left: Columns that hold words, and begin at the left.

    """
    marks = ["t" if i in left else None for i in range(len(head))]
    names = joined(
        element("th", name, scope="col", class_=mark)
        for name, mark in zip(head, ["t", *marks[1:]], strict=True)
    )
    body = joined(
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, class_=mark)
                for cell, mark in zip(row[1:], marks[1:], strict=True)
            ),
        )
        for row in rows
    )
    filled = element("table", element("thead", element("tr", names)), element("tbody", body))
    return scrolling(filled, what)
