"""Limits from good frames: a margin beyond the farthest of them, and how often that may be wrong.

A figure's limit lies as much farther out as its margin says, counted from the middle of the good
frames to the farthest one, and never nearer than the scale's own margin. Frames that lie far from
all others are no good frames and are left out, as long as they are few.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecls.metrics import rule_of_three, wilson
from edgecls_runtime.health.limits import SCALES, Limits, Scale

Values = NDArray[np.float64]
Table = Mapping[str, Values]

# Of scripts/bench_health.py: 0.5 found 78 % of the frames blurred by 0.7 px, and refused good ones
# by contrast (6 of 4,000) and torn (1), with seed 0; 1 found 30 % and refused none by these (100).
MARGIN = 1.0
# Below so few frames the farthest of them says little about the next one.
FEWEST = 20
# Farther from the middle than so many (robust) standard deviations: not one of them. A figure's own
# margin counts as one standard deviation at least.
FAR = 6.0
# Frames that are left out at most; more of them are how this place is.
MOST_LEFT_OUT = 0.02
PARTS = 10


@dataclass(frozen=True, slots=True)
class Range:
    """Where a figure of the good frames lies."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Alarms:
    """Good frames that break limits which were learned without them.

    Attributes:
        of: Good frames.
        each: Broken when each frame in its turn was not learned from.
        tenths: Broken when each tenth of the frames in a row was not: these differ more, where
            light and scene change slowly.

    """

    of: int
    each: int
    tenths: int

    @property
    def at_most(self) -> float:
        """Rate, 0..1, of false alarms to expect at most, with 95 % confidence."""
        worst = max(self.each, self.tenths)
        return rule_of_three(self.of) if not worst else wilson(worst, self.of)[1]


@dataclass(frozen=True, slots=True)
class Learned:
    """What good frames taught.

    Attributes:
        limits: Of the figures that they have.
        seen: Where each figure lay.
        left_out: Numbers of the frames that were far from all others, each with the figure's name.
        alarms: How often the limits may be wrong.
        warnings: What makes limits mean little, a line each.

    """

    limits: Limits
    seen: dict[str, Range]
    left_out: dict[int, str]
    alarms: Alarms
    warnings: list[str] = field(default_factory=list)


def learned(table: Table, margin: float = MARGIN) -> Learned:
    """Learn limits.

    Args:
        table: Each figure's value in every good frame, float64, shape (n_frames,); the frames in
            the order in which they were taken, ``FEWEST`` or more.
        margin: How much farther than the farthest good frame a limit lies, as a share of that
            one's distance from the middle; 0 or more.

    """
    far = {name: _far(values, SCALES[name]) for name, values in table.items()}
    count = len(next(iter(table.values())))
    strange = np.flatnonzero(np.any(list(far.values()), axis=0))
    warnings = []
    if len(strange) > MOST_LEFT_OUT * count:
        names = ", ".join(name for name, found in far.items() if found.any())
        warnings.append(
            f"{len(strange)} of {count} frames are far from the others ({names}): too many to be "
            f"left out, so limits allow them; were all of them good?"
        )
        strange = strange[:0]
    kept = np.setdiff1d(np.arange(count), strange)
    good = {name: values[kept] for name, values in table.items()}
    limits = learned_limits(good, margin)
    warnings += _wide(good)
    return Learned(
        limits,
        {name: Range(*np.quantile(values, (0, 0.5, 1)).tolist()) for name, values in good.items()},
        {int(i): next(name for name, found in far.items() if found[i]) for i in strange},
        Alarms(
            len(kept),
            _held_out(good, np.arange(len(kept)), margin),
            _held_out(good, np.arange(len(kept)) * PARTS // len(kept), margin),
        ),
        warnings,
    )


def learned_limits(table: Table, margin: float) -> Limits:
    """Return the limits of good frames, none of which is left out.

    A limit that no value can break is none.
    """
    least, most = {}, {}
    for name, values in table.items():
        scale = SCALES[name]
        low, high = _around(_even(values, scale), scale, margin)
        if scale.low and low > scale.range[0]:
            least[name] = low
        if scale.high and high < scale.range[1]:
            most[name] = high
    return Limits(least, most)


def _around(values: Values, scale: Scale, margin: float) -> tuple[float, float]:
    """Return the limits below and above evenly scaled values, in the figure's own scale."""
    middle, own = float(np.median(values)), scale.even_margin
    low, high = float(values.min()), float(values.max())
    low -= max(margin * (middle - low), own)
    high += max(margin * (high - middle), own)
    return (float(np.exp(low)), float(np.exp(high))) if scale.is_ratio else (low, high)


def _even(values: Values, scale: Scale) -> Values:
    """Return values on a scale where equal steps mean equally much."""
    return np.log(np.maximum(values, 1e-6)) if scale.is_ratio else values


def _far(values: Values, scale: Scale) -> NDArray[np.bool_]:
    even = _even(values, scale)
    distance = np.abs(even - np.median(even))
    deviation = max(1.4826 * float(np.median(distance)), scale.even_margin)
    found: NDArray[np.bool_] = distance > FAR * deviation
    return found


def _held_out(table: Table, groups: NDArray[np.intp], margin: float) -> int:
    """Count the frames that break limits which were learned without their group."""
    broken = 0
    for group in np.unique(groups):
        inside = groups == group
        limits = learned_limits({name: values[~inside] for name, values in table.items()}, margin)
        wrong = np.zeros(int(inside.sum()), bool)
        for name, values in table.items():
            wrong |= values[inside] < limits.least.get(name, -np.inf)
            wrong |= values[inside] > limits.most.get(name, np.inf)
        broken += int(wrong.sum())
    return broken


def _wide(table: Table) -> list[str]:
    """Say which figures differ so much among good frames that their limits mean little."""
    found = []
    for name, values in table.items():
        scale = SCALES[name]
        low, high = float(values.min()), float(values.max())
        wide = high > scale.wide * low if scale.is_ratio else high - low > scale.wide
        if wide:
            found.append(
                f"{name}: {scale.written(low)} to {scale.written(high)} in good frames; "
                f"so wide a limit finds little"
            )
    return found
