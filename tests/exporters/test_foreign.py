"""ONNX files that others made: what they become, and which are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls.manifest import Interpolation, Resize
from edgecls.prediction import Task
from edgecls_exporters.checkpoint import labels_in, open_source
from edgecls_exporters.graph import describe, export_graph
from edgecls_exporters.original import Original

SIZE = (16, 20)
MEAN, STD = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
SAID: dict[str, Any] = {"size": SIZE, "mean": MEAN, "std": STD}
NAMES = ("good", "scratch", "dent")
YOLO = {
    "author": "Ultralytics",
    "description": "Ultralytics YOLO11n-cls model",
    "version": "8.3.240",
    "task": "classify",
    "batch": "1",
    "stride": "1",
    "imgsz": "[32, 32]",
    "names": "{0: 'good', 1: 'scratch', 2: 'dent'}",
    "args": "{'batch': 1, 'half': False}",
}


class Windows(nn.Module):
    """Attention in windows: its reshapes fold the batch into other lengths and back."""

    def forward(self, features: Tensor) -> Tensor:
        n, c, h, w = features.shape
        tiles = features.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1)
        tokens = tiles.reshape(-1, 4, c)
        tokens = torch.softmax(tokens @ tokens.transpose(1, 2), 2) @ tokens
        back = tokens.view(n, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4)
        return back.reshape(n, c, h, w)


def network(*head: nn.Module, n_logits: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), Windows()),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(8, n_logits), *head),
    ).eval()


class Last(nn.Module):
    """A network that takes its channels last."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.inner(image.permute(0, 3, 1, 2))
        return logits


def write(
    file: Path,
    model: nn.Module,
    shape: tuple[int, ...] = (2, 3, *SIZE),
    said: dict[str, str] | None = None,
    opset: int = 18,
) -> str:
    """Export as users do; a first length of 1 is fixed, others are open."""
    dynamic = None if shape[0] == 1 else ({0: torch.export.Dim("n")},)
    example = torch.zeros(shape)
    torch.onnx.export(
        model, (example,), file, dynamo=True, opset_version=opset, dynamic_shapes=dynamic,
        verbose=False, external_data=False, input_names=["images"], output_names=["output0"],
    )  # fmt: skip
    if said:
        made = onnx.load(file)
        helper.set_model_props(made, said)
        onnx.save(made, file)
    return str(file)


def opened(source: str, task: Task = Task.MULTICLASS, n: int = 3, **said: Any) -> Original:  # noqa: ANN401 - fields of any type
    return open_source(source, n, task, None, said)


def assert_scores(original: Original, model: nn.Module, task: Task = Task.MULTICLASS) -> None:
    """Compare graph and reference with PyTorch, in batches of several sizes."""
    wanted = original.preprocessing
    graph = export_graph(original, task)
    runner = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (wanted.mean, wanted.std))
    for count in (1, 2, 5):
        images = pixels(count, wanted.size)
        batch = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
        with torch.inference_mode():
            expected = model(batch)
            logits = original.logits(batch)

        (scores,) = runner.run(None, {"image": images})

        assert (torch.softmax(logits, 1) - torch.softmax(expected, 1)).abs().max() < 1e-5
        if task is Task.MULTICLASS:
            assert np.abs(scores - torch.softmax(expected, 1).numpy()).max() < 1e-5
        else:
            assert np.abs(scores[:, -1] - torch.sigmoid(expected)[:, -1].numpy()).max() < 1e-5


def pixels(count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *size, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", [1, 2], ids=["one image", "any number"])
@pytest.mark.parametrize("heads", [(), (nn.Softmax(1),)], ids=["logits", "scores"])
def test_a_file_answers_as_the_network_it_was_made_of_in_any_batch(
    tmp_path: Path, batch: int, heads: tuple[nn.Module, ...]
) -> None:
    source = write(tmp_path / "net.onnx", network(*heads), (batch, 3, *SIZE))

    original = opened(source, mean=MEAN, std=STD)

    assert original.preprocessing.size == SIZE
    assert_scores(original, network())


@pytest.mark.parametrize("task", [Task.MULTILABEL, Task.BINARY])
def test_a_sigmoid_at_the_end_is_not_done_twice(tmp_path: Path, task: Task) -> None:
    n_logits = 1 if task is Task.BINARY else 3
    source = write(tmp_path / "net.onnx", network(nn.Sigmoid(), n_logits=n_logits))

    original = opened(source, task, 2 if task is Task.BINARY else 3, **SAID)

    assert_scores(original, network(n_logits=n_logits), task)


def test_channels_may_come_last(tmp_path: Path) -> None:
    source = write(tmp_path / "net.onnx", Last(network()).eval(), (2, *SIZE, 3))

    assert_scores(opened(source, **SAID), network())


def test_a_file_of_our_own_is_taken_again_with_its_labels(tmp_path: Path) -> None:
    first = opened(write(tmp_path / "net.onnx", network()), **SAID)
    graph = export_graph(first, Task.MULTICLASS)
    describe(graph, NAMES, Task.MULTICLASS, (), first.preprocessing)
    onnx.save(graph, tmp_path / "ours.onnx")
    source = str(tmp_path / "ours.onnx")

    again = export_graph(opened(source), Task.MULTICLASS)

    assert labels_in(source) == NAMES
    images = pixels(4, SIZE)
    found, expected = (
        ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {"image": images}
        )[0]
        for m in (again, graph)
    )
    assert np.abs(found - expected).max() < 1e-6


def test_weights_in_a_file_beside_it_are_read(tmp_path: Path) -> None:
    model = onnx.load(write(tmp_path / "whole.onnx", network()))
    onnx.save(
        model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data",
        size_threshold=0,
    )  # fmt: skip

    assert_scores(opened(str(tmp_path / "net.onnx"), **SAID), network())

    (tmp_path / "net.data").unlink()
    assert "with the .data file beside it if it has one?" in refusal(tmp_path / "net.onnx")


def test_an_old_opset_is_brought_up(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"]),
    ]
    weights = np.random.default_rng(0).normal(0, 1, (3, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "old",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *SIZE]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, weights.shape),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=3)
    onnx.save(old, tmp_path / "old.onnx")
    first = nn.Conv2d(3, 3, 3, bias=False)
    first.weight.data.copy_(torch.from_numpy(weights))
    network = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()

    original = opened(str(tmp_path / "old.onnx"), **SAID)

    assert_scores(original, network)
    assert export_graph(original, Task.MULTICLASS).opset_import[0].version == 18


def yolo(file: Path, side: tuple[int, int] = (32, 32), **changes: str) -> str:
    said = {**YOLO, "imgsz": str([*side]), **changes}
    return write(file, network(nn.Softmax(1)), (1, 3, *side), said)


def test_a_yolo_classifier_brings_its_labels_and_its_preprocessing(tmp_path: Path) -> None:
    source = yolo(tmp_path / "best.onnx")

    original = opened(source)

    wanted = original.preprocessing
    assert labels_in(source) == NAMES
    assert (wanted.size, wanted.resize_size, wanted.resize) == ((32, 32), (32, 32), Resize.SHORTEST)
    assert wanted.interpolation is Interpolation.BILINEAR
    assert (wanted.mean, wanted.std) == ((0.0,) * 3, (1.0,) * 3)
    assert_scores(original, network())


def test_a_yolo_classifier_of_two_lengths_stretches(tmp_path: Path) -> None:
    assert opened(yolo(tmp_path / "best.onnx", (32, 40))).preprocessing.resize is Resize.STRETCH


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"task": "detect"}, "an Ultralytics model of task detect; expected classify"),
        (
            {"version": "8.0.110"},
            "made by ultralytics 8.0.110, which prepared images otherwise; expected 8.0.233 or",
        ),
        ({"imgsz": "[1, 2, 3]"}, "imgsz is [1, 2, 3]; expected one or two lengths"),
        ({"imgsz": "os.sep"}, "imgsz is 'os.sep'; expected a Python literal"),
        ({"imgsz": "[64, 64]"}, "its metadata say (64, 64) px, its graph takes (32, 32)"),
    ],
)
def test_yolo_metadata_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    file = tmp_path / "best.onnx"
    said = {**YOLO, "imgsz": "[32, 32]", **changes}
    write(file, network(nn.Softmax(1)), (1, 3, 32, 32), said)

    with pytest.raises(ExportError) as refused:
        opened(str(file))

    assert str(refused.value).startswith(f"{file}: {expected}")


@pytest.mark.parametrize("names", ["None", "{1: 'a', 2: 'b'}", "{}"])
def test_yolo_names_that_are_no_list_are_refused(tmp_path: Path, names: str) -> None:
    source = yolo(tmp_path / "best.onnx", names=names)

    with pytest.raises(ExportError) as refused:
        labels_in(source)

    assert str(refused.value) == f"{source}: its names are {names}; expected 0 to n-1: name"


def refusal(file: Path, task: Task = Task.MULTICLASS, **said: Any) -> str:  # noqa: ANN401 - fields of any type
    with pytest.raises(ExportError) as refused:
        opened(str(file), task, **(said or SAID))
    text = str(refused.value)
    assert "\n" not in text
    return text.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; expected an ONNX classifier"),
        (b"", "not an ONNX file that can be read ("),
        (b"not protobuf at all", "not an ONNX file that can be read ("),
    ],
)
def test_what_is_no_onnx_file_is_refused(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "net.onnx"
    if content is not None:
        file.write_bytes(content)

    assert refusal(file).startswith(expected)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = Path(write(tmp_path / "net.onnx", network()))
    file.write_bytes(file.read_bytes()[:-300])

    assert refusal(file).startswith("not an ONNX file that can be read (")


def graph_of(nodes: list[onnx.NodeProto], takes: list[Any], gives: list[Any]) -> ModelProto:
    graph = helper.make_graph(nodes, "made", takes, gives)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def value(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


POOLED = [
    helper.make_node("GlobalAveragePool", ["x"], ["p"]),
    helper.make_node("Flatten", ["p"], ["y"]),
]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            graph_of(POOLED, [value("x", "n", 1, 8, 8)], [value("y", "n", 1)]),
            "takes x float (n, 1, 8, 8); expected one image, float32 (n, 3, height, width) or",
        ),
        (
            graph_of(
                [helper.make_node("Add", ["x", "z"], ["a"]), *POOLED],
                [value("x", "n", 3, 8, 8), value("z", 1)],
                [value("y", "n", 3)],
            ),
            "takes x float (n, 3, 8, 8), z float (1); expected one image",
        ),
        (
            graph_of(POOLED, [value("x", 4, 3, 8, 8)], [value("y", 4, 3)]),
            "takes batches of 4 images; expected any number, or one; export it again",
        ),
        (
            graph_of(POOLED, [value("x", "n", 3, 8, 8)], [value("p", "n", 3, 1, 1), value("y")]),
            "gives p, y; expected one output, a score a label",
        ),
        (
            graph_of(POOLED, [value("x", "n", 3, 8, 8)], [value("p", "n", 3, 1, 1)]),
            "gives float (n, 3, 1, 1); expected (n, labels), fixed labels",
        ),
        (
            graph_of(
                [helper.make_node("FusedConv", ["x"], ["p"], domain="com.microsoft"), POOLED[1]],
                [value("x", "n", 3, 8, 8)],
                [value("y", "n", 3)],
            ),
            "FusedConv of com.microsoft is not standard ONNX; expected a file as exported",
        ),
        (
            graph_of(
                [helper.make_node("QuantizeLinear", ["x", "s"], ["q"], "quantize"), *POOLED],
                [value("x", "n", 3, 8, 8), value("s")],
                [value("y", "n", 3)],
            ),
            "quantized already (QuantizeLinear quantize); expected float32: edgecls quantizes it",
        ),
        (
            graph_of(
                [
                    POOLED[0],
                    helper.make_node("Flatten", ["p"], ["f"]),
                    helper.make_node("Softmax", ["f"], ["y"], axis=0),
                ],
                [value("x", "n", 3, 8, 8)],
                [value("y", "n", 3)],
            ),
            "its Softmax is along axis 0; expected the labels",
        ),
    ],
    ids=["grey", "two inputs", "batch", "two outputs", "map", "fused", "int8", "axis"],
)
def test_a_graph_of_another_kind_is_refused_by_what_it_is(
    tmp_path: Path, model: ModelProto, expected: str
) -> None:
    if expected.startswith("FusedConv"):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")

    assert refusal(tmp_path / "net.onnx").startswith(expected)


def test_half_precision_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    half = onnx.numpy_helper.from_array(np.ones(3, np.float16), "h")
    model = graph_of(POOLED, [value("x", "n", 3, 8, 8)], [value("y", "n", 3)])
    model.graph.initializer.append(half)
    onnx.save(model, file)

    assert refusal(file) == "holds half precision; expected float32; export it again"


@pytest.mark.parametrize(
    ("head", "task", "expected"),
    [
        (nn.Softmax(1), Task.MULTILABEL, "ends in Softmax; a multilabel task reads another; expec"),
        (nn.Sigmoid(), Task.MULTICLASS, "ends in Sigmoid; a multiclass task reads another; expec"),
        (nn.Sigmoid(), Task.BINARY, "ends in Sigmoid over 3 labels; a binary task has one; expec"),
    ],
)
def test_a_head_of_another_task_is_refused(
    tmp_path: Path, head: nn.Module, task: Task, expected: str
) -> None:
    file = Path(write(tmp_path / "net.onnx", network(head)))

    assert refusal(file, task).startswith(expected)


class Token(nn.Module):
    """Joins a token to the one image there is: only as many tokens as images were exported."""

    def forward(self, image: Tensor) -> Tensor:
        tokens = image.flatten(2).transpose(1, 2)
        return torch.cat([torch.ones(1, 1, 3), tokens], 1).mean(1)


def test_a_batch_that_is_fixed_inside_the_graph_is_refused(tmp_path: Path) -> None:
    file = Path(write(tmp_path / "net.onnx", Token().eval(), (1, 3, *SIZE)))

    assert refusal(file) == (
        "takes one image at a time, and its graph has that in more places than its input; "
        "expected any number; export it again with a dynamic batch"
    )


def test_flags_that_contradict_the_file_are_refused(tmp_path: Path) -> None:
    file = Path(write(tmp_path / "net.onnx", network()))

    assert refusal(file, size=(8, 8), mean=MEAN, std=STD) == "takes (16, 20) px; --size is (8, 8)"
    assert refusal(file, size=SIZE).startswith(
        "says nothing of its preprocessing; give --mean, --std as they were in training"
    )


def test_metadata_of_our_own_are_json(tmp_path: Path) -> None:
    said = {"labels": json.dumps(NAMES), "task": "multiclass", "thresholds": "[]"}
    source = write(tmp_path / "net.onnx", network(), said=said)

    assert labels_in(source) == NAMES
    assert labels_in("timm:resnet18") is None
