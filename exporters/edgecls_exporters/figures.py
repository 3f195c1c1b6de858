"""Figures as text: one way to write each for the terminal, another where a page has better signs.

What is missing or not a number is ``-``.
"""

import math

NOTHING = "-"
MINUS = "\u2212"


def known(value: float | None) -> bool:
    """Return whether there is a finite number."""
    return value is not None and math.isfinite(value)


def percent(share: float | None) -> str:
    """Return a share, 0..1, as per cent with two decimals."""
    return f"{100 * share:.2f} %" if share is not None and known(share) else NOTHING


def points(value: float | None) -> str:
    """Return points of top-1 with two decimals and a true minus sign; below 0 is a gain."""
    if value is None or not known(value):
        return NOTHING
    rounded = round(value, 2)
    return f"{MINUS if rounded < 0 else ''}{abs(rounded):.2f}"


def probability(p: float | None) -> str:
    """Return a p with two decimals, and never as 0: no test is that sure."""
    if p is None or not known(p):
        return NOTHING
    return f"{p:.2f}" if p >= 0.01 else "<0.01"


def file_size(size_bytes: int | None) -> str:
    """Return a file's size in millions of bytes, a tiny one's in thousands."""
    if size_bytes is None:
        return NOTHING
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def milliseconds(duration: float | None) -> str:
    """Return a time, given in ms."""
    if duration is None or not known(duration):
        return NOTHING
    return f"{duration:.1f} ms" if duration >= 1 else f"{duration:.2f} ms"


def decimal(value: float | None) -> str:
    """Return a number of any size with two significant digits, such as a difference of scores."""
    if value is None or not known(value):
        return NOTHING
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        rounded = float(f"{value:.2g}")
        return f"{rounded:.{max(0, 1 - math.floor(math.log10(abs(rounded)) + 1e-9))}f}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 image``, ``2 images``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """Return words as a sentence has them: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
