"""How far each figure of a frame may go, and what it means when it goes farther."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgecls.errors import ConfigError
from edgecls_runtime.health.measures import Figures


class Side(StrEnum):
    """Which side of a limit is wrong."""

    LEAST = "least"  # below it
    MOST = "most"  # above it


@dataclass(frozen=True, slots=True)
class Scale:
    """What a figure tells.

    Attributes:
        low: What is wrong with a frame below the least; empty where nothing is.
        high: What is wrong with one above the most; empty where nothing is.
        margin: Least distance from what good frames reach to a learned limit; a factor above 1
            where ``is_ratio``.
        range: Values that the figure can have.
        wide: Good frames that differ by more leave limits that find little; a factor where
            ``is_ratio``.
        is_ratio: Whether twice as much is as far as half as much.
        is_share: Whether 0..1 is written as percent.

    """

    low: str
    high: str
    margin: float
    range: tuple[float, float]
    wide: float
    is_ratio: bool = False
    is_share: bool = False

    def even(self, value: float) -> float:
        """Return a value on a scale where equal steps mean equally much."""
        return math.log(max(value, 1e-6)) if self.is_ratio else value

    @property
    def even_margin(self) -> float:
        """The margin on that scale."""
        return math.log(self.margin) if self.is_ratio else self.margin

    def written(self, value: float) -> str:
        """Return a value for people."""
        if self.is_share:
            return f"{100 * value:.4g} %"
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


# Margins are the smallest changes that matter to a classifier, and that are beyond rounding.
SCALES = {
    "brightness": Scale("too dark", "too bright", 5.0, (0, 255), 100),
    "dark": Scale("", "too dark", 0.3, (0, 1), 0.5, is_share=True),
    "bright": Scale("", "too bright", 0.1, (0, 1), 0.5, is_share=True),
    "contrast": Scale("without contrast", "too harsh", 1.1, (0, 128), 4, is_ratio=True),
    "sharpness": Scale("blurred", "noisy", 1.1, (0, 400), 8, is_ratio=True),
    "red": Scale("colour cast", "colour cast", 1.03, (0, 256), 1.5, is_ratio=True),
    "blue": Scale("colour cast", "colour cast", 1.03, (0, 256), 1.5, is_ratio=True),
    "torn": Scale("", "torn", 1.25, (0, 128), 8, is_ratio=True),
    "fill": Scale("", "incomplete", 0.02, (0, 1), 0.5, is_share=True),
    "shift_px": Scale("", "camera moved", 1.0, (0, math.inf), 20),
    "likeness": Scale("view changed", "", 0.03, (-1, 1), 0.6),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the figures of a frame.

    Attributes:
        least: By the figure's name; what is below is no good.
        most: By the figure's name; what is above is no good.

    """

    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)

    def broken(self, figures: Figures) -> str:
        """Return what is wrong with a frame, as ``too dark: brightness 3.10 < 20.0``.

        Returns:
            One line without the camera's name: of the figure that is farthest beyond its limit and
            explains most, and the names of others. Empty when the frame keeps all limits.

        """
        found = sorted(self._broken(figures), key=_first)
        if not found:
            return ""
        also = ", ".join(label(one.name) for one in found[1:])
        return found[0].line + (f" (also {also})" if also else "")

    def all_broken(self, figures: Figures) -> list[str]:
        """Return the name of each figure that breaks a limit."""
        return [one.name for one in self._broken(figures)]

    def over(self, below: "Limits") -> "Limits":
        """Return these limits, and those of ``below`` for what these do not speak of."""
        return Limits({**below.least, **self.least}, {**below.most, **self.most})

    def without(self, names: tuple[str, ...]) -> "Limits":
        """Return the limits of the other figures."""
        least, most = (
            {name: value for name, value in side.items() if name not in names}
            for side in (self.least, self.most)
        )
        return Limits(least, most)

    def check(self, where: str) -> None:
        """Refuse limits that no figure has.

        Raises:
            ConfigError: An unknown name, the wrong side, or a value that the figure never has.

        """
        for side, limits in ((Side.LEAST, self.least), (Side.MOST, self.most)):
            for name, value in limits.items():
                _check(f"{where}.{side}.{name}", side, name, value)

    def _broken(self, figures: Figures) -> Iterator["Broken"]:
        for name in SCALES:
            value: float | None = getattr(figures, name)
            if value is None:
                continue
            least, most = self.least.get(name), self.most.get(name)
            if least is not None and not value >= least:
                yield Broken(name, Side.LEAST, value, least)
            elif most is not None and not value <= most:
                yield Broken(name, Side.MOST, value, most)


@dataclass(frozen=True, slots=True)
class Broken:
    """A figure beyond its limit."""

    name: str
    side: Side
    value: float
    limit: float

    @property
    def line(self) -> str:
        """What that means, the value and the limit."""
        scale = SCALES[self.name]
        what, sign = (scale.low, "<") if self.side is Side.LEAST else (scale.high, ">")
        found, allowed = scale.written(self.value), scale.written(self.limit)
        if found == allowed:  # a difference that rounding hides
            found, allowed = f"{self.value:.6g}", f"{self.limit:.6g}"
        return f"{what}: {label(self.name)} {found} {sign} {_unit(self.name, allowed)}"

    @property
    def margins(self) -> float:
        """How far beyond, in margins of the figure's own scale; far is far."""
        scale = SCALES[self.name]
        value, limit = scale.even(self.value), scale.even(self.limit)
        return min(abs(value - limit) / scale.even_margin, FAR)


FAR = 10.0


def _first(one: Broken) -> tuple[bool, bool, float]:
    # What no data came for explains all else that is wrong; whatever is, it is less like the view.
    return one.name != "fill", one.name == "likeness", -one.margins


def label(name: str) -> str:
    """Return a figure's name for people."""
    return LABELS.get(name, name)


LABELS = {"dark": "black pixels", "bright": "white pixels", "shift_px": "shift"}


def by_name(figures: Figures) -> dict[str, float]:
    """Return the figures of a frame by their names, for programs."""
    found = {name: getattr(figures, name) for name in SCALES}
    return {name: value for name, value in found.items() if value is not None}


def _unit(name: str, text: str) -> str:
    return f"{text} px" if name.endswith("_px") else text


def _check(where: str, side: Side, name: str, value: float) -> None:
    if name not in SCALES:
        raise ConfigError(f"{where}: no such figure; known ones are {', '.join(SCALES)}")
    scale = SCALES[name]
    if not (scale.low if side is Side.LEAST else scale.high):
        other = Side.MOST if side is Side.LEAST else Side.LEAST
        raise ConfigError(f"{where}: {label(name)} has no {side}; expected {other}.{name}")
    lowest, highest = scale.range
    if not lowest <= value <= highest:  # NaN compares false
        raise ConfigError(f"{where}: {value:g}; expected {lowest:g} to {highest:g}")
