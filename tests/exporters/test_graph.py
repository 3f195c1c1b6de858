"""The exported graph: bytes in, the original's scores out, and nothing that needs this SDK."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.checkpoint import Original, open_source
from edgecls_exporters.graph import describe, export_graph, fold_scale, to_scores
from edgecls_exporters.transforms import reference

PREPROCESSING = Preprocessing((16, 20), (16, 20), mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
BATCHES = [1, 2, 5]


def original_of(model: nn.Module, preprocessing: Preprocessing = PREPROCESSING) -> Original:
    return Original("a test's model", model.eval(), reference(preprocessing), preprocessing)


def conv_net(n_logits: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.Hardswish(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(8, n_logits)),
    )


def depthwise_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.BatchNorm2d(3), nn.ReLU6()),
        *(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2, groups=8)),
        *(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    )


def pixels(count: int, size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def session(model: ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def answer(runner: ort.InferenceSession, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    (scores,) = runner.run(None, {runner.get_inputs()[0].name: images})
    return np.asarray(scores)


def logits(original: Original, images: NDArray[np.uint8]) -> Tensor:
    """Normalise as torchvision does, without the code under test, and run the PyTorch model."""
    wanted = original.preprocessing
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (wanted.mean, wanted.std))
    with torch.inference_mode():
        found = original.logits((torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std)
    assert isinstance(found, Tensor)
    return found


def assert_scores_of_pytorch(original: Original, model: ModelProto) -> None:
    runner = session(model)
    for count in BATCHES:
        images = pixels(count, original.preprocessing.size, seed=count)

        found = answer(runner, images)

        expected = torch.softmax(logits(original, images), dim=1).numpy()
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-5


@pytest.fixture(scope="module")
def convolutional() -> tuple[Original, ModelProto]:
    original = original_of(conv_net())
    return original, export_graph(original, Task.MULTICLASS)


def test_the_graph_takes_bytes_in_the_shape_of_an_image_in_batches_of_any_size(
    convolutional: tuple[Original, ModelProto],
) -> None:
    (taken,) = session(convolutional[1]).get_inputs()

    assert taken.type == "tensor(uint8)"
    assert taken.shape == ["batch", 16, 20, 3]


def test_a_convolutional_network_scores_as_in_pytorch(
    convolutional: tuple[Original, ModelProto],
) -> None:
    assert_scores_of_pytorch(*convolutional)


def test_a_depthwise_network_scores_as_in_pytorch() -> None:
    original = original_of(depthwise_net())

    model = export_graph(original, Task.MULTICLASS)

    assert_scores_of_pytorch(original, model)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv3_small_100",
        pytest.param("vit_tiny_patch16_224", marks=pytest.mark.slow),
    ],
)
def test_a_timm_network_scores_as_in_pytorch(name: str) -> None:
    torch.manual_seed(0)
    original = open_source(f"timm:{name}", 5, Task.MULTICLASS, None, {})

    model = export_graph(original, Task.MULTICLASS)

    assert_scores_of_pytorch(original, model)


def test_a_multilabel_graph_ends_in_sigmoids() -> None:
    original = original_of(conv_net())
    images = pixels(4, (16, 20))

    found = answer(session(export_graph(original, Task.MULTILABEL)), images)

    assert np.abs(found - torch.sigmoid(logits(original, images)).numpy()).max() < 1e-5


def test_one_binary_logit_becomes_two_scores_that_sum_to_one() -> None:
    original = original_of(conv_net(1))
    images = pixels(4, (16, 20))

    found = answer(session(export_graph(original, Task.BINARY)), images)

    positive = torch.sigmoid(logits(original, images)).numpy()[:, 0]
    assert np.abs(found[:, 1] - positive).max() < 1e-5
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-6


def test_two_binary_logits_are_a_softmax() -> None:
    scores = to_scores(torch.tensor([[0.0, 2.0]]), Task.BINARY)

    assert torch.allclose(scores, torch.softmax(torch.tensor([[0.0, 2.0]]), dim=1))


def test_the_multiplication_of_the_normalisation_is_folded_into_the_first_convolution(
    convolutional: tuple[Original, ModelProto],
) -> None:
    kinds = [node.op_type for node in convolutional[1].graph.node]

    before = kinds[: kinds.index("Conv")]
    assert "Mul" not in before
    assert "Div" not in before
    assert before.count("Sub") == 1


def test_the_border_is_padded_as_in_training() -> None:
    """Zero after normalisation is the mean; were the mean folded too, it would be black."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 3, padding=1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.linspace(-1, 1, 54).view(2, 3, 3, 3))  # type: ignore[operator]
    small = Preprocessing((3, 3), (3, 3), mean=(0.4, 0.5, 0.6), std=(0.9, 1.2, 1.5))
    original = original_of(network, small)
    white = np.full((1, 3, 3, 3), 255, np.uint8)

    model = export_graph(original, Task.MULTICLASS)

    expected = torch.softmax(logits(original, white), dim=1).numpy()
    in_black = logits_padded_in_black(network, small, white)
    assert np.abs(answer(session(model), white) - expected).max() < 1e-5
    assert np.abs(in_black - expected).max() > 0.01


def logits_padded_in_black(
    network: nn.Module, wanted: Preprocessing, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (wanted.mean, wanted.std))
    normalised = (torch.from_numpy(padded).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        found = nn.functional.conv2d(normalised, network.state_dict()["0.weight"])
        return np.asarray(torch.softmax(found.mean((2, 3)), dim=1))


def graph_of(factor_shape: tuple[int, ...], *, kernels: int = 1, factors: int = 1) -> ModelProto:
    """Return image -> Mul -> Conv, whose constants further nodes may share."""
    random = np.random.default_rng(0)
    stored = {
        "factor": random.uniform(0.5, 2, factor_shape),
        "kernel": random.normal(0, 1, (3, 3, 1, 1)),
    }
    nodes = [
        helper.make_node("Mul", ["image", "factor"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["seen"]),
    ]
    nodes += [helper.make_node("Conv", ["seen", "kernel"], ["again"])] * (kernels - 1)
    nodes += [helper.make_node("Mul", ["seen", "factor"], ["again"])] * (factors - 1)
    shape = ("n", 3, 4, 3)
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value.astype(np.float32), key) for key, value in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    ("model", "folds"),
    [
        pytest.param(graph_of((1, 3, 1, 1)), True, id="a factor a channel"),
        pytest.param(graph_of((1, 1, 1, 3)), False, id="a factor a column"),
        pytest.param(graph_of((3,)), False, id="a factor a column, short"),
        pytest.param(graph_of((1, 3, 1, 1), kernels=2), False, id="a kernel used twice"),
        pytest.param(graph_of((1, 3, 1, 1), factors=2), False, id="a factor used twice"),
    ],
)
def test_folding_never_changes_what_a_graph_computes(model: ModelProto, *, folds: bool) -> None:
    image = np.random.default_rng(1).normal(0, 1, (2, 3, 4, 3)).astype(np.float32)
    (before,) = session(model).run(None, {"image": image})

    folded = fold_scale(model)

    onnx.checker.check_model(model, full_check=True)
    (after,) = session(model).run(None, {"image": image})
    assert folded is folds
    assert np.abs(after - before).max() < 1e-5


def test_the_file_says_what_it_is_without_this_sdk(
    convolutional: tuple[Original, ModelProto], tmp_path: Path
) -> None:
    original, model = convolutional
    describe(model, ("good", "Kratzer ü", "dent"), Task.MULTICLASS, (), original.preprocessing)
    onnx.save(model, tmp_path / "model.onnx")

    runner = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])

    said = runner.get_modelmeta().custom_metadata_map
    images = pixels(2, (16, 20))
    expected = torch.softmax(logits(original, images), dim=1).numpy()
    assert json.loads(said["labels"]) == ["good", "Kratzer ü", "dent"]
    assert said["task"] == "multiclass"
    assert json.loads(said["thresholds"]) == []
    assert said["input"] == "uint8 RGB (n, 16, 20, 3); normalisation is in the graph"
    assert said["preprocessing"] == (
        "shortest to 16x20 px, Pillow bilinear with antialias, centre crop 16x20 px"
    )
    assert np.abs(answer(runner, images) - expected).max() < 1e-5


def test_the_graph_is_standard_onnx_and_declares_nothing_else(
    convolutional: tuple[Original, ModelProto],
) -> None:
    model = convolutional[1]

    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


class Undecided(nn.Module):
    """A branch on values: nothing that a graph can hold."""

    def forward(self, image: Tensor) -> Tensor:
        pooled = image.mean((2, 3))[:, :2]
        return pooled if bool(pooled.sum() > 0) else -pooled


def test_a_module_that_cannot_become_a_graph_is_refused_in_one_line() -> None:
    with pytest.raises(ExportError) as refused:
        export_graph(original_of(Undecided()), Task.MULTICLASS)

    text = str(refused.value)
    assert text.startswith("a test's model: torch.onnx cannot export it: ")
    assert "\n" not in text
