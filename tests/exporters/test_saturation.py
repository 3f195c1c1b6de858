"""No pair of int8 products overflows 16 bits, so every x86 processor computes the same scores."""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from PIL import Image
from torch import Tensor, nn

from edgecls.bundle import Bundle
from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters import targets
from edgecls_exporters.graph import export_graph
from edgecls_exporters.original import Original
from edgecls_exporters.quantization import Plan, calibrate, quantize
from edgecls_exporters.saturation import bound, saturable_layers
from edgecls_exporters.splits import Wanted, split
from edgecls_exporters.transforms import reference
from edgecls_runtime.images import Labelled, find_labelled, read_image
from edgecls_runtime.preprocessing import prepare
from parts import Made

LIMIT = 32767
INT8 = "model.int8-x86-avx2.onnx"
SMALL = Preprocessing((32, 32), (32, 32), mean=(0.0, 0.0, 0.0), std=(0.25, 0.25, 0.25))
EMULATOR = shutil.which("qemu-x86_64-static")


class Wide(nn.Module):
    """Wide layers of large positive weights: a grouped convolution, tokens, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(64, 64, 3, padding=1, groups=2)
        self.tokens = nn.Linear(64, 63)
        self.head = nn.Linear(63, 3)
        with torch.no_grad():
            for layer in (self.stem, self.grouped, self.tokens):
                layer.weight.uniform_(0.5, 1.0)
                layer.weight.mul_(2 / layer.weight[0].numel())
            self.head.weight.uniform_(-0.05, 0.05)

    def forward(self, image: Tensor) -> Tensor:
        seen = torch.relu(self.grouped(torch.relu(self.stem(image))))
        tokens = torch.relu(self.tokens(seen.flatten(2).transpose(1, 2)))
        scores: Tensor = self.head(tokens.mean(1))
        return scores


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Return images whose brightest places drive the activations to 255."""
    folder = tmp_path_factory.mktemp("bright")
    random, data = np.random.default_rng(0), []
    for i in range(8):
        image = random.integers(150, 256, (32, 32, 3), dtype=np.uint8)
        image[:, : 4 * i] //= 3
        Image.fromarray(image).save(folder / f"{i}.png")
        data.append(Labelled(folder / f"{i}.png", None))
    return data


@pytest.fixture(scope="module")
def wide() -> ModelProto:
    torch.manual_seed(0)
    return export_graph(Original("wide", Wide().eval(), reference(SMALL), SMALL), Task.MULTICLASS)


def prepared(images: list[Labelled], wanted: Preprocessing) -> list[NDArray[np.uint8]]:
    return [prepare(read_image(item.path), wanted)[np.newaxis] for item in images]


def bounded(graph: ModelProto, images: list[Labelled]) -> ModelProto:
    """Quantize for processors without VNNI."""
    facts = calibrate(graph, lambda _text: prepared(images, SMALL), 0)
    model, _ = quantize(facts, targets.find("x86-avx2"), Plan())
    return model


def attribute(node: NodeProto, name: str, default: int) -> int:
    return next((found.i for found in node.attribute if found.name == name), default)


def constants(model: ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def layers(model: ModelProto) -> Iterator[tuple[NodeProto, str, NDArray[np.int8]]]:
    """Yield each node that multiplies u8 activations with s8 weights, both by their integers."""
    makers = {output: node for node in model.graph.node for output in node.output}
    stored = constants(model)
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            activation, weight = (makers[name].input[0] for name in node.input[:2])
            if weight in stored:
                yield node, activation, stored[weight]


def seen_activations(
    model: ModelProto, names: list[str], batches: list[NDArray[np.uint8]]
) -> dict[str, list[NDArray[np.uint8]]]:
    """Run without any fused kernel and return the integers of these tensors, image by image."""
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in names
    )
    runner = unsaturated(probe)
    runs = [runner.run(names, {"image": batch}) for batch in batches]
    return {name: [run[i] for run in runs] for i, name in enumerate(names)}


def unsaturated(model: ModelProto) -> ort.InferenceSession:
    """Return a session that computes the integers in float."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def channel_peaks(node: NodeProto, runs: list[NDArray[np.uint8]]) -> list[int]:
    axis = 1 if node.op_type == "Conv" else -1
    return [
        max(int(np.take(run, channel, axis).max()) for run in runs)
        for channel in range(runs[0].shape[axis])
    ]


def reductions(
    node: NodeProto, weight: NDArray[np.int8], peaks: list[int]
) -> Iterator[list[tuple[int, int]]]:
    """Yield for each output its (|weight|, largest activation), in the order of the kernel."""
    if node.op_type == "Conv":
        outputs, inputs = weight.shape[:2]
        spots = list(np.ndindex(weight.shape[2:]))  # row by row
        each = outputs // attribute(node, "group", 1)
        for out in range(outputs):
            first = out // each * inputs
            yield [
                (abs(int(weight[out, channel, *spot])), peaks[first + channel])
                for spot in spots
                for channel in range(inputs)
            ]
        return
    by_output = weight if attribute(node, "transB", 0) else weight.T
    for line in by_output:
        yield [(abs(int(value)), peak) for value, peak in zip(line, peaks, strict=True)]


def worst_pair(node: NodeProto, weight: NDArray[np.int8], peaks: list[int]) -> int:
    worst = 0
    for terms in reductions(node, weight, peaks):
        products = [value * peak for value, peak in terms]
        pairs = itertools.zip_longest(products[0::2], products[1::2], fillvalue=0)
        worst = max(worst, *(first + second for first, second in pairs))
    return worst


def worst_pairs(model: ModelProto, batches: list[NDArray[np.uint8]]) -> dict[str, int]:
    """Return the worst pair of each layer by its kind, depthwise convolutions aside."""
    found = [
        (node, name, weight)
        for node, name, weight in layers(model)
        if node.op_type != "Conv" or attribute(node, "group", 1) == 1 or weight.shape[1] > 1
    ]
    activations = seen_activations(model, sorted({name for _, name, _ in found}), batches)
    return {
        f"{node.op_type} {node.name}": worst_pair(
            node, weight, channel_peaks(node, activations[name])
        )
        for node, name, weight in found
    }


def plain(model: ModelProto, batches: list[NDArray[np.uint8]], folder: Path) -> ModelProto:
    """Quantize as onnxruntime does by itself."""
    rest = iter(batches)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(rest, None)
            return None if batch is None else {"image": batch}

    onnx.save(model, folder / "float.onnx")
    quantize_static(
        folder / "float.onnx",
        folder / "plain.onnx",
        Reader(),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[node.name for node in model.graph.node if node.op_type == "Softmax"],
    )
    return onnx.load(folder / "plain.onnx")


def turned(model: ModelProto) -> ModelProto:
    """Return the same network with its Gemm's weight the other way round."""
    copy = ModelProto()
    copy.CopyFrom(model)
    (gemm,) = (node for node in copy.graph.node if node.op_type == "Gemm")
    (trans,) = (found for found in gemm.attribute if found.name == "transB")
    (weight,) = (tensor for tensor in copy.graph.initializer if tensor.name == gemm.input[1])
    trans.i = 1 - trans.i
    for stale in [info for info in copy.graph.value_info if info.name == weight.name]:
        copy.graph.value_info.remove(stale)
    values = np.ascontiguousarray(numpy_helper.to_array(weight).T)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return copy


def test_no_pair_of_the_exported_int8_model_overflows_on_the_images_of_its_calibration(
    made: Made,
) -> None:
    bundle = Bundle.open(made.path)
    wanted = Wanted(calibrate=24, choose=128, most=2000, seed=0)
    images = split(find_labelled(made.photos), [], wanted).calibrate
    model = onnx.load(made.path / INT8)

    worst = worst_pairs(model, prepared(images, bundle.preprocessing))

    assert [name.split()[0] for name in worst] == ["Conv", "Conv", "Gemm"]
    assert max(worst.values()) <= LIMIT


def test_the_wide_network_would_overflow_in_every_layer(
    wide: ModelProto, bright: list[Labelled], tmp_path: Path
) -> None:
    batches = prepared(bright, SMALL)

    worst = worst_pairs(plain(wide, batches, tmp_path), batches)

    assert [name.split()[0] for name in worst] == ["Conv", "Conv", "MatMul", "Gemm"]
    assert min(worst.values()) > LIMIT


@pytest.mark.parametrize("trans_b", [1, 0])
def test_no_pair_overflows_in_grouped_convolutions_token_layers_and_heads(
    wide: ModelProto, bright: list[Labelled], trans_b: int
) -> None:
    network = wide if trans_b else turned(wide)

    model = bounded(network, bright)

    worst = worst_pairs(model, prepared(bright, SMALL))
    (gemm,) = (node for node, _, _ in layers(model) if node.op_type == "Gemm")
    assert attribute(gemm, "transB", 0) == trans_b
    assert [name.split()[0] for name in worst] == ["Conv", "Conv", "MatMul", "Gemm"]
    assert max(worst.values()) <= LIMIT


class Attended(nn.Module):
    """A one-dimensional convolution over channels, as ECA attention has it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.across = nn.Conv2d(3, 16, 3), nn.Conv1d(1, 1, 3, padding=1)
        self.head = nn.Linear(16, 3)

    def forward(self, image: Tensor) -> Tensor:
        pooled = torch.relu(self.stem(image)).mean((2, 3))
        scores: Tensor = self.head(pooled * torch.sigmoid(self.across(pooled[:, None])[:, 0]))
        return scores


class Repeated(nn.Module):
    """The same layer twice, on quiet and then on loud activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.same, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)
        with torch.no_grad():
            self.same.weight.uniform_(0.5, 1.0)
            self.same.bias = nn.Parameter(torch.full((8,), 20.0))
            self.head.weight.mul_(0.002)

    def forward(self, image: Tensor) -> Tensor:
        quiet = torch.relu(self.stem(image)) * torch.linspace(0, 1, 8).view(8, 1, 1)
        scores: Tensor = self.head(torch.relu(self.same(torch.relu(self.same(quiet)))).mean((2, 3)))
        return scores


@pytest.mark.parametrize("network", [Attended, Repeated])
def test_int8_answers_like_fp32_and_never_overflows(
    bright: list[Labelled], network: type[nn.Module]
) -> None:
    torch.manual_seed(0)
    original = Original("test", network().eval(), reference(SMALL), SMALL)
    graph = export_graph(original, Task.MULTICLASS)
    batches = prepared(bright, SMALL)

    model = bounded(graph, bright)

    fused = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found, exact, wanted = (
        np.concatenate([runner.run(None, {"image": batch})[0] for batch in batches])
        for runner in (fused, unsaturated(model), unsaturated(graph))
    )
    assert max(worst_pairs(model, batches).values()) <= LIMIT
    assert np.abs(found - exact).max() < 0.005
    assert np.abs(found - wanted).max() < 0.02
    assert_bias_scales_are_products(model)


def assert_bias_scales_are_products(model: ModelProto) -> None:
    """Kernels add a bias to products of integers: its scale has to be theirs."""
    makers = {output: node for node in model.graph.node for output in node.output}
    stored = constants(model)
    for node, _, _ in layers(model):
        x, weight, *bias = (stored[makers[name].input[1]] for name in node.input)
        for scale in bias:
            assert np.allclose(scale, x * weight, rtol=1e-5), node.name


def gemm(weights: NDArray[np.float32]) -> tuple[ModelProto, ModelProto]:
    """Return a Gemm with bias, float and quantized per output: x (n, inputs) -> (n, outputs)."""
    scales = (np.abs(weights).max(axis=1) / 127).astype(np.float32)
    bias_scales = (scales * np.float32(0.02)).astype(np.float32)
    stored = {
        "w": weights,
        "w_quantized": np.round(weights / scales[:, np.newaxis]).astype(np.int8),
        "w_scale": scales,
        "w_zero": np.zeros(len(scales), np.int8),
        "b_quantized": np.round(np.linspace(-1, 1, len(scales)) / bias_scales).astype(np.int32),
        "b_scale": bias_scales,
        "b_zero": np.zeros(len(scales), np.int32),
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(40),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["x_float"]),
        dequantized("w"),
        dequantized("b"),
        helper.make_node("Gemm", ["x_float", "w_float", "b_float"], ["y"], name="gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ("n", weights.shape[1]))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", len(weights)))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in stored.items() if k != "w"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    original = ModelProto()
    original.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    return model, original


def dequantized(name: str) -> NodeProto:
    inputs = [f"{name}_quantized", f"{name}_scale", f"{name}_zero"]
    return helper.make_node("DequantizeLinear", inputs, [f"{name}_float"], axis=0)


WEIGHTS = np.array([[0.9, 1.0, 0.9, 1.0], [1.0, 0.0, 1.0, 0.0]], np.float32)


def test_scales_stay_as_they_are_when_no_pair_can_overflow() -> None:
    model, original = gemm(WEIGHTS)
    before = model.SerializeToString(deterministic=True)

    grown = bound(model, original, {"x": np.full(4, 100, np.uint8)})

    assert grown == {"gemm": 1.0}
    assert model.SerializeToString(deterministic=True) == before


def test_only_the_outputs_that_could_overflow_grow_and_by_no_more_than_they_need() -> None:
    model, original = gemm(WEIGHTS)
    before = constants(model)

    bound(model, original, {"x": np.full(4, 255, np.uint8)})

    after = constants(model)
    pair = 255 * int(after["w_quantized"][0, 0]) + 255 * int(after["w_quantized"][0, 1])
    assert after["w_scale"][1] == before["w_scale"][1]
    assert after["w_quantized"][1].tolist() == before["w_quantized"][1].tolist()
    assert 0.97 * LIMIT < pair <= LIMIT


def test_the_bias_follows_the_scale_and_keeps_its_value() -> None:
    model, original = gemm(WEIGHTS)
    before = constants(model)

    bound(model, original, {"x": np.full(4, 255, np.uint8)})

    after = constants(model)
    assert np.allclose(after["b_scale"], after["w_scale"] * after["x_scale"], rtol=1e-6)
    assert np.allclose(
        after["b_quantized"] * after["b_scale"],
        before["b_quantized"] * before["b_scale"],
        atol=after["b_scale"].max(),
    )


def test_the_zero_point_that_pads_an_image_counts_as_an_activation() -> None:
    model, original = gemm(WEIGHTS)
    for tensor in model.graph.initializer:
        if tensor.name == "x_zero":
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(np.uint8(255)), "x_zero"))

    grown = bound(model, original, {"x": np.full(4, 10, np.uint8)})

    assert grown["gemm"] > 1


ONE_PROCESSOR = """
import sys
sys.path[:0] = {paths!r}
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
images = np.load({images!r})
for name in {names!r}:
    runner = ort.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    scores = [runner.run(None, {{"image": image[None]}})[0] for image in images]
    np.save(name + ".npy", np.concatenate(scores))
"""


def scores_of(
    names: list[str], images: NDArray[np.uint8], folder: Path, emulator: list[str]
) -> list[NDArray[np.float32]]:
    """Run ONNX files in a process of their own, on this processor or on an emulated one."""
    np.save(folder / "images.npy", images)
    paths = [path for path in sys.path if path.endswith("site-packages")]
    script = ONE_PROCESSOR.format(paths=paths, images=str(folder / "images.npy"), names=names)
    python = str(Path(sys.executable).resolve())
    subprocess.run(
        [*emulator, python, "-c", script], check=True, env={"OMP_NUM_THREADS": "1"}, timeout=600
    )
    return [np.load(f"{name}.npy") for name in names]


@pytest.mark.slow
@pytest.mark.skipif(EMULATOR is None, reason="needs qemu-x86_64-static (apt: qemu-user-static)")
def test_a_processor_without_vnni_gives_the_same_scores_where_plain_int8_does_not(
    made: Made, wide: ModelProto, bright: list[Labelled], tmp_path: Path
) -> None:
    batches = prepared(bright, SMALL)
    plain_model = plain(wide, batches, tmp_path)
    names = [str(tmp_path / "bounded.onnx"), str(tmp_path / "plain.onnx")]
    onnx.save(bounded(wide, bright), names[0])
    haswell = [str(EMULATOR), "-cpu", "Haswell"]
    photos = split(find_labelled(made.photos), [], Wanted(24, 128, 2000, 0)).measure[:16]
    parts = np.concatenate(prepared(photos, Bundle.open(made.path).preprocessing))

    native, emulated = (
        scores_of(names, np.concatenate(batches), tmp_path, emulator) for emulator in ([], haswell)
    )
    (made_native,), (made_emulated,) = (
        scores_of([str(made.path / INT8)], parts, tmp_path, emulator) for emulator in ([], haswell)
    )

    runner = unsaturated(plain_model)
    exact = np.concatenate([runner.run(None, {"image": batch})[0] for batch in batches])
    assert np.abs(native[0] - emulated[0]).max() < 1e-5
    assert np.abs(made_native - made_emulated).max() < 1e-5
    assert np.abs(emulated[1] - exact).max() > 0.01


@pytest.mark.parametrize(("outputs", "saturable"), [(4, 0), (8, 1)])
def test_a_depthwise_convolution_is_bounded_when_a_channel_has_several_outputs(
    outputs: int, saturable: int
) -> None:
    values = {
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(0),
        "w_quantized": np.full((outputs, 1, 3, 3), 127, np.int8),
        "w_scale": np.full(outputs, 0.01, np.float32),
        "w_zero": np.zeros(outputs, np.int8),
    }
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["x_float"]),
            dequantized("w"),
            helper.make_node("Conv", ["x_float", "w_float"], ["y"], name="conv", group=4),
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ("n", 4, 9, 9))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", outputs, 7, 7))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    original = ModelProto()
    weights = np.full((outputs, 1, 3, 3), 1.27, np.float32)
    original.graph.initializer.append(numpy_helper.from_array(weights, "w"))

    grown = bound(model, original, {"x": np.full(4, 255, np.uint8)})

    assert len(saturable_layers(model)) == len(grown) == saturable
    if saturable:
        first, second, *_ = constants(model)["w_quantized"][0, 0].reshape(-1).astype(int)
        assert 0.97 * LIMIT < 255 * (first + second) <= LIMIT
