"""Networks that integers do not make faster keep float where it is faster, and the size of int8."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

from edgecls.prediction import Task
from edgecls_exporters import mixed, targets
from edgecls_exporters.graph import export_graph
from edgecls_exporters.layers import LAYERS, quantized_layers
from edgecls_exporters.original import Original
from edgecls_exporters.quantization import Calibration, Plan, calibrate, quantize
from edgecls_exporters.stored import rounded, store_weights
from edgecls_exporters.transforms import reference
from small_graphs import batches_of, convolutions, nodes_of, pictures, scores_of
from small_networks import PREPROCESSING, Attending, exported

TARGET = targets.find("x86-avx2")


def swishing() -> ModelProto:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.Hardswish(), nn.Conv2d(16, 16, 3, padding=1)),
        *(nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 32, 1), nn.Hardswish()),
        *(nn.Flatten(), nn.Linear(32, 4)),
    )
    original = Original("a test's", network.eval(), reference(PREPROCESSING), PREPROCESSING)
    return export_graph(original, Task.MULTICLASS)


@pytest.fixture(scope="module")
def swish() -> Calibration:
    return calibrate(swishing(), batches_of(pictures(8)), 0)


@pytest.fixture(scope="module")
def attention() -> Calibration:
    return calibrate(exported(Attending()), batches_of(pictures(8)), 0)


def integer_layers(model: ModelProto) -> set[str]:
    return {layer.node.output[0] for layer in quantized_layers(model)}


def test_a_network_of_relus_is_integers_throughout() -> None:
    assert mixed.operators(convolutions()) == "all"


def test_a_network_of_hard_swishes_is_integers_behind_its_pooling_only(swish: Calibration) -> None:
    assert mixed.operators(swish.graph) == "head"

    model, _ = quantize(swish, TARGET, Plan("minmax", "head"))

    layers = [node for node in model.graph.node if node.op_type in LAYERS]
    integers = integer_layers(model)
    assert [node.output[0] in integers for node in layers] == [False, False, True, True]


def test_the_float_layers_of_such_a_network_are_stored_in_8_bits(swish: Calibration) -> None:
    model, _ = quantize(swish, TARGET, Plan("minmax", "head"))

    images = pictures(6, seed=3)
    assert np.abs(scores_of(model, images) - scores_of(swish.graph, images)).max() < 0.02
    floats = sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    )
    weights = sum(
        int(np.prod(tensor.dims)) for tensor in swish.graph.graph.initializer if tensor.dims
    )
    assert floats < 0.3 * weights  # the first convolution is too small to be worth it


def test_stored_weights_are_float_constants_once_the_file_is_loaded(tmp_path: Path) -> None:
    model = convolutions()
    assert store_weights(model) == 0  # all of them are small

    model = swishing()
    before = scores_of(model, pictures(4))
    assert store_weights(model) == 2
    onnx.checker.check_model(model, full_check=True)

    assert np.abs(scores_of(model, pictures(4)) - before).max() < 0.01
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    casts = nodes_of(onnx.load(tmp_path / "loaded.onnx"), "Cast")
    assert len(casts) == 1  # of the image


@pytest.mark.parametrize("axis", [0, 1])
def test_a_stored_weight_is_off_by_half_a_step_at_most(axis: int) -> None:
    values = np.random.default_rng(0).normal(0, 1, (24, 32)).astype(np.float32)
    values[3, :] = 0
    values[:, 3] = 0

    integers, scale = rounded(values, axis)

    assert integers.dtype == np.int8
    assert scale.shape == ((24, 1) if axis == 0 else (1, 32))
    assert (np.abs(integers * scale - values) <= scale / 2 * 1.0001).all()


def test_attention_is_integers_where_weights_are_and_rounded_once(attention: Calibration) -> None:
    assert mixed.operators(attention.graph) == "weights"

    model, _ = quantize(attention, TARGET, Plan("minmax", "weights"))

    stored = {tensor.name for tensor in attention.graph.graph.initializer}
    products = [
        node
        for node in attention.graph.graph.node
        if node.op_type in LAYERS and node.input[1] in stored
    ]
    assert integer_layers(model) == {node.output[0] for node in products}
    rounded_tensors = {node.input[0] for node in nodes_of(model, "QuantizeLinear")}
    assert not rounded_tensors & {n.output[0] for n in products if n.op_type != "Conv"}
    images = pictures(6, seed=3)
    assert np.abs(scores_of(model, images) - scores_of(attention.graph, images)).max() < 0.02


def test_for_openvino_the_results_of_attention_s_convolutions_are_not_rounded_either(
    attention: Calibration,
) -> None:
    model, _ = quantize(attention, targets.find("openvino"), Plan("minmax", "weights"))

    layers = {node.output[0] for node in model.graph.node if node.op_type in LAYERS}
    rounded_tensors = {node.input[0] for node in nodes_of(model, "QuantizeLinear")}
    assert nodes_of(attention.graph, "Conv")
    assert not rounded_tensors & layers


def test_for_openvino_hard_swishes_are_one_operator_that_reads_unrounded_results(
    swish: Calibration,
) -> None:
    model, _ = quantize(swish, targets.find("openvino"), Plan("minmax"))

    layers = {node.output[0] for node in model.graph.node if node.op_type in LAYERS}
    swishes = nodes_of(model, "HardSwish")
    assert len(swishes) == 3
    assert {node.input[0] for node in swishes} <= layers
    assert len(integer_layers(model)) == 4
    images = pictures(6, seed=3)
    assert np.abs(scores_of(model, images) - scores_of(swish.graph, images)).max() < 0.02


def test_a_product_that_a_layer_reads_stays_rounded() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("MatMul", ["xd", "w"], ["one"]),
        helper.make_node("QuantizeLinear", ["one", "s", "z"], ["oq"]),
        helper.make_node("DequantizeLinear", ["oq", "s", "z"], ["od"]),
        helper.make_node("MatMul", ["od", "w"], ["two"]),
        helper.make_node("QuantizeLinear", ["two", "s", "z"], ["tq"]),
        helper.make_node("DequantizeLinear", ["tq", "s", "z"], ["td"]),
        helper.make_node("Relu", ["td"], ["y"]),
    ]
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    constants = {"s": np.float32(1), "z": np.uint8(0), "w": np.eye(2, dtype=np.float32)}
    graph = helper.make_graph(
        nodes,
        "two products",
        [shape],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph)

    mixed.free_results(model, mixed.PRODUCTS, LAYERS)

    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("QuantizeLinear") == 2
    assert model.graph.node[-1].input[0] == "two"
