"""The stages between the original and its graph: each shows its own faults and no other's."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from torch import nn

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.graph import export_graph
from edgecls_exporters.original import Original
from edgecls_exporters.stages import stage_answers, without_normalisation
from edgecls_exporters.transforms import open_upright, reference
from edgecls_runtime.images import Labelled
from small_graphs import pictures

SMALL = Preprocessing((16, 16), (20, 20), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    folder: Path = tmp_path_factory.mktemp("pictures")
    found = []
    for number, image in enumerate(pictures(8, side=36)):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image[:, :30, ::-1])
        found.append(Labelled(path, None))
    return found


@pytest.fixture(scope="module")
def original() -> Original:
    torch.manual_seed(0)
    head = nn.Linear(8, 3)
    with torch.no_grad():
        head.weight.mul_(6)
    stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    network = nn.Sequential(stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    return Original("test", network.eval(), reference(SMALL), SMALL)


@pytest.fixture(scope="module")
def graph(original: Original) -> ModelProto:
    return export_graph(original, Task.MULTICLASS)


@pytest.fixture(scope="module")
def wanted(original: Original, data: list[Labelled]) -> NDArray[np.float32]:
    batch = torch.stack([original.transform(open_upright(item.path)) for item in data])
    with torch.inference_mode():
        return np.asarray(torch.softmax(original.logits(batch), dim=1).numpy())


def test_both_stages_answer_as_the_original(
    graph: ModelProto, original: Original, data: list[Labelled], wanted: NDArray[np.float32]
) -> None:
    stages = stage_answers(graph, original, data, Task.MULTICLASS, ())

    assert [stage.name for stage in stages] == ["graph", "normalisation"]
    assert wanted.std(axis=0).max() > 0.01  # the images differ
    for stage in stages:
        assert np.abs(stage.scores - wanted).max() < 1e-4
        assert stage.answers.tolist() == wanted.argmax(axis=1).tolist()


def changed(graph: ModelProto, shape: tuple[int, ...], factor: float) -> ModelProto:
    """Return a graph whose one constant of a shape is another."""
    copy = ModelProto()
    copy.CopyFrom(graph)
    (tensor,) = (t for t in copy.graph.initializer if tuple(t.dims) == shape)
    values = (numpy_helper.to_array(tensor) * factor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return copy


def test_a_wrong_mean_in_the_graph_shows_at_the_normalisation_and_not_at_the_graph(
    graph: ModelProto, original: Original, data: list[Labelled], wanted: NDArray[np.float32]
) -> None:
    wrong = changed(graph, (1, 3, 1, 1), 0.0)

    on_tensors, on_bytes = stage_answers(wrong, original, data, Task.MULTICLASS, ())

    assert np.abs(on_tensors.scores - wanted).max() < 1e-4
    assert np.abs(on_bytes.scores - wanted).max() > 0.02


def test_a_wrong_weight_shows_at_the_graph_already(
    graph: ModelProto, original: Original, data: list[Labelled], wanted: NDArray[np.float32]
) -> None:
    wrong = changed(graph, (8, 3, 3, 3), 1.3)

    on_tensors, on_bytes = stage_answers(wrong, original, data, Task.MULTICLASS, ())

    assert np.abs(on_tensors.scores - wanted).max() > 0.02
    assert np.abs(on_bytes.scores - on_tensors.scores).max() < 1e-4


def test_colours_that_the_graph_swaps_show_at_the_normalisation(
    graph: ModelProto, original: Original, data: list[Labelled], wanted: NDArray[np.float32]
) -> None:
    wrong = ModelProto()
    wrong.CopyFrom(graph)
    (mean,) = (t for t in wrong.graph.initializer if tuple(t.dims) == (1, 3, 1, 1))
    swapped = np.ascontiguousarray(numpy_helper.to_array(mean)[:, ::-1])
    mean.CopyFrom(numpy_helper.from_array(swapped, mean.name))

    on_tensors, on_bytes = stage_answers(wrong, original, data, Task.MULTICLASS, ())

    assert np.abs(on_tensors.scores - wanted).max() < 1e-4
    assert np.abs(on_bytes.scores - wanted).max() > 1e-3


def test_the_bare_graph_takes_float_pixels_and_leaves_the_other_as_it_is(graph: ModelProto) -> None:
    before = graph.SerializeToString(deterministic=True)

    bare = without_normalisation(graph)

    assert bare is not None
    assert graph.SerializeToString(deterministic=True) == before
    assert [value.name for value in bare.graph.input] == ["pixels"]
    shape = bare.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value or dim.dim_param for dim in shape] == ["batch", 3, 16, 16]


def test_a_graph_that_begins_otherwise_has_no_such_stages(
    graph: ModelProto, original: Original, data: list[Labelled]
) -> None:
    bare = without_normalisation(graph)
    assert bare is not None

    assert without_normalisation(bare) is None
    assert stage_answers(bare, original, data, Task.MULTICLASS, ()) == []
