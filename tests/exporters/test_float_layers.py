"""Weights of a quantized model's float layers, specified."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from edgecls_exporters import targets
from edgecls_exporters.float_layers import store_floats
from edgecls_exporters.quantization import Plan, calibrate, quantize
from small_graphs import batches_of, convolutions, pictures, scores_of


@pytest.fixture
def int8() -> ModelProto:
    facts = calibrate(convolutions(), batches_of(pictures(12)), 0)
    return quantize(facts, targets.find("arm"), Plan())[0]


def test_a_layer_between_integers_keeps_its_integer_weights(int8: ModelProto) -> None:
    before = int8.SerializeToString()

    store_floats(int8)

    assert int8.SerializeToString() == before


def test_a_layer_that_nothing_quantizes_gets_float_weights(int8: ModelProto) -> None:
    layer = let_float_out(int8)

    store_floats(int8)

    onnx.checker.check_model(int8, full_check=True)
    stored = {tensor.name: tensor.data_type for tensor in int8.graph.initializer}
    assert [stored[name] for name in layer.input[1:]] == [onnx.TensorProto.FLOAT] * 2


def test_the_scores_stay_the_same(int8: ModelProto) -> None:
    let_float_out(int8)
    images = pictures(16, seed=3)
    before = scores_of(int8, images, exact=True)

    store_floats(int8)

    assert np.abs(scores_of(int8, images, exact=True) - before).max() < 1e-6


def let_float_out(model: ModelProto) -> onnx.NodeProto:
    """Take the rounding away behind the first convolution; return the convolution."""
    layer: onnx.NodeProto = next(node for node in model.graph.node if node.op_type == "Conv")
    makers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            reader = makers.get(name)
            if reader is None or reader.op_type != "DequantizeLinear":
                continue
            rounding = makers.get(reader.input[0])
            if rounding is not None and behind(rounding.input[0], makers) is layer:
                node.input[i] = rounding.input[0]
    return layer


def behind(tensor: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """Return the layer that makes a tensor, by way of its activation."""
    maker = makers.get(tensor)
    if maker is not None and maker.op_type in ("Clip", "Relu"):
        return makers.get(maker.input[0])
    return maker
