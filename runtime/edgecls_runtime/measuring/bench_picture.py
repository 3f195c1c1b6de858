"""Accuracy against latency as one SVG file that needs nothing else, on light and dark paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP, HEIGHT, ROW = 720, 64, 24, 46, 260, 20
STYLE = """
svg { background: #fff; color: #1c2128; font: 13px system-ui, "Segoe UI", Roboto, sans-serif }
text { fill: currentColor } .muted { fill: #5c6570; font-size: 12px }
.title { font-size: 16px; font-weight: 600 }
.end { text-anchor: end } .middle { text-anchor: middle }
.grid { stroke: #e1e5ea } .axis { stroke: #5c6570 }
.span { stroke: #2f6db3; stroke-width: 3; opacity: .5; stroke-linecap: round }
.dot { fill: #2f6db3 } .wrong { fill: #b3311f } .number { font-weight: 600; font-size: 12px }
@media (prefers-color-scheme: dark) {
  svg { background: #14171b; color: #e4e7eb } .muted { fill: #9aa4af }
  .grid { stroke: #2c323a } .axis { stroke: #9aa4af }
  .span { stroke: #78aee8 } .dot { fill: #78aee8 } .wrong { fill: #ff8d7a }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration.

    Attributes:
        name: What it is.
        p50: Median latency, ms.
        p99: Latency that one frame of a hundred exceeds, ms.
        share: Accuracy or agreement, 0..1; None if not measured.
        wrong: Whether it answers the golden samples wrongly here.

    """

    name: str
    p50: float
    p99: float
    share: float | None
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Values ``low`` to ``high``, drawn from ``start`` to ``end``, px."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value lies, px."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return up to six round values."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def draw(points: Sequence[Point], title: str, measure: str, notes: Sequence[str] = ()) -> str:
    """Return the picture.

    Args:
        points: One or more; each is numbered and named in a line below.
        title: What was measured.
        measure: What ``share`` is: accuracy or agreement.
        notes: Lines at the bottom: where it was measured, and what disturbed it.

    """
    rows = [*_legend(points, measure), *(_text(LEFT, 0, note, "muted") for note in notes)]
    height = TOP + HEIGHT + 56 + ROW * len(rows)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">'
    )
    lines = [
        opening,
        f"<style>{STYLE}</style>",
        _text(LEFT, 26, title, "title"),
        *_chart(points, measure),
        *(
            f'<g transform="translate(0 {TOP + HEIGHT + 60 + ROW * number})">{row}</g>'
            for number, row in enumerate(rows)
        ),
        "</svg>\n",
    ]
    return "\n".join(lines)


def _chart(points: Sequence[Point], measure: str) -> list[str]:
    bottom = TOP + HEIGHT
    across = Axis(0, 1.06 * max(point.p99 for point in points), LEFT, WIDTH - RIGHT)
    known = [point.share for point in points if point.share is not None] or [0.5]
    room = max(0.25 * (max(known) - min(known)), 0.005)
    up = Axis(min(known) - room, max(known) + room, bottom, TOP)
    shapes = []
    for value in up.ticks():
        shapes.append(_line((LEFT, up.at(value)), (WIDTH - RIGHT, up.at(value)), "grid"))
        if any(point.share is not None for point in points):
            shapes.append(_text(LEFT - 8, up.at(value) + 4, f"{100 * value:.4g} %", "muted end"))
    shapes.append(_line((LEFT, bottom), (WIDTH - RIGHT, bottom), "axis"))
    shapes += [
        _text(across.at(value), bottom + 18, f"{value:g}", "muted middle")
        for value in across.ticks()
    ]
    label = f"ms from a 1080p frame in memory to its prediction, p50 to p99; upwards {measure}"
    shapes.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 36, label, "muted middle"))
    for number, point in enumerate(points, 1):
        shapes += _point(
            number, point, across, up.at(known[0] if point.share is None else point.share)
        )
    return shapes


def _point(number: int, point: Point, across: Axis, y: float) -> list[str]:
    x, mark = across.at(point.p50), "wrong" if point.wrong else "dot"
    side = -9 if number % 2 else 19  # neighbours write above and below
    return [
        _line((x, y), (across.at(point.p99), y), "span"),
        f'<circle cx="{x:g}" cy="{y:g}" r="5" class="{mark}"/>',
        _text(x, y + side, str(number), "number middle"),
    ]


def _legend(points: Sequence[Point], measure: str) -> list[str]:
    return [
        _text(
            LEFT,
            0,
            f"{number}  {point.name}: p50 {point.p50:.2f}, p99 {point.p99:.2f} ms, {measure} "
            f"{'not measured' if point.share is None else f'{100 * point.share:.2f} %'}"
            f"{'; ANSWERS WRONGLY HERE' if point.wrong else ''}",
            "",
        )
        for number, point in enumerate(points, 1)
    ]


def _line(start: tuple[float, float], end: tuple[float, float], mark: str) -> str:
    return (
        f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" '
        f'class="{mark}"/>'
    )


def _text(x: float, y: float, content: str, mark: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{mark}">{escape(content)}</text>'
