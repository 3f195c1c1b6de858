"""Integers placed as a family of kernels wants them: exact pixels, one rounding a layer."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from edgecls_exporters import targets
from edgecls_exporters.face import INPUT
from edgecls_exporters.layers import quantized_layers
from edgecls_exporters.probe import Probe
from edgecls_exporters.quantization import (
    Calibration,
    Plan,
    calibrate,
    exact_pixels,
    quantize,
)
from edgecls_exporters.release import release
from edgecls_exporters.simplification import simplified
from small_graphs import (
    batches_of,
    constants_of,
    convolutions,
    drawn,
    graph_of,
    nodes_of,
    pictures,
    scores_of,
)

LAYERS = ("stem", "depthwise", "grouped", "gemm")
INTEGER_TARGETS = [n for n in targets.names() if targets.find(n).scheme is not None]


@pytest.fixture(scope="module")
def facts() -> Calibration:
    return calibrate(convolutions(), batches_of(pictures(24)), 0)


def made(facts: Calibration, target: str, **plan: str) -> ModelProto:
    return quantize(facts, targets.find(target), Plan(**plan))[0]


def test_calibration_leaves_the_graph_it_was_given_as_it_was() -> None:
    graph = convolutions()
    before = graph.SerializeToString(deterministic=True)

    calibrate(graph, batches_of(pictures(3)), 0)

    assert graph.SerializeToString(deterministic=True) == before


def without_pads(mean: tuple[float, float, float]) -> ModelProto:
    graph = convolutions(mean=mean)
    (pads,) = (a for a in nodes_of(graph, "Conv")[0].attribute if a.name == "pads")
    del pads.ints[:]
    pads.ints.extend([0, 0, 0, 0])
    return graph


@pytest.mark.parametrize("level", [127.5, 102.0, 123.675, 0.0, 0.4])
def test_a_whole_mean_changes_no_answer(level: float) -> None:
    graph = without_pads((level, level, level))

    changed = exact_pixels(graph)

    (mean,) = set(constants_of(changed)["mean"].ravel().tolist())
    assert mean == np.floor(level)
    images = pictures(8, seed=4)
    assert np.abs(scores_of(changed, images) - scores_of(graph, images)).max() < 1e-4


def test_where_the_image_is_padded_its_border_differs_by_less_than_one_grey_level() -> None:
    graph, images = convolutions(), pictures(4, seed=4)

    changed = exact_pixels(graph)

    one, other = (Probe(g, ["stem"])(images)["stem"] for g in (graph, changed))
    apart = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    # The first row and column see one row and column of padding; strides of two end before it.
    assert apart[:, :, 1:, 1:].max() < 1e-4
    kernel = np.abs(constants_of(graph)["stem_w"]).sum(axis=(1, 2, 3))
    assert (apart.max(axis=(0, 2, 3)) <= 0.5 * kernel + 1e-4).all()
    assert np.abs(scores_of(changed, images) - scores_of(graph, images)).max() < 0.02


def test_unlike_means_stay_as_they_are() -> None:
    graph = convolutions(mean=(123.675, 116.28, 103.53))

    assert exact_pixels(graph) == graph


@pytest.mark.parametrize("target", ["x86-avx2", "arm", "qnn", "qnn-u16"])
@pytest.mark.parametrize("level", [127.5, 102.0, 0.0])
def test_equal_means_keep_every_pixel_exact(target: str, level: float) -> None:
    graph = convolutions(mean=(level, level, level))
    model = made(calibrate(graph, batches_of(pictures(6)), 0), target)
    images = pictures(4, seed=4)
    images[0, 0, 0], images[0, 0, 1] = 0, 255  # what calibration may never have seen

    (stem,) = (node for node in model.graph.node if node.name == "stem")
    seen = np.asarray(Probe(model, [stem.input[0]], exact=True)(images)[stem.input[0]], np.float64)

    wanted = images.transpose(0, 3, 1, 2) - np.floor(level)
    # The face of qnn rounds the mean itself to 8 bits: by a quarter of a grey level at most.
    assert np.abs(seen - wanted).max() < 1e-3


def test_every_target_answers_nearly_as_fp32(facts: Calibration) -> None:
    images = pictures(32, seed=4)
    wanted = scores_of(facts.graph, images)

    for target in INTEGER_TARGETS:
        found = scores_of(made(facts, target), images, exact=True)

        assert np.abs(found - wanted).mean() < 0.03, target
        assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.9, target


@pytest.mark.parametrize("target", ["x86-avx2", "x86-vnni", "arm"])
def test_each_activation_stands_behind_its_layer_and_is_rounded_once(
    facts: Calibration, target: str
) -> None:
    model = made(facts, target)

    makers = {output: node for node in model.graph.node for output in node.output}
    readers = {name: node for node in model.graph.node for name in node.input}
    for name, layer in (("stem_clip", "stem"), ("depthwise_relu", "depthwise")):
        (node,) = (node for node in model.graph.node if node.name == name)
        assert makers[node.input[0]].name == layer
        assert readers[node.output[0]].op_type == "QuantizeLinear"
    (after_sum,) = (node for node in model.graph.node if node.name == "added_relu")
    assert makers[after_sum.input[0]].op_type == "DequantizeLinear"


def test_nothing_is_left_that_nobody_reads(facts: Calibration) -> None:
    model = made(facts, "x86-avx2")

    read = {name for node in model.graph.node for name in node.input}
    read |= {output.name for output in model.graph.output}
    assert all(set(node.output) & read for node in model.graph.node)
    assert all(tensor.name in read for tensor in model.graph.initializer)


def test_layers_alone_leave_sums_and_poolings_in_float(facts: Calibration) -> None:
    model = made(facts, "x86-avx2", operators="layers")

    makers = {output: node for node in model.graph.node for output in node.output}
    (added,) = nodes_of(model, "Add")
    assert len(quantized_layers(model)) == len(LAYERS)
    assert "QuantizeLinear" not in {
        n.op_type for n in model.graph.node if added.output[0] in n.input
    }
    assert makers[nodes_of(model, "GlobalAveragePool")[0].input[0]].op_type == "Relu"


def kinds(model: ModelProto, part: str) -> set[str]:
    """Return the types of zero points: of ``weights`` (constants) or of ``activations``."""
    stored = constants_of(model)
    return {
        str(stored[node.input[2]].dtype)
        for node in nodes_of(model, "DequantizeLinear")
        if (node.input[0] in stored) == (part == "weights")
        and stored[node.input[2]].dtype != np.int32
        and INPUT not in node.input[0]
        and not node.name.startswith("cast")
        and node.output[0] != "mean"
    }


@pytest.mark.parametrize("target", INTEGER_TARGETS)
def test_a_file_has_the_integers_that_its_target_names(facts: Calibration, target: str) -> None:
    scheme, keep_float = targets.find(target).scheme, targets.find(target).keep_float
    assert scheme is not None

    model = made(facts, target)

    names = {"u8": "uint8", "s8": "int8", "u16": "uint16"}
    assert kinds(model, "activations") == {names[scheme.activations]}
    stored = constants_of(model)
    found = quantized_layers(model)
    floats = {node.name for node in model.graph.node if node.op_type in keep_float}
    assert [layer.node.name for layer in found] == [n for n in LAYERS if n not in floats]
    for layer in found:
        assert str(stored[layer.weight].dtype) == names[scheme.weights]
        assert (stored[layer.weight_scale].size > 1) == scheme.per_channel
        assert (layer.bias is not None) == scheme.integer_biases
        assert (layer.float_bias is not None) != scheme.integer_biases
    onnx.checker.check_model(model, full_check=target != "qnn-u16")  # u16 is onnxruntime's own


def test_tensorrt_has_no_zero_point_but_0_and_its_biases_stay_float(facts: Calibration) -> None:
    model = made(facts, "tensorrt")

    stored = constants_of(model)
    zeros = [stored[n.input[2]] for n in model.graph.node if n.op_type.endswith("eLinear")]
    assert zeros
    assert all(not zero.any() for zero in zeros)
    assert all(zero.dtype == np.int8 for zero in zeros)
    assert all(
        stored[str(layer.float_bias)].dtype == np.float32 for layer in quantized_layers(model)
    )


@pytest.mark.parametrize("target", ["qnn", "qnn-u16"])
def test_the_image_reaches_qualcomm_s_first_layer_as_integers(
    facts: Calibration, target: str
) -> None:
    model = made(facts, target)

    makers = {output: node for node in model.graph.node for output in node.output}
    (subtraction,) = nodes_of(model, "Sub")
    assert not nodes_of(model, "Cast")
    assert {makers[name].op_type for name in subtraction.input} == {"DequantizeLinear"}


@pytest.mark.parametrize("operators", ["all", "layers"])
def test_nor_are_the_logits_for_openvino(facts: Calibration, operators: str) -> None:
    model = made(facts, "openvino", operators=operators)

    assert "logits" in nodes_of(model, "Softmax")[0].input


def test_the_scores_are_never_rounded(facts: Calibration) -> None:
    for target in INTEGER_TARGETS:
        model = made(facts, target)
        makers = {output: node for node in model.graph.node for output in node.output}
        assert makers["scores"].op_type == "Softmax", target


def binary() -> ModelProto:
    nodes = [
        helper.make_node("Sigmoid", ["logits"], ["positive"], name="sigmoid"),
        helper.make_node("Sub", ["one", "positive"], ["negative"], name="negative"),
        helper.make_node("Concat", ["negative", "positive"], ["scores"], name="both", axis=1),
    ]
    random = np.random.default_rng(2)
    before = [
        helper.make_node("Conv", ["centred", "w", "b"], ["conv"], name="conv"),
        helper.make_node("Relu", ["conv"], ["conv_on"], name="relu"),
        helper.make_node("GlobalAveragePool", ["conv_on"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "g", "gb"], ["logits"], name="gemm", transB=1),
    ]
    constants = {
        "w": drawn(random, 8, 3, 3, 3) / np.float32(30),
        "b": np.zeros(8, np.float32),
        "g": drawn(random, 1, 8),
        "gb": np.zeros(1, np.float32),
        "one": np.ones((1, 1), np.float32),
    }
    return graph_of([*before, *nodes], constants, n_labels=2)


def test_nor_are_the_two_scores_of_one_binary_logit() -> None:
    model = made(calibrate(binary(), batches_of(pictures(12)), 0), "x86-avx2")

    makers = {output: node for node in model.graph.node for output in node.output}
    assert makers["scores"].op_type == "Concat"
    assert {makers[name].op_type for name in makers["scores"].input} == {"Sub", "Sigmoid"}


def test_a_batch_of_weights_stays_float_where_it_would_saturate() -> None:
    random = np.random.default_rng(2)
    nodes = [
        helper.make_node("Conv", ["centred", "w", "b"], ["conv"], name="conv", strides=[2, 2]),
        helper.make_node("Relu", ["conv"], ["conv_on"], name="relu"),
        helper.make_node("MatMul", ["conv_on", "each"], ["mixed"], name="each_channel"),
        helper.make_node("Relu", ["mixed"], ["mixed_on"], name="mixed_relu"),
        helper.make_node("GlobalAveragePool", ["mixed_on"], ["pooled"], name="pooled"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "g", "gb"], ["logits"], name="gemm", transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"], name="softmax", axis=1),
    ]
    constants = {
        "w": drawn(random, 8, 3, 3, 3) / np.float32(30),
        "b": np.zeros(8, np.float32),
        "each": random.uniform(0.5, 1, (8, 7, 9)).astype(np.float32),
        "g": drawn(random, 4, 8) / np.float32(10),
        "gb": np.zeros(4, np.float32),
    }
    facts = calibrate(graph_of(nodes, constants), batches_of(pictures(12)), 0)
    images = pictures(8, seed=4)

    bounded, free = made(facts, "x86-avx2"), made(facts, "x86-vnni")

    assert "each_channel" not in facts.covariances
    assert nodes_of(bounded, "MatMul")[0].input[1] == "each"
    assert nodes_of(free, "MatMul")[0].input[1] != "each"
    # Nothing quantizes it again behind our back.
    assert np.array_equal(scores_of(bounded, images), scores_of(bounded, images, exact=True))


def test_layers_that_share_a_bias_have_one_each_whatever_the_other_tensors_are_called() -> None:
    graph = convolutions()
    for node in graph.graph.node:
        if node.op_type == "Conv":
            node.input[2] = "stem_b"
        for names in (node.input, node.output):
            names[:] = ["stem_b1" if name == "flat" else name for name in names]
    images = pictures(8, seed=4)

    model = made(calibrate(graph, batches_of(pictures(24)), 0), "x86-avx2")

    assert np.abs(scores_of(model, images) - scores_of(graph, images)).max() < 0.1


def test_a_network_without_layers_behind_its_pooling_can_have_its_weights_stored() -> None:
    head = [
        helper.make_node("Unsqueeze", ["logits", "axes"], ["heads"], name="heads"),
        helper.make_node("ReduceMean", ["heads", "axes"], ["both"], name="both", keepdims=0),
        helper.make_node("Softmax", ["both"], ["scores"], name="softmax", axis=1),
    ]
    graph = convolutions(head=head, constants={"axes": np.array([1])})
    images = pictures(8, seed=4)

    model = made(calibrate(graph, batches_of(pictures(24)), 0), "x86-avx2", operators="head")

    assert not nodes_of(model, "QuantizeLinear")
    assert np.abs(scores_of(model, images) - scores_of(graph, images)).max() < 0.1


@pytest.mark.parametrize("target", ["x86-avx2", "arm", "qnn", "tensorrt"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_released_layer_has_its_float_weights_and_reads_what_was_not_rounded(
    facts: Calibration, target: str, name: str
) -> None:
    model = made(facts, target)
    before = model.SerializeToString(deterministic=True)

    released = release(model, facts.graph, (name,))

    assert model.SerializeToString(deterministic=True) == before
    stored, floats = constants_of(released), constants_of(facts.graph)
    makers = {output: node for node in released.graph.node for output in node.output}
    (node,) = (node for node in released.graph.node if node.name == name)
    (source,) = (node for node in facts.graph.graph.node if node.name == name)
    assert makers[node.input[0]].op_type != "DequantizeLinear"
    for own, original in zip(node.input[1:], source.input[1:], strict=True):
        assert np.array_equal(stored[own], floats[original])
    kept = [layer.node.name for layer in quantized_layers(released)]
    assert kept == [layer for layer in LAYERS if layer != name]


@pytest.mark.parametrize("names", [*((name,) for name in LAYERS), LAYERS], ids=str)
def test_onnxruntime_does_not_quantize_a_released_layer_again(
    facts: Calibration, names: tuple[str, ...]
) -> None:
    released = release(made(facts, "x86-avx2"), facts.graph, names)
    images = pictures(16, seed=4)
    (node,) = (node for node in released.graph.node if node.name == names[0])

    native, exact = (Probe(released, [node.output[0]], exact=e)(images) for e in (False, True))

    one, other = (np.asarray(found[node.output[0]], np.float64) for found in (native, exact))
    assert np.abs(one - other).max() < 1e-5 * max(1.0, np.abs(other).max())
    assert (
        np.abs(scores_of(released, images) - scores_of(released, images, exact=True)).max() < 1e-5
    )


def test_with_every_layer_released_the_answers_are_nearer_to_fp32(facts: Calibration) -> None:
    images = pictures(32, seed=4)
    wanted = scores_of(facts.graph, images)
    model = made(facts, "x86-avx2", operators="layers")

    released = release(model, facts.graph, LAYERS)

    before, after = (np.abs(scores_of(m, images) - wanted).mean() for m in (model, released))
    assert after < 0.75 * before  # what layers hand on to other operators is rounded still


def test_the_layers_of_a_foreign_graph_without_names_are_told_apart(facts: Calibration) -> None:
    foreign = convolutions()
    for node in foreign.graph.node:
        node.name = ""

    graph = simplified(foreign)
    model = made(calibrate(graph, batches_of(pictures(24)), 0), "x86-avx2")

    assert len({node.name for node in graph.graph.node}) == len(graph.graph.node)
    images = pictures(16, seed=4)
    apart = scores_of(model, images) - scores_of(made(facts, "x86-avx2"), images)
    assert np.abs(apart).max() < 1e-4


def test_bounding_says_by_how_much_it_grew_which_scales(facts: Calibration) -> None:
    bounded, growth = quantize(facts, targets.find("x86-avx2"), Plan())
    free, nothing = quantize(facts, targets.find("x86-vnni"), Plan())

    assert nothing == {}
    assert set(growth) == {"stem", "grouped", "gemm"}  # a depthwise layer has a kernel of its own
    one, other = constants_of(bounded), constants_of(free)
    for layer in growth:
        ratio = float(np.mean(one[f"{layer}_w_scale"] / other[f"{layer}_w_scale"]))
        assert growth[layer] == pytest.approx(ratio, rel=1e-5)
        assert growth[layer] >= 1


def outputs_of(model: ModelProto, name: str, images: Any) -> Any:  # noqa: ANN401 - arrays
    return Probe(model, [name], TensorProto.FLOAT, exact=True)(images)[name]


def test_the_mean_of_a_layer_s_output_is_that_of_fp32(facts: Calibration) -> None:
    model, images = made(facts, "x86-vnni", operators="layers"), pictures(24)

    found, wanted = (outputs_of(m, "stem", images) for m in (model, facts.graph))

    shift = np.abs(found.mean(axis=(0, 2, 3)) - wanted.mean(axis=(0, 2, 3)))
    assert shift.max() < 0.02 * wanted.std()
