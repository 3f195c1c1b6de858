"""Charts as inline SVG: axes in pixels, and shapes that take their colours from the style sheet."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgecls_exporters.page.markup import Html, element


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values lie on a chart.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``; above ``low``.
        start: px.
        end: px.

    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value lies, px; outside of the axis at its end."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def ticks(self, most: int = 5) -> list[float]:
        """Return round values along the axis, ``most`` or fewer."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def spanning(values: Iterable[float], start: float, end: float, least: float = 1e-9) -> Axis:
    """Return an axis with a little room around the values, never narrower than ``least``."""
    known = list(values) or [0.0]
    low, high = min(known), max(known)
    room = 0.06 * (high - low) + max(0.0, least - (high - low)) / 2
    return Axis(low - room, high + room, start, end)


def drawing(what: str, width: float, height: float, *shapes: str, mark: str = "chart") -> Html:
    """Return a chart; ``what`` tells its content to who cannot see it."""
    return element(
        "svg",
        *shapes,
        class_=mark,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=what,
    )


def line(start: tuple[float, float], end: tuple[float, float], mark: str) -> Html:
    """Return a straight line between two (x, y), px."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=mark)


def dot(x: float, y: float, radius: float, mark: str) -> Html:
    """Return a disc."""
    return element("circle", cx=x, cy=y, r=radius, class_=mark)


def text(x: float, y: float, content: str, mark: str | None = None) -> Html:
    """Return text; ``mark`` may hold ``end`` or ``middle``, which say where ``x`` is in it."""
    return element("text", content, x=x, y=y, class_=mark)


def bars(places: Iterable[tuple[float, float, float]], width: float, mark: str) -> Html:
    """Return vertical bars, each (x, from y, to y), px, as one shape: hundreds cost little."""
    path = "".join(f"M{x:g} {low:g}V{high:g}" for x, low, high in places)
    return element("path", d=path, stroke_width=width, class_=mark) if path else Html()
