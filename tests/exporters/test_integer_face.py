"""A quantized model whose image stays integers up to the first layer, specified."""

import re

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto

from edgecls.errors import ExportError
from edgecls_exporters import integer_face, targets
from edgecls_exporters.quantization import Plan, calibrate, quantize
from small_graphs import batches_of, convolutions, pictures


@pytest.fixture
def int8() -> ModelProto:
    facts = calibrate(convolutions(), batches_of(pictures(8)), 0)
    return quantize(facts, targets.find("x86-avx2"), Plan("minmax"))[0]


def test_no_cast_and_no_float_constant_is_left_before_the_first_layer(int8: ModelProto) -> None:
    integer_face.use_integers(int8)

    onnx.checker.check_model(int8, full_check=True)
    operators = [node.op_type for node in int8.graph.node]
    makers = {output: node for node in int8.graph.node for output in node.output}
    subtraction = int8.graph.node[operators.index("Sub")]
    assert "Cast" not in operators
    assert {makers[name].op_type for name in subtraction.input} == {"DequantizeLinear"}
    assert int8.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_scores_change_by_no_more_than_a_rounded_mean(int8: ModelProto) -> None:
    images = pictures(16, seed=3)
    before = scores(int8, images)

    integer_face.use_integers(int8)

    assert np.abs(scores(int8, images) - before).max() < 0.05


def test_a_graph_that_begins_otherwise_is_refused(int8: ModelProto) -> None:
    integer_face.use_integers(int8)
    found = "goes to DequantizeLinear; expected one Cast; was this graph exported by us?"

    with pytest.raises(ExportError, match=re.escape(found)):
        integer_face.use_integers(int8)


def scores(model: ModelProto, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": images})[0])
