"""Ranges of activations: counted in two passes over the images, and cut where that loses least."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper

from edgecls_exporters import ranges
from edgecls_exporters.probe import Probe, float_tensors
from edgecls_exporters.ranges import BINS, LEVELS, Histogram, histograms
from small_graphs import Images, batches_of, constants_of, convolutions, graph_of, pictures

ALL = pytest.mark.parametrize("name", sorted(ranges.METHODS))


def counted(values: NDArray[np.float64]) -> Histogram:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    counts, _ = np.histogram(values, BINS, (low, high or 1.0))
    return Histogram(low, high, counts.astype(np.int64))


def lost(values: NDArray[np.float64], found: ranges.Range) -> float:
    """Return the mean squared error of values in 256 levels of a range."""
    low, high = found
    step = (high - low) / (LEVELS - 1)
    kept = np.round((np.clip(values, low, high) - low) / step) * step + low
    return float(np.square(kept - values).mean())


@pytest.fixture(scope="module")
def graph() -> ModelProto:
    return convolutions()


def test_extremes_are_numpy_s_of_the_same_activations_in_one_pass(graph: ModelProto) -> None:
    images, asked = pictures(6), []

    def batches(text: str) -> Iterator[Images]:
        asked.append(text)
        return batches_of(images)(text)

    found = ranges.extremes(graph, batches)

    probe = Probe(graph, float_tensors(graph))
    runs = [probe(image[None]) for image in images]
    assert asked == ["calibrating: ranges"]
    assert set(found) == set(float_tensors(graph))
    for name, (low, high) in found.items():
        values = np.concatenate([np.asarray(run[name], np.float64).ravel() for run in runs])
        assert (low, high) == (min(values.min(), 0.0), max(values.max(), 0.0))


def test_a_histogram_is_numpy_s_of_the_same_activations(graph: ModelProto) -> None:
    images = pictures(6)
    probe = Probe(graph, float_tensors(graph))
    runs = [probe(image[None]) for image in images]

    found = histograms(graph, batches_of(images))

    assert set(found) == set(float_tensors(graph))
    for name, histogram in found.items():
        values = np.concatenate([np.asarray(run[name], np.float64).ravel() for run in runs])
        wanted = counted(values)
        assert histogram.low == pytest.approx(wanted.low)
        assert histogram.high == pytest.approx(wanted.high)
        assert histogram.counts.sum() == len(values)
        # A value on the edge of two bins may be counted in either: float32 against float64.
        ahead = np.cumsum(histogram.counts) - np.cumsum(wanted.counts)
        assert np.abs(ahead).max() <= max(2, 0.002 * len(values)), name


def test_the_images_are_asked_for_twice_and_each_is_let_go_before_the_next(
    graph: ModelProto,
) -> None:
    passes: list[str] = []
    alive: list[int] = []

    def batches(text: str) -> Iterator[Images]:
        passes.append(text)
        given: list[weakref.ref[Images]] = []
        for image in pictures(12):
            batch = image[None].copy()
            given.append(weakref.ref(batch))
            yield batch
            del batch
            alive.append(sum(one() is not None for one in given))

    histograms(graph, batches)

    assert passes == ["calibrating: ranges", "calibrating: histograms"]
    assert max(alive) <= 1


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
def test_a_tensor_of_one_value_has_a_range_that_holds_it_and_zero(value: float) -> None:
    nodes = [
        helper.make_node("Mul", ["centred", "zero"], ["nothing"], name="nothing"),
        helper.make_node("Add", ["nothing", "value"], ["same"], name="same"),
        helper.make_node("GlobalAveragePool", ["same"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Softmax", ["flat"], ["scores"], name="softmax", axis=1),
    ]
    constants = {"zero": np.float32(0), "value": np.float32(value)}
    graph = graph_of(nodes, constants, n_labels=3)

    found = histograms(graph, batches_of(pictures(3)))["same"]

    assert found.counts.sum() == 3 * 3 * 16 * 16
    for name, method in ranges.METHODS.items():
        low, high = method(found)
        assert low <= 0 <= high, name
        assert (low, high) == pytest.approx((min(value, 0), max(value, 0)), abs=0.01), name


@ALL
@pytest.mark.parametrize("shift", [-8.0, -1.0, 0.0, 1.0, 8.0])
def test_zero_stays_inside(name: str, shift: float) -> None:
    values = np.random.default_rng(1).normal(shift, 1, 20000)

    low, high = ranges.METHODS[name](counted(values))

    assert low <= 0 <= high
    assert values.min() <= low or low == 0
    assert high <= values.max() or high == 0


@ALL
def test_zeros_alone_have_a_range(name: str) -> None:
    assert ranges.METHODS[name](counted(np.zeros(1000))) == (0.0, 0.0)


def test_minmax_covers_every_value() -> None:
    values = np.append(np.random.default_rng(1).normal(0, 1, 5000), [-30.0, 70.0])

    assert ranges.minmax(counted(values)) == (-30.0, 70.0)


def test_mse_cuts_the_one_outlier_of_a_gaussian() -> None:
    values = np.append(np.random.default_rng(1).normal(0, 1, 1_000_000), 40.0)

    low, high = ranges.mse(counted(values))

    assert 4 < high < 20
    assert -5 < low < -3
    assert lost(values, (low, high)) < 0.5 * lost(values, (values.min(), values.max()))


@pytest.mark.parametrize(
    "drawn",
    [
        np.random.default_rng(1).normal(0, 1, 50_000),
        np.random.default_rng(2).laplace(0, 1, 50_000),
        np.maximum(np.random.default_rng(3).normal(0, 1, 50_000), 0),
        np.random.default_rng(4).uniform(-2, 5, 50_000),
        np.random.default_rng(5).lognormal(0, 1, 50_000),
    ],
    ids=["gaussian", "laplacian", "rectified", "uniform", "heavy tail"],
)
def test_mse_loses_least_of_all_ranges_cut_at_both_ends(drawn: NDArray[np.float64]) -> None:
    found = ranges.mse(counted(drawn))

    ends = np.linspace(1, 0.2, 17)
    tried = [(low * drawn.min(), high * drawn.max()) for low in ends for high in ends]
    best = min(lost(drawn, (min(low, 0.0), high)) for low, high in tried)
    assert lost(drawn, found) <= 1.03 * best


def test_mse_leaves_a_uniform_tensor_whole() -> None:
    values = np.random.default_rng(4).uniform(-2, 5, 50_000)

    assert ranges.mse(counted(values)) == pytest.approx((-2, 5), rel=0.02)


def test_percentile_cuts_one_value_of_ten_thousand_on_either_side() -> None:
    values = np.random.default_rng(1).normal(0, 1, 200_000)

    low, high = ranges.percentile(counted(values))

    width = (values.max() - values.min()) / BINS
    assert low == pytest.approx(np.percentile(values, 0.01), abs=2 * width)
    assert high == pytest.approx(np.percentile(values, 99.99), abs=2 * width)


def test_percentile_keeps_the_zeros_of_a_relu_and_cuts_above_alone() -> None:
    values = np.maximum(np.random.default_rng(1).normal(-1, 1, 100_000), 0)
    values[0] = 50.0

    low, high = ranges.percentile(counted(values))

    assert low == 0
    assert high < 6


def test_entropy_cuts_a_long_tail_and_keeps_the_proportion_of_negatives() -> None:
    values = np.append(np.random.default_rng(1).normal(0, 1, 100_000), [40.0, -20.0])

    low, high = ranges.entropy(counted(values))

    assert high < 20
    assert low / high == pytest.approx(-0.5, rel=1e-6)


def test_entropy_leaves_a_uniform_tensor_nearly_whole() -> None:
    low, high = ranges.entropy(counted(np.random.default_rng(4).uniform(-2, 5, 200_000)))

    assert (low, high) == pytest.approx((-2, 5), rel=0.06)


def test_the_range_of_a_clip_ends_where_it_clips(graph: ModelProto) -> None:
    found = histograms(graph, batches_of(pictures(6)))["stem_on"]

    assert (found.low, found.high) == (0.0, float(constants_of(graph)["six"]))
