"""From what activations look like on calibration images to the range that 8 bits shall cover.

Two passes over the images: the first finds each tensor's minimum and maximum, the second counts
values into bins between them. Memory holds one image's activations and the counts.

Sources:
    ``entropy``: S. Migacz, "8-bit Inference with TensorRT", GTC 2017. ``mse``: the range of least
    mean squared rounding error; R. Banner et al., "Post training 4-bit quantization of
    convolutional networks for rapid-deployment", NeurIPS 2019, minimise the same for a Laplacian.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgecls_exporters.probe import Probe, float_tensors

BINS = 2048
LEVELS = 256
PERCENTILE = 99.99
# Fractions of the whole range that are tried as the range to keep.
SHRINKS = np.linspace(1.0, 0.2, 81)

Batches = Callable[[str], Iterable[NDArray[np.uint8]]]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a tensor takes which values.

    Attributes:
        low: Smallest value seen, or 0 if that is smaller: integers must hold 0.
        high: Largest value seen, or 0.
        counts: int64, shape (BINS,): values between them, in bins of equal width.

    """

    low: float
    high: float
    counts: NDArray[np.int64]

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each bin: shape (BINS,)."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return np.asarray((edges[:-1] + edges[1:]) / 2)


def extremes(model: ModelProto, batches: Batches) -> dict[str, Range]:
    """Return the smallest and largest value of every float tensor of a graph, 0 between them.

    Args:
        model: float32, of ``graph.export_graph``.
        batches: As for ``histograms``. Called once.

    """
    probe = Probe(model, float_tensors(model))
    found: dict[str, Range] = {}
    for batch in batches("calibrating: ranges"):
        for name, values in probe(batch).items():
            low, high = found.get(name, (0.0, 0.0))
            found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def histograms(model: ModelProto, batches: Batches) -> dict[str, Histogram]:
    """Count the values of every float tensor of a graph.

    Args:
        model: float32, of ``graph.export_graph``.
        batches: Called with a text for the progress line, gives the calibration images, each
            uint8 (n, height, width, 3). Called twice.

    """
    ends = extremes(model, batches)
    counts = {name: np.zeros(BINS, np.int64) for name in ends}
    probe = Probe(model, list(ends))
    for batch in batches("calibrating: histograms"):
        for name, values in probe(batch).items():
            counts[name] += _counted(values, *ends[name])
    return {name: Histogram(*ends[name], counts[name]) for name in ends}


def _counted(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.int64]:
    scale = BINS / max(high - low, 1e-12)
    above = np.asarray(values, np.float32).ravel() - np.float32(low)
    bins = (above * np.float32(scale)).astype(np.int32)
    return np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)


def minmax(found: Histogram) -> Range:
    """Cover every value seen."""
    return found.low, found.high


def percentile(found: Histogram) -> Range:
    """Cut off the outermost 0.01 % of values on either side."""
    share = np.cumsum(found.counts) / max(found.counts.sum(), 1)
    centres, out = found.centres, (100 - PERCENTILE) / 100
    first, last = np.searchsorted(share, (out, 1 - out)).tolist()
    low = found.low if first == 0 else float(centres[first])
    high = float(centres[min(last, BINS - 1)])
    return min(low, 0.0), max(high, 0.0)


def mse(found: Histogram) -> Range:
    """Return the range of least mean squared error, of clipping and of rounding together."""
    centres, counts = found.centres, found.counts

    def error(low: float, high: float) -> float:
        step = max(high - low, 1e-12) / (LEVELS - 1)
        beyond = centres - np.clip(centres, low, high)
        inside = counts[beyond == 0].sum() * step * step / 12
        return float((counts * beyond * beyond).sum() + inside)

    low, high = found.low, found.high
    for _ in range(2):  # each end in turn; zero stays inside
        if found.high > 0:
            high = float(min(found.high * SHRINKS, key=lambda end: error(low, end)))
        if found.low < 0:
            low = float(min(found.low * SHRINKS, key=lambda end: error(end, high)))
    return low, high


def entropy(found: Histogram) -> Range:
    """Return the range whose rounded histogram tells least apart from the whole (KL divergence).

    Ends are cut together: the range keeps its proportion of negative values.
    """
    best, kept = np.inf, minmax(found)
    for shrink in SHRINKS.tolist():
        low, high = found.low * shrink, found.high * shrink
        lost = _divergence(found, low, high)
        if lost < best:
            best, kept = lost, (low, high)
    return kept


def _divergence(found: Histogram, low: float, high: float) -> float:
    """Return the KL divergence, nats, of the clipped histogram from the same in 256 levels."""
    centres, counts = found.centres, found.counts.astype(np.float64)
    # Zeros of a ReLU would drown everything else; TensorRT leaves their bin out as well.
    counts[int(np.abs(centres).argmin())] = 0
    levels = np.clip((centres - low) / max(high - low, 1e-12) * LEVELS, 0, LEVELS - 1).astype(int)
    inside = (centres >= low) & (centres <= high)
    clipped = np.where(inside, counts, 0.0)
    edges = np.flatnonzero(inside)
    if not len(edges) or not counts.sum():
        return float(np.inf)
    clipped[edges[0]] += counts[: edges[0]].sum()
    clipped[edges[-1]] += counts[edges[-1] + 1 :].sum()
    # The levels see what lies inside; each spreads its count over its bins that hold any.
    held = inside & (counts > 0)
    total = np.bincount(levels[held], counts[held], LEVELS)
    share = np.bincount(levels[held], minlength=LEVELS)
    spread = np.where(held, total[levels] / np.maximum(share[levels], 1), 0.0)
    p, q = clipped / clipped.sum(), spread / max(spread.sum(), 1e-12)
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], 1e-12))).sum())


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "mse": mse,
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
}
