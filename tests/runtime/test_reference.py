"""The reference provider, specified: what the file says, which no kernel can spoil."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgecls.errors import ConfigError
from edgecls_runtime import Classifier, session
from edgecls_runtime.providers import open_provider, reference
from parts import INT8, Made

CHANNELS, LABELS = 32, 5
IN_SCALE, IN_ZERO, OUT_SCALE, OUT_ZERO = 0.5, 3, 16.0, 128


def drawn(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.float32]]:
    """Draw an image (1, CHANNELS, 4, 4), a kernel so loud that pairs of products pass 16 bits."""
    random = np.random.default_rng(seed)
    image = random.integers(150, 256, (1, CHANNELS, 4, 4), dtype=np.uint8)
    kernel = random.integers(-40, 128, (LABELS, CHANNELS, 4, 4)).astype(np.int8)
    return image, kernel, random.uniform(0.001, 0.002, LABELS).astype(np.float32)


def quantized(kernel: NDArray[np.int8], scales: NDArray[np.float32]) -> ModelProto:
    """Return a convolution between (de)quantizations: uint8 image in, float scores out."""
    constants = {
        "in_scale": np.float32(IN_SCALE),
        "in_zero": np.uint8(IN_ZERO),
        "kernel": kernel,
        "scales": scales,
        "zeros": np.zeros(LABELS, np.int8),
        "out_scale": np.float32(OUT_SCALE),
        "out_zero": np.uint8(OUT_ZERO),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "in_scale", "in_zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["kernel", "scales", "zeros"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "out_scale", "out_zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "out_scale", "out_zero"], ["z"]),
        helper.make_node("Flatten", ["z"], ["scores"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", CHANNELS, 4, 4])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", LABELS])
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "conv", [image], [scores], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def by_integers(
    image: NDArray[np.uint8], kernel: NDArray[np.int8], scales: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return the same in whole numbers that cannot overflow, in steps of the output's scale."""
    sums = np.einsum("chw,lchw->l", image[0].astype(np.int64) - IN_ZERO, kernel.astype(np.int64))
    steps = np.rint(sums * IN_SCALE * scales.astype(np.float64) / OUT_SCALE)
    rounded: NDArray[np.int64] = np.clip(steps.astype(np.int64) + OUT_ZERO, 0, 255)
    return rounded - OUT_ZERO


@pytest.mark.parametrize("seed", range(8))
def test_an_integer_layer_is_what_whole_numbers_give(tmp_path: Path, seed: int) -> None:
    image, kernel, scales = drawn(seed)
    onnx.save(quantized(kernel, scales), tmp_path / "conv.onnx")

    scores = session.load(tmp_path / "conv.onnx", reference.open()).run(image)

    assert np.array_equal(scores[0] / OUT_SCALE, by_integers(image, kernel, scales))


def test_no_operator_is_fused(tmp_path: Path) -> None:
    image, kernel, scales = drawn(0)
    model = quantized(kernel, scales)

    plain = ran(model, image, tmp_path, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    fused = ran(model, image, tmp_path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)

    assert plain == Counter(node.op_type for node in model.graph.node)
    assert fused["QLinearConv"] == 1


def ran(
    model: ModelProto,
    image: NDArray[np.uint8],
    folder: Path,
    level: ort.GraphOptimizationLevel,
) -> Counter[str]:
    """Return how often onnxruntime ran each operator, by its own profile."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    engine = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    engine.run(None, {"image": image})
    events = json.loads(Path(engine.end_profiling()).read_text(encoding="utf-8"))
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    return Counter(event["args"]["op_name"] for event in kernels)


def test_a_bundle_answers_by_the_reference_as_by_the_kernels(made: Made) -> None:
    random = np.random.default_rng(5)
    images = [random.integers(0, 256, (80, 80, 3), dtype=np.uint8) for _ in range(8)]

    for variant, allowed in (("fp32", 1e-5), (INT8, 0.05)):
        kernels = Classifier(made.path, "cpu", variant).batch(images)
        exact = Classifier(made.path, "reference", variant).batch(images)

        for one, other in zip(kernels, exact, strict=True):
            assert np.abs(one.scores - other.scores).max() <= allowed


def test_the_reference_is_opened_by_the_name_of_its_file() -> None:
    assert open_provider("reference").exact
    assert not open_provider("auto").exact
    with pytest.raises(ConfigError, match="reference: threads -1; expected 0 to 1024"):
        reference.open(threads=-1)
