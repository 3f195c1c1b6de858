"""Bias correction, specified: rounding weights must not make a layer brighter or darker."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import Tensor, nn

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters import targets
from edgecls_exporters.bias_correction import channel_means, correct
from edgecls_exporters.graph import export_graph
from edgecls_exporters.layers import quantized_layers
from edgecls_exporters.original import Original
from edgecls_exporters.quantization import Plan, calibrate, quantize
from edgecls_exporters.transforms import reference

SMALL = Preprocessing((16, 16), (16, 16), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Layers(nn.Module):
    """One layer of each kind that has a bias; no padding, so that a mean is exact."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 1, groups=8)
        self.grouped = nn.Conv2d(8, 12, 1, groups=2)
        self.head = nn.Linear(12, 4)

    def forward(self, image: Tensor) -> Tensor:
        seen = torch.relu(self.depthwise(torch.relu(self.stem(image))))
        scores: Tensor = self.head(torch.relu(self.grouped(seen)).mean((2, 3)))
        return scores


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8) for _ in range(16)]


@pytest.fixture(scope="module")
def graph() -> ModelProto:
    torch.manual_seed(0)
    return export_graph(Original("test", Layers().eval(), reference(SMALL), SMALL), Task.MULTICLASS)


@pytest.fixture(scope="module")
def rounded(
    graph: ModelProto, images: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory
) -> ModelProto:
    """Return the network in int8, quantized coarsely: one weight scale a layer."""
    folder: Path = tmp_path_factory.mktemp("rounded")
    rest: Iterator[NDArray[np.uint8]] = iter(images)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(rest, None)
            return None if batch is None else {"image": batch}

    onnx.save(graph, folder / "float.onnx")
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(folder / "float.onnx", folder / "int8.onnx", Reader(), **types)
    return onnx.load(folder / "int8.onnx")


def outputs_of(model: ModelProto) -> dict[str, str]:
    """Return the output of each layer with weights, by the layer's name."""
    return {n.name: n.output[0] for n in model.graph.node if n.op_type in ("Conv", "Gemm")}


def means_of(
    model: ModelProto, names: list[str], images: list[NDArray[np.uint8]]
) -> list[NDArray[np.float64]]:
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(probe.SerializeToString(), options, ["CPUExecutionProvider"])
    runs = [session.run(names, {"image": image}) for image in images]
    means = [np.mean([run[i] for run in runs], axis=0)[0] for i in range(len(names))]
    return [mean.reshape(len(mean), -1).mean(axis=1) for mean in means]


def test_each_layer_s_shift_is_what_its_rounded_weights_add_to_its_mean_output(
    graph: ModelProto, rounded: ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    model = ModelProto()
    model.CopyFrom(rounded)

    shifts = correct(model, graph, channel_means(graph, images))

    floats = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    stored = {t.name: numpy_helper.to_array(t) for t in rounded.graph.initializer}
    inputs = [node.input[0] for node in graph.graph.node if node.name in outputs_of(graph)]
    means = dict(zip(outputs_of(graph), means_of(graph, inputs, images), strict=True))
    assert set(shifts) == set(outputs_of(graph))
    for node in graph.graph.node:
        if node.name not in shifts:
            continue
        weight = floats[node.input[1]]
        name = node.input[1]
        error = stored[f"{name}_quantized"] * stored[f"{name}_scale"] - weight
        each = len(weight) * weight.shape[1] // len(means[node.name])  # outputs of a group
        for out, line in enumerate(error):
            group = out // each if node.op_type == "Conv" else 0
            own = means[node.name][group * weight.shape[1] :][: weight.shape[1]]
            expected = sum(float(np.sum(line[channel])) * mean for channel, mean in enumerate(own))
            assert shifts[node.name][out] == pytest.approx(expected, abs=1e-5)


def test_a_correction_brings_the_mean_outputs_back_to_those_of_fp32(
    graph: ModelProto, rounded: ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    model = ModelProto()
    model.CopyFrom(rounded)

    correct(model, graph, channel_means(graph, images))

    wanted = means_of(graph, list(outputs_of(graph).values()), images)
    before, after = (
        [
            float(np.abs(found - mean).mean())
            for found, mean in zip(
                means_of(each, list(outputs_of(each).values()), images), wanted, strict=True
            )
        ]
        for each in (rounded, model)
    )
    # The first layer's input is the image itself, so there the correction is nearly all of it.
    assert after[0] < 0.1 * before[0]
    assert sum(after) < 0.5 * sum(before)


def test_weights_and_scales_stay_as_they_are(
    graph: ModelProto, rounded: ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    model = ModelProto()
    model.CopyFrom(rounded)

    correct(model, graph, channel_means(graph, images))

    pairs = zip(model.graph.initializer, rounded.graph.initializer, strict=True)
    changed = {new.name for new, old in pairs if new != old}
    assert changed
    assert all("bias" in name for name in changed)


def test_the_mean_of_a_channel_is_numpy_s_over_all_images_and_places(
    graph: ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    inputs = [node.input[0] for node in graph.graph.node if node.name in outputs_of(graph)]

    found = channel_means(graph, iter(images))

    assert set(found) == set(inputs)
    for name, wanted in zip(inputs, means_of(graph, inputs, images), strict=True):
        assert np.allclose(found[name], wanted, rtol=1e-5, atol=1e-6)


def test_a_bias_that_stays_float_is_corrected_by_the_same_shift(
    graph: ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    facts = calibrate(graph, lambda _text: iter(images), 0)
    floats = {t.name: numpy_helper.to_array(t) for t in facts.graph.graph.initializer}
    integer, symmetric = (
        quantize(facts, targets.find(name), Plan())[0] for name in ("x86-vnni", "tensorrt")
    )
    biases = {t.name: numpy_helper.to_array(t) for t in symmetric.graph.initializer}
    stored = {t.name: numpy_helper.to_array(t) for t in integer.graph.initializer}
    changed = 0

    for layer, same in zip(quantized_layers(symmetric), quantized_layers(integer), strict=True):
        assert layer.float_bias is not None
        assert same.bias is not None
        assert same.bias_scale is not None
        by_integers = stored[same.bias] * stored[same.bias_scale]
        # The same weights were rounded, so the same was lost, but for half a step of an integer.
        assert np.allclose(
            biases[layer.float_bias], by_integers, atol=float(stored[same.bias_scale].max())
        )
        changed += not np.array_equal(biases[layer.float_bias], floats[layer.float_bias])
    assert changed == 3  # one weight an output, of the depthwise layer, is never rounded
