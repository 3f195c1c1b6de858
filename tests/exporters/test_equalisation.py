"""Equalisation, specified: a loud channel grows quiet, and the network computes what it did."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper
from torch import Tensor, nn

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters import bias_correction, quantization, ranges, rounding, targets
from edgecls_exporters.checkpoint import Original
from edgecls_exporters.equalisation import LOUD, channel_peaks, equalised
from edgecls_exporters.graph import export_graph
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.transforms import reference

SMALL = Preprocessing((16, 16), (16, 16), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
RANDOM = np.random.default_rng(0)
IMAGES = [RANDOM.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8) for _ in range(16)]
K = 60.0


class Tail(nn.Module):
    """What stands behind the part that a test is about: a mean and scores."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, 4)

    def forward(self, seen: Tensor) -> Tensor:
        scores: Tensor = self.head(seen.mean((2, 3)))
        return scores


def louden(maker: nn.Module, *readers: nn.Module) -> None:
    """Make channel 2 of a layer's output K times louder; what reads it hears what it did."""
    with torch.no_grad():
        for own in (maker.weight, maker.bias):
            own[2] *= K  # type: ignore[operator, index]
        for reader in readers:
            if getattr(reader, "groups", 1) > 1:
                reader.weight[2] /= K  # type: ignore[operator, index]
            else:
                reader.weight[:, 2] /= K  # type: ignore[operator, index]


def pair(between: nn.Module, second: nn.Conv2d, *, loud: bool = True) -> nn.Module:
    first = nn.Conv2d(3, 8, 3)
    if loud:
        louden(first, second)
    return nn.Sequential(first, between, second, nn.Sigmoid(), Tail(8))


class Residual(nn.Module):
    """Two tensors, tied by a sum, that further layers read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.last, self.tail = nn.Conv2d(8, 8, 1), Tail(8)
        louden(self.stem, self.block, self.last)
        with torch.no_grad():
            self.block.weight[2] *= K
            assert self.block.bias is not None
            self.block.bias[2] *= K

    def forward(self, image: Tensor) -> Tensor:
        seen = self.stem(image)
        scores: Tensor = self.tail(torch.sigmoid(self.last(seen + self.block(seen))))
        return scores


class Norm(nn.Module):
    """A LayerNorm that one linear layer reads, as in a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8)
        self.linear, self.head = nn.Linear(8, 8), nn.Linear(8, 4)
        nn.init.normal_(self.norm.bias)
        louden(self.norm, self.linear)

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.norm(self.stem(image).flatten(2).transpose(1, 2))
        scores: Tensor = self.head(torch.sigmoid(self.linear(tokens)).mean(1))
        return scores


class Shared(nn.Module):
    """One layer used twice: its weights cannot serve two factors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.twice, self.tail = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), Tail(8)
        louden(self.stem, self.twice)

    def forward(self, image: Tensor) -> Tensor:
        seen = torch.sigmoid(self.twice(self.stem(image)))
        scores: Tensor = self.tail(torch.sigmoid(self.twice(seen)))
        return scores


class SecondReader(nn.Module):
    """A loud tensor that something else than a layer reads too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.next, self.tail = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), Tail(8)
        louden(self.stem, self.next)

    def forward(self, image: Tensor) -> Tensor:
        seen = self.stem(image)
        scores: Tensor = self.tail(torch.sigmoid(self.next(seen)) + torch.sigmoid(seen))
        return scores


QUIETENED: dict[str, Callable[[], nn.Module]] = {
    "conv, conv": lambda: pair(nn.Identity(), nn.Conv2d(8, 8, 3)),
    "conv, relu, conv": lambda: pair(nn.ReLU(), nn.Conv2d(8, 8, 3)),
    "depthwise": lambda: pair(nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8)),
    "residual": Residual,
    "norm, linear": Norm,
}
LEFT: dict[str, Callable[[], nn.Module]] = {
    "clip": lambda: pair(nn.ReLU6(), nn.Conv2d(8, 8, 3)),
    "shared weights": Shared,
    "a second reader": SecondReader,
    "no loud channel": lambda: pair(nn.ReLU(), nn.Conv2d(8, 8, 3), loud=False),
}


def unheard() -> nn.Module:
    """Return a network whose loud channel meets weights as large as the others'."""
    first = nn.Conv2d(3, 8, 3)
    louden(first)
    louden(first)
    return nn.Sequential(first, nn.Conv2d(8, 8, 3), nn.Sigmoid(), Tail(8))


NETWORKS = QUIETENED | LEFT | {"unheard": unheard}


def batches(_: str) -> Iterator[NDArray[np.uint8]]:
    return iter(IMAGES)


@cache
def exported(kind: str) -> bytes:
    torch.manual_seed(0)
    original = Original("test", NETWORKS[kind]().eval(), reference(SMALL), SMALL)
    graph: bytes = export_graph(original, Task.MULTICLASS).SerializeToString()
    return graph


def graph_of(kind: str) -> ModelProto:
    return onnx.load_from_string(exported(kind))


def answers(graph: ModelProto) -> NDArray[np.float32]:
    session = quiet_session(graph)
    return np.concatenate([session.run(None, {"image": image})[0] for image in IMAGES])


@pytest.mark.parametrize("kind", QUIETENED)
def test_a_loud_channel_grows_quiet_and_answers_stay(kind: str) -> None:
    graph = graph_of(kind)
    peaks = channel_peaks(graph, batches)
    changed, counts = equalised(graph, peaks)
    after = channel_peaks(changed, batches)
    assert counts
    assert set(counts.values()) == {1}
    for name in counts:
        assert peaks[name].argmax() == 2
        assert after[name].max() <= LOUD * np.median(after[name][after[name] > 0])
        others = np.arange(len(after[name])) != 2
        np.testing.assert_array_equal(after[name][others], peaks[name][others])
    np.testing.assert_allclose(answers(changed), answers(graph), atol=1e-4)


def test_a_sum_and_what_it_adds_get_one_factor() -> None:
    graph = graph_of("residual")
    peaks = channel_peaks(graph, batches)
    changed, counts = equalised(graph, peaks)
    after = channel_peaks(changed, batches)
    assert len(counts) == 3
    assert len({round(peaks[name][2] / after[name][2], 3) for name in counts}) == 1


def test_weights_grow_no_more_uneven_than_the_channels_were_made() -> None:
    graph = graph_of("unheard")
    peaks = channel_peaks(graph, batches)
    changed, counts = equalised(graph, peaks)
    (name,) = counts
    factor = peaks[name][2] / channel_peaks(changed, batches)[name][2]
    assert factor < peaks[name][2] / np.median(peaks[name]) / LOUD / 2
    assert factor == 2 ** round(np.log2(factor))
    np.testing.assert_allclose(answers(changed), answers(graph), atol=1e-4)


@pytest.mark.parametrize("kind", LEFT)
def test_what_cannot_be_scaled_or_needs_not_stays_byte_for_byte(kind: str) -> None:
    graph = graph_of(kind)
    changed, counts = equalised(graph, channel_peaks(graph, batches))
    assert counts == {}
    assert changed.SerializeToString() == graph.SerializeToString()


def test_a_bias_that_another_layer_reads_too_keeps_its_values_there() -> None:
    graph = graph_of("conv, conv")
    first, second = (node for node in graph.graph.node if node.op_type == "Conv")
    second.input[2] = first.input[2]
    changed, counts = equalised(graph, channel_peaks(graph, batches))
    assert counts
    np.testing.assert_allclose(answers(changed), answers(graph), atol=1e-4)


def test_a_graph_with_graphs_inside_stays() -> None:
    graph = graph_of("conv, conv")
    assert channel_peaks(graph, batches)
    inner = helper.make_graph([], "inner", [], [])
    graph.graph.node[0].attribute.append(helper.make_attribute("body", inner))
    assert channel_peaks(graph, batches) == {}


def test_no_image_is_asked_for_where_nothing_could_be_scaled() -> None:
    def refused(_: str) -> Iterator[NDArray[np.uint8]]:
        raise AssertionError

    assert channel_peaks(graph_of("clip"), refused) == {}


def test_integers_are_nearer_to_fp32_when_a_loud_channel_grew_quiet() -> None:
    graph = graph_of("residual")
    exact = quantization.exact_pixels(graph)
    facts = quantization.calibrate(graph, batches, 0)
    loud = quantization.Calibration(
        exact,
        ranges.histograms(exact, batches),
        bias_correction.channel_means(exact, batches("")),
        rounding.covariances(exact, batches, 0),
        batches,
    )
    wanted, plan, target = answers(graph), quantization.Plan("minmax"), targets.find("x86-avx2")
    errors = [
        np.abs(answers(quantization.quantize(one, target, plan)[0]) - wanted).max()
        for one in (facts, loud)
    ]
    assert errors[0] < errors[1] / 2
