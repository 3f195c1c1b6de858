"""README and docs: what they link to is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file that a page links to, and the heading in it."""
    for match in LINK.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
        link = match[1] or match[2]
        if not link.startswith(ELSEWHERE):
            path, _, heading = link.partition("#")
            yield (page.parent / path if path else page), heading


def headings(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    missing = [str(path) for path, _ in links(page) if not path.exists()]
    unknown = [
        f"{path.name}#{heading}"
        for path, heading in links(page)
        if heading and path.suffix == ".md" and path.exists() and heading not in headings(path)
    ]

    assert (missing, unknown) == ([], [])
