"""Graphs rewritten for onnxruntime's CPU kernels: the pattern is gone, the answers are the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, NodeProto, helper
from torch import nn

from edgecls_exporters import targets
from edgecls_exporters.face import INPUT
from edgecls_exporters.faster import BY_NAME, rewrite_for
from edgecls_exporters.faster.attention import join_attention
from edgecls_exporters.faster.gates import spread_gates
from edgecls_exporters.faster.gelu import reorder_gelu
from edgecls_exporters.faster.hard_swish import join_hard_swish
from edgecls_exporters.faster.pixels import flatten_pixels
from edgecls_exporters.faster.pooling import pool_means
from edgecls_exporters.faster.wiring import shapes
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.quantization import Plan, calibrate, quantize
from small_graphs import (
    batches_of,
    convolutions,
    drawn,
    graph_of,
    nodes_of,
    pictures,
    scores_of,
)
from small_networks import Attending, Gated, exported

KERNEL = drawn(np.random.default_rng(0), 4, 3, 3, 3) / np.float32(30)


def copy_of(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def assert_same_answers(before: ModelProto, after: ModelProto, apart: float = 1e-5) -> None:
    onnx.checker.check_model(after, full_check=True)
    for count in (1, 3):
        images = pictures(count, seed=count)
        one, other = (quiet_session(m).run(None, {INPUT: images})[0] for m in (before, after))
        assert np.abs(other - one).max() <= apart


def kinds_of(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def loaded(model: ModelProto, folder: Path) -> ModelProto:
    """Return the graph that onnxruntime makes of a model on this processor."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "loaded.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "loaded.onnx")


def meaned(axes: Sequence[int], keepdims: int, last: Sequence[NodeProto] = ()) -> ModelProto:
    nodes = [
        helper.make_node("Conv", ["centred", "w"], ["map"], name="conv"),
        helper.make_node("ReduceMean", ["map", "axes"], ["mean_of"], name="m", keepdims=keepdims),
        *last,
        helper.make_node("Softmax", ["flat"], ["scores"], name="softmax"),
    ]
    constants = {"w": KERNEL, "axes": np.array(axes, np.int64)}
    return graph_of(nodes, constants)


def test_a_mean_over_the_image_becomes_a_pooling() -> None:
    flatten = helper.make_node("Flatten", ["mean_of"], ["flat"], name="flatten")
    model = meaned([2, 3], 1, [flatten])
    before = copy_of(model)

    assert pool_means(model) == 1

    assert "ReduceMean" not in kinds_of(model)
    assert_same_answers(before, model)


def test_a_mean_that_drops_its_axes_is_pooled_and_flattened() -> None:
    identity = helper.make_node("Identity", ["mean_of"], ["flat"], name="same")
    model = meaned([-1, -2], 0, [identity])
    before = copy_of(model)

    assert pool_means(model) == 1

    assert kinds_of(model).count("GlobalAveragePool") == kinds_of(model).count("Flatten") == 1
    assert_same_answers(before, model)


def test_a_mean_over_other_axes_stays() -> None:
    last = [
        helper.make_node("ReduceMax", ["mean_of", "axes"], ["flat"], name="max", keepdims=0),
    ]
    model = meaned([2], 0, last)

    assert pool_means(model) == 0
    assert "ReduceMean" in kinds_of(model)


def test_an_exported_network_has_poolings_only() -> None:
    model = exported(Gated())

    assert "ReduceMean" not in kinds_of(model)
    assert kinds_of(model).count("GlobalAveragePool") == 2


def test_a_gate_is_spread_over_the_image_it_multiplies() -> None:
    before = exported(Gated())
    model = copy_of(before)

    assert spread_gates(model) == 1

    (product,) = nodes_of(model, "Mul")
    one, other = (shapes(model)[name] for name in product.input)
    assert one == other == ["batch", 16, 8, 8]
    assert_same_answers(before, model, 0.0)


def test_a_spread_gate_needs_no_reordering_of_channels(tmp_path: Path) -> None:
    model = exported(Gated())
    before = kinds_of(loaded(model, tmp_path))
    if "ReorderInput" not in before:
        pytest.skip("this processor's kernels have no blocks of channels")

    spread_gates(model)

    assert "ReorderInput" not in kinds_of(loaded(model, tmp_path))


def test_two_images_of_one_shape_are_multiplied_as_they_were() -> None:
    nodes = [
        helper.make_node("Conv", ["centred", "w"], ["map"], name="conv"),
        helper.make_node("HardSigmoid", ["map"], ["hard"], name="hard"),
        helper.make_node("Mul", ["map", "hard"], ["swished"], name="swish"),
        helper.make_node("GlobalAveragePool", ["swished"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Softmax", ["flat"], ["scores"], name="softmax"),
    ]
    model = graph_of(nodes, {"w": KERNEL})

    assert spread_gates(model) == 0
    assert "Resize" not in kinds_of(model)


def gelu_graph(half: float = 0.5) -> ModelProto:
    nodes = [
        helper.make_node("Conv", ["centred", "w"], ["x"], name="conv"),
        helper.make_node("Div", ["x", "root"], ["divided"], name="div"),
        helper.make_node("Erf", ["divided"], ["erf"], name="erf"),
        helper.make_node("Add", ["erf", "one"], ["added"], name="add"),
        helper.make_node("Mul", ["half", "added"], ["halved"], name="halve"),
        helper.make_node("Mul", ["x", "halved"], ["gelu"], name="gelu"),
        helper.make_node("GlobalAveragePool", ["gelu"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Softmax", ["flat"], ["scores"], name="softmax"),
    ]
    values = {"root": np.sqrt(2), "one": 1.0, "half": half}
    scalars = {name: np.array(value, np.float32) for name, value in values.items()}
    return graph_of(nodes, {"w": KERNEL, **scalars})


def test_onnxruntime_knows_a_reordered_gelu_as_one_operator(tmp_path: Path) -> None:
    before = gelu_graph()
    model = copy_of(before)

    assert reorder_gelu(model) == 1

    assert "Gelu" not in kinds_of(loaded(before, tmp_path))
    assert "Gelu" in kinds_of(loaded(model, tmp_path))
    assert_same_answers(before, model)


def test_reordering_a_gelu_keeps_every_bit() -> None:
    before = gelu_graph()
    model = copy_of(before)

    reorder_gelu(model)

    one, other = (scores_of(graph, pictures(4), exact=True) for graph in (before, model))
    assert np.array_equal(one, other)


def test_what_only_looks_like_a_gelu_stays() -> None:
    model = gelu_graph(half=0.4)
    before = copy_of(model)

    assert reorder_gelu(model) == 0
    assert model == before


@pytest.mark.parametrize(
    ("alpha", "reads", "joined"),
    [(1 / 6, "map", 1), (0.2, "map", 0), (1 / 6, "other", 0)],
    ids=["HardSwish", "another slope", "a gate"],
)
def test_a_tensor_times_its_hard_sigmoid_is_one_operator(
    alpha: float, reads: str, joined: int
) -> None:
    nodes = [
        helper.make_node("Conv", ["centred", "w"], ["map"], name="conv"),
        helper.make_node("Neg", ["map"], ["other"], name="neg"),
        helper.make_node("HardSigmoid", ["map"], ["gate"], name="gate", alpha=alpha, beta=0.5),
        helper.make_node("Mul", [reads, "gate"], ["swish"], name="swish"),
        helper.make_node("GlobalAveragePool", ["swish"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Softmax", ["flat"], ["scores"], name="softmax"),
    ]
    before = graph_of(nodes, {"w": KERNEL})
    after = copy_of(before)

    assert join_hard_swish(after) == joined

    assert kinds_of(after).count("HardSwish") == joined
    assert_same_answers(before, after)


def test_self_attention_becomes_one_operator() -> None:
    before = exported(Attending())
    model = copy_of(before)

    assert join_attention(model) == 1

    assert kinds_of(model).count("MultiHeadAttention") == 1
    assert kinds_of(model).count("Softmax") == 1  # of the scores
    assert {entry.domain for entry in model.opset_import} >= {"com.microsoft"}
    assert_same_answers(before, model)


@pytest.mark.parametrize(
    "network", [Attending(scale=0.3), Attending(masked=True)], ids=["scale", "mask"]
)
def test_attention_that_the_operator_does_not_compute_stays(network: Attending) -> None:
    model = exported(network)
    before = kinds_of(model)

    assert join_attention(model) == 0
    assert kinds_of(model) == before


def quantized(mean: tuple[float, float, float], target: str) -> ModelProto:
    graph = convolutions(mean=mean)
    facts = calibrate(graph, batches_of(pictures(6)), 0)
    return quantize(facts, targets.find(target), Plan("minmax"))[0]


@pytest.mark.parametrize("target", ["x86-avx2", "arm"])
@pytest.mark.parametrize("mean", [(123.675, 116.28, 103.53), (102.0, 102.0, 102.0)])
def test_the_mean_is_taken_off_rows_to_the_bit(
    target: str, mean: tuple[float, float, float]
) -> None:
    before = quantized(mean, target)
    model = copy_of(before)

    assert flatten_pixels(model) == 1

    assert all(len(shapes(model)[node.input[0]]) == 3 for node in nodes_of(model, "Sub"))
    for count in (1, 3):
        images = pictures(count, seed=count)
        one, other = (scores_of(graph, images, exact=True) for graph in (before, model))
        assert np.array_equal(one, other)
    assert_same_answers(before, model)


def test_bytes_that_are_integers_already_are_the_first_layers_input() -> None:
    before = quantized((102.0, 102.0, 102.0), "x86-avx2")
    model = copy_of(before)

    flatten_pixels(model)

    assert not {"Sub", "Cast"} & set(kinds_of(model))
    assert_same_answers(before, model, 0.0)


def test_a_float_face_stays() -> None:
    model = convolutions()
    before = copy_of(model)

    assert flatten_pixels(model) == 0
    assert model == before


@pytest.mark.parametrize("name", targets.names())
def test_a_target_names_rewritings_that_there_are(name: str) -> None:
    assert set(targets.find(name).rewritings) <= BY_NAME.keys()


@pytest.mark.parametrize("network", [Gated(), Attending()], ids=["gated", "attending"])
def test_all_rewritings_together_keep_the_answers(network: nn.Module) -> None:
    before = exported(network)
    model = copy_of(before)

    rewrite_for(model, tuple(BY_NAME))

    assert_same_answers(before, model)
