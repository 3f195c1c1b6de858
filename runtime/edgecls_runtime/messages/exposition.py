"""Metrics as text, as Prometheus reads them.

Source:
    https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


class Histogram:
    """How often a figure was how large."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        """Begin to count.

        Args:
            edges: Upper ones of the buckets, growing.

        """
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self._sum = 0.0

    def count(self, value: float) -> None:
        """Add one."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def samples(self, name: str, labels: Labels) -> Iterable[str]:
        """Yield its lines."""
        edges = [*(number(edge) for edge in self._edges), "+Inf"]
        sums = list(accumulate(self._counts))
        for edge, below in zip(edges, sums, strict=True):
            yield sample(f"{name}_bucket", below, {**labels, "le": edge})
        yield sample(f"{name}_sum", self._sum, labels)
        yield sample(f"{name}_count", sums[-1], labels)


def family(name: str, kind: str, text: str, samples: Iterable[str]) -> list[str]:
    """Return the lines of one metric; none where it has no samples.

    Args:
        name: Of the metric.
        kind: ``counter``, ``gauge`` or ``histogram``.
        text: For people, on one line.
        samples: Its lines.

    """
    lines = list(samples)
    return [f"# HELP {name} {text}.", f"# TYPE {name} {kind}", *lines] if lines else []


def sample(name: str, value: float, labels: Labels) -> str:
    """Return one line."""
    pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} {number(value)}" if pairs else f"{name} {number(value)}"


def number(value: float) -> str:
    """Return a number as it is read there."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
