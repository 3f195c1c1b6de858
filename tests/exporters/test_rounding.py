"""Weights rounded so that their errors cancel: closer outputs, within every limit on integers."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from edgecls_exporters import rounding, saturation, targets
from edgecls_exporters.layers import Layer, quantized_layers
from edgecls_exporters.probe import Probe
from edgecls_exporters.quantization import Calibration, Plan, calibrate, quantize
from edgecls_exporters.rounding import covariances, reround, rounded
from small_graphs import SIDE, batches_of, constants_of, drawn, graph_of, pictures

LIMIT = 32767
Array = NDArray[np.float64]


def correlated(groups: int, n: int, seed: int = 0) -> Array:
    """Draw a covariance of neighbours that are alike: (groups, n, n)."""
    mix = np.random.default_rng(seed).normal(0, 1, (groups, n, 3))
    return np.asarray(mix @ mix.transpose(0, 2, 1) + 0.05 * np.eye(n))


def output_error(kernel: Array, integers: Array, scale: Array, covariance: Array) -> Array:
    """Return the variance of what rounding adds to each output: (groups, outputs)."""
    error = integers * scale[:, :, None] - kernel
    return np.asarray(np.einsum("gok,gkl,gol->go", error, covariance, error))


@pytest.mark.parametrize("shape", [(1, 6, 40), (4, 3, 9), (1, 2, 300)])
def test_the_output_is_closer_than_with_each_weight_at_its_nearest_integer(
    shape: tuple[int, int, int],
) -> None:
    kernel = np.random.default_rng(1).normal(0, 1, shape)
    scale = np.abs(kernel).max(axis=2) / 7  # coarse, so that rounding is what is seen
    covariance = correlated(shape[0], shape[2])

    found = rounded(kernel, scale, covariance, None)

    nearest = np.round(kernel / scale[:, :, None])
    before = output_error(kernel, nearest, scale, covariance)
    after = output_error(kernel, found, scale, covariance)
    assert after.sum() < 0.5 * before.sum()


def test_inputs_that_tell_nothing_of_each_other_leave_every_weight_at_its_nearest() -> None:
    kernel = np.random.default_rng(1).normal(0, 1, (2, 5, 30))
    scale = np.abs(kernel).max(axis=2) / 127
    variances = np.random.default_rng(2).uniform(0.1, 3, (2, 30))
    covariance = np.stack([np.diag(line) for line in variances])

    found = rounded(kernel, scale, covariance, None)

    assert np.array_equal(found, np.round(kernel / scale[:, :, None]))


@pytest.mark.parametrize("seed", range(5))
def test_integers_are_whole_and_stay_within_127(seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel = random.normal(0, 1, (2, 4, 50))
    scale = np.abs(kernel).max(axis=2) / 250  # so small that the largest would be 250

    found = rounded(kernel, scale, correlated(2, 50, seed), None)

    assert np.array_equal(found, np.round(found))
    assert np.abs(found).max() == 127


def test_a_covariance_with_eigenvalues_below_zero_is_no_trouble() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=(24, 3))
    covariance = one @ one.T - 2.0 * np.eye(24)  # what single precision leaves, exaggerated
    kernel = random.normal(size=(1, 4, 24))
    scale = np.abs(kernel).max(axis=2) / 127

    found = rounded(kernel, scale, covariance[None], None)

    assert np.linalg.eigvalsh(covariance)[0] < -1.9
    assert np.abs(found * scale[:, :, None] - kernel).max() < 0.1


def test_a_single_input_with_a_variance_below_zero_is_no_trouble() -> None:
    kernel = np.array([[[0.4], [-0.3]]])  # one group, two outputs
    scale = np.abs(kernel).max(axis=2) / 127

    # As measured: sums in single precision of an input that hardly moves.
    found = rounded(kernel, scale, np.array([[[-1.08e-8]]]), None)

    assert found.ravel().tolist() == [127, -127]


def test_inputs_that_never_moved_are_no_trouble() -> None:
    kernel = np.random.default_rng(1).normal(0, 1, (1, 3, 12))
    scale = np.abs(kernel).max(axis=2) / 127
    covariance = correlated(1, 12)
    covariance[:, 4:8] = covariance[:, :, 4:8] = 0

    for seen in (covariance, np.zeros_like(covariance)):
        found = rounded(kernel, scale, seen, None)

        assert np.isfinite(found).all()
        assert np.abs(found * scale[:, :, None] - kernel).max() < 30 * scale.max()


# The kernel's own sums, written down once more: nothing of ``saturation`` or ``rounding`` is used.


def sums(node: NodeProto, weight: NDArray[Any], peaks: NDArray[Any]) -> list[list[int]]:
    """Return |weight| * peak of each output, in the order in which the kernel adds them."""
    given = {a.name: a.i for a in node.attribute}
    if node.op_type != "Conv":
        lines = weight if given.get("transB", 0) else weight.T
        pairs = [zip(line, peaks, strict=True) for line in lines]
        return [[abs(int(w)) * int(peak) for w, peak in line] for line in pairs]
    found = []
    outputs, inputs = weight.shape[:2]
    for out in range(outputs):
        first = out // (outputs // given.get("group", 1)) * inputs
        found.append(
            [
                abs(int(weight[out, channel, row, column])) * int(peaks[first + channel])
                for row in range(weight.shape[2])
                for column in range(weight.shape[3])
                for channel in range(inputs)
            ]
        )
    return found


def worst_pair(node: NodeProto, weight: NDArray[Any], peaks: NDArray[Any]) -> int:
    return max(
        first + second
        for line in sums(node, weight, peaks)
        for first, second in itertools.zip_longest(line[0::2], line[1::2], fillvalue=0)
    )


def head_of(name: str) -> list[NodeProto]:
    return [
        helper.make_node("GlobalAveragePool", [name], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "g", "gb"], ["logits"], name="gemm", transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"], name="softmax", axis=1),
    ]


def convolution(channels: int = 6, **given: Any) -> ModelProto:  # noqa: ANN401 - attributes of ONNX
    """Return a convolution of 3 x 3 behind bright activations, and a Gemm transposed."""
    random = np.random.default_rng(6)
    group = given.get("group", 1)
    nodes = [
        helper.make_node("Conv", ["centred", "w", "b"], ["stem"], name="stem"),
        helper.make_node("Relu", ["stem"], ["stem_on"], name="stem_relu"),
        helper.make_node("Conv", ["stem_on", "v", "c"], ["conv"], name="conv", **given),
        helper.make_node("Relu", ["conv"], ["conv_on"], name="conv_relu"),
        *head_of("conv_on"),
    ]
    constants = {
        "w": drawn(random, channels, 3, 2, 2) / np.float32(40),
        "b": np.full(channels, 1, np.float32),
        "v": random.uniform(0.5, 1, (8 * group, channels // group, 3, 3)).astype(np.float32),
        "c": np.zeros(8 * group, np.float32),
        "g": random.uniform(0.01, 0.02, (4, 8 * group)).astype(np.float32),
        "gb": np.zeros(4, np.float32),
    }
    return graph_of(nodes, constants)


def tokens() -> ModelProto:
    """Return a product of tokens (n, places, 6) with a weight (6, 9), and a Gemm as it stands."""
    random = np.random.default_rng(7)
    nodes = [
        helper.make_node("Conv", ["centred", "w", "b"], ["stem"], name="stem", strides=[4, 4]),
        helper.make_node("Relu", ["stem"], ["stem_on"], name="stem_relu"),
        helper.make_node("Reshape", ["stem_on", "shape"], ["row"], name="row"),
        helper.make_node("Transpose", ["row"], ["tokens"], name="tokens", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["tokens", "m"], ["mixed"], name="mixed"),
        helper.make_node("Relu", ["mixed"], ["mixed_on"], name="mixed_relu"),
        helper.make_node("ReduceMean", ["mixed_on", "axes"], ["flat"], name="mean", keepdims=0),
        helper.make_node("Gemm", ["flat", "g", "gb"], ["logits"], name="gemm"),
        helper.make_node("Softmax", ["logits"], ["scores"], name="softmax", axis=1),
    ]
    constants = {
        "w": drawn(random, 6, 3, 4, 4) / np.float32(40),
        "b": np.full(6, 1, np.float32),
        "shape": np.array([0, 6, -1], np.int64),
        "m": random.uniform(0.5, 1, (6, 9)).astype(np.float32),
        "axes": np.array([1], np.int64),
        "g": random.uniform(0.01, 0.02, (9, 4)).astype(np.float32),
        "gb": np.zeros(4, np.float32),
    }
    return graph_of(nodes, constants)


GRAPHS = {
    "3x3": convolution(pads=[1, 1, 1, 1]),
    "3x3 of odd channels": convolution(5, pads=[1, 1, 1, 1]),
    "2 groups of 3 channels": convolution(6, group=2),
    "3 groups of 2 channels": convolution(6, group=3, strides=[2, 2]),
    "tokens": tokens(),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_no_pair_of_products_exceeds_16_bits_in_the_order_of_the_kernel(name: str) -> None:
    facts = calibrate(GRAPHS[name], batches_of(pictures(12)), 0)

    model, growth = quantize(facts, targets.find("x86-avx2"), Plan("minmax"))

    stored, found = constants_of(model), saturation.saturable_layers(model)
    probe = Probe(model, [layer.activation for layer in found], dtype=2, exact=True)
    runs = [probe(image[None]) for image in pictures(12)]
    near = 0
    assert len(found) == 3
    for layer in found:
        axis = 1 if layer.node.op_type == "Conv" else -1
        seen = [np.moveaxis(run[layer.activation], axis, 0) for run in runs]
        largest = np.max([one.reshape(len(one), -1).max(axis=1) for one in seen], axis=0)
        largest = np.maximum(largest, stored[layer.zero])  # pads
        worst = worst_pair(layer.node, stored[layer.weight], largest)
        assert worst <= LIMIT, layer.node.name
        near += worst > 0.85 * LIMIT
    assert near >= 2  # they are used up: a bound of 7 bits would be half as far
    assert max(growth.values()) > 1.2


@pytest.mark.parametrize("name", GRAPHS)
def test_caps_hold_for_pairs_even_where_scales_were_not_grown(name: str) -> None:
    facts = calibrate(GRAPHS[name], batches_of(pictures(12)), 0)
    model, _ = quantize(facts, targets.find("x86-vnni"), Plan("minmax"))
    bright = {
        layer.activation: np.full(channels_of(layer, model), 255, np.uint8)
        for layer in saturation.saturable_layers(model)
    }

    reround(model, facts.graph, facts.covariances, bright)

    stored = constants_of(model)
    for layer in saturation.saturable_layers(model):
        worst = worst_pair(layer.node, stored[layer.weight], bright[layer.activation])
        assert 0.9 * LIMIT < worst <= LIMIT, layer.node.name


def channels_of(layer: Layer, model: ModelProto) -> int:
    weight = constants_of(model)[layer.weight]
    if layer.node.op_type == "Conv":
        return int(weight.shape[1]) * layer.groups
    return int(weight.shape[0] if layer.channels_last else weight.shape[1])


def columns(image: NDArray[Any], node: NodeProto, weight: NDArray[Any], group: int) -> Array:
    """Lay out what one group of a convolution sees, by loops: (places, reduction)."""
    given = {a.name: list(a.ints) for a in node.attribute if a.ints}
    top, left, bottom, right = given.get("pads", [0] * 4)
    (down, across), (tall, wide) = given.get("strides", [1, 1]), given.get("dilations", [1, 1])
    own = image[group * weight.shape[1] : (group + 1) * weight.shape[1]]
    padded = np.pad(own, ((0, 0), (top, bottom), (left, right)))
    height, width = (weight.shape[2] - 1) * tall + 1, (weight.shape[3] - 1) * wide + 1
    return np.array(
        [
            [
                padded[channel, y + i * tall, x + j * wide]
                for channel in range(weight.shape[1])
                for i in range(weight.shape[2])
                for j in range(weight.shape[3])
            ]
            for y in range(0, padded.shape[1] - height + 1, down)
            for x in range(0, padded.shape[2] - width + 1, across)
        ],
        np.float64,
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"pads": [1, 1, 1, 1]},
        {"strides": [2, 2], "pads": [0, 1, 1, 0]},
        {"strides": [1, 2]},
        {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
        {"dilations": [1, 3], "strides": [2, 1], "pads": [1, 2, 0, 1]},
        {"group": 2, "pads": [1, 1, 1, 1]},
        {"group": 6, "strides": [2, 2]},
    ],
    ids=str,
)
def test_a_covariance_is_numpy_s_of_what_the_convolution_sees(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "PLACES", SIDE * SIDE)  # look everywhere
    graph, images = convolution(6, **given), pictures(3)

    found = covariances(graph, batches_of(images), 0)

    probe, weight = Probe(graph, ["stem_on"]), constants_of(graph)["v"]
    (node,) = (node for node in graph.graph.node if node.name == "conv")
    seen = [probe(image[None])["stem_on"][0] for image in images]
    assert found["conv"].shape[0] == given.get("group", 1)
    for group, covariance in enumerate(found["conv"]):
        rows = np.concatenate([columns(image, node, weight, group) for image in seen])
        assert np.allclose(covariance, np.cov(rows.T, bias=True), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "given",
    [
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [3, 2], "group": 2},
        {"auto_pad": "VALID", "strides": [2, 1]},
        {"auto_pad": "NOTSET", "pads": [1, 0, 0, 1]},
    ],
    ids=str,
)
def test_a_convolution_that_pads_by_itself_is_seen_as_onnxruntime_computes_it(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "PLACES", SIDE * SIDE)  # look everywhere
    graph, images = convolution(6, **given), pictures(3)

    found = covariances(graph, batches_of(images), 0)["conv"]

    probe = Probe(graph, ["conv"])
    outputs = np.concatenate([probe(image[None])["conv"] for image in images])
    variances = np.moveaxis(np.asarray(outputs, np.float64), 1, 0).reshape(outputs.shape[1], -1)
    kernel = constants_of(graph)["v"].astype(np.float64)
    flat = kernel.reshape(len(found), len(kernel) // len(found), -1)
    expected = np.einsum("gok,gkl,gol->go", flat, found, flat).ravel()
    assert np.allclose(variances.var(axis=1), expected, rtol=1e-3)


def test_a_covariance_of_tokens_and_of_a_head_is_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "PLACES", SIDE * SIDE)
    graph, images = tokens(), pictures(6)

    found = covariances(graph, batches_of(images), 0)

    probe = Probe(graph, ["tokens", "flat"])
    runs = [probe(image[None]) for image in images]
    for name, tensor in (("mixed", "tokens"), ("gemm", "flat")):
        rows = np.concatenate([run[tensor].reshape(-1, run[tensor].shape[-1]) for run in runs])
        assert np.allclose(found[name][0], np.cov(rows.T, bias=True), rtol=1e-3, atol=1e-4)


def test_a_few_places_of_an_image_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, images = convolution(), pictures(64)

    few = covariances(graph, batches_of(images), 0)["conv"]
    monkeypatch.setattr(rounding, "PLACES", SIDE * SIDE)
    every = covariances(graph, batches_of(images), 0)["conv"]

    assert np.abs(few - every).max() < 0.2 * np.abs(every).max()


def test_a_layer_too_wide_for_a_covariance_keeps_the_nearest_integers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, images = convolution(), pictures(12)
    monkeypatch.setattr(rounding, "LARGEST_REDUCTION", 12)

    facts = calibrate(graph, batches_of(images), 0)
    model, _ = quantize(facts, targets.find("x86-vnni"), Plan())

    assert sorted(facts.covariances) == ["gemm", "stem"]
    stored, floats = constants_of(model), constants_of(facts.graph)
    wanted = floats["v"] / stored["v_scale"][:, None, None, None]
    assert np.abs(stored["v_quantized"] - wanted).max() <= 0.501
    nearest = np.round(floats["w"] / stored["w_scale"][:, None, None, None])
    assert (stored["w_quantized"] != nearest).any()


def test_a_weight_that_two_layers_share_keeps_the_nearest_integers() -> None:
    random = np.random.default_rng(1)
    twice = [
        helper.make_node("Conv", ["centred", "w", "b"], ["stem"], name="stem"),
        helper.make_node("Relu", ["stem"], ["stem_on"], name="stem_relu"),
        helper.make_node("Conv", ["stem_on", "v", "c"], ["one"], name="one"),
        helper.make_node("Relu", ["one"], ["one_on"], name="one_relu"),
        helper.make_node("Conv", ["one_on", "v", "c"], ["two"], name="two"),
        helper.make_node("Relu", ["two"], ["two_on"], name="two_relu"),
        *head_of("two_on"),
    ]
    constants = {
        "w": drawn(random, 6, 3, 2, 2) / np.float32(40),
        "b": np.full(6, 1, np.float32),
        "v": drawn(random, 6, 6, 3, 3),
        "c": np.zeros(6, np.float32),
        "g": drawn(random, 4, 6),
        "gb": np.zeros(4, np.float32),
    }
    facts = calibrate(graph_of(twice, constants), batches_of(pictures(8)), 0)

    model, _ = quantize(facts, targets.find("x86-vnni"), Plan())

    stored = constants_of(model)
    assert len(quantized_layers(model)) == 4
    wanted = constants["v"] / stored["v_scale"][:, None, None, None]
    assert np.abs(stored["v_quantized"] - wanted).max() <= 0.501


def test_one_seed_gives_one_file() -> None:
    def made(seed: int) -> tuple[Calibration, bytes]:
        facts = calibrate(GRAPHS["3x3"], batches_of(pictures(12)), seed)
        model, _ = quantize(facts, targets.find("x86-avx2"), Plan())
        return facts, model.SerializeToString(deterministic=True)

    (first, one), (_, again), (other, _) = made(5), made(5), made(6)

    assert one == again
    assert not np.array_equal(first.covariances["conv"], other.covariances["conv"])
