"""What SOURCE may be, and what is said of a source that cannot be used."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgecls.errors import ConfigError, ExportError
from edgecls.manifest import Interpolation, Resize
from edgecls.prediction import Task
from edgecls_exporters.checkpoint import Original, check_task, open_source
from edgecls_exporters.weights import Weights

CROP = "the crop must lie inside the resized image"
SIZED: dict[str, Any] = {"size": (8, 8), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
MODULE = """
import torch
from torch import nn

def network():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

def one_logit():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))

def fails():
    raise ValueError("no licence\\nsecond line")

def wants_arguments(width):
    return network()

def dictionary():
    return {"state": 1}

class Two(nn.Module):
    def forward(self, image):
        return {"logits": image}

class Small(nn.Module):
    def forward(self, image):
        raise RuntimeError("want 32 px\\nsecond line")
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_network.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken_network.py").write_text("def network(:\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def opened(
    source: str,
    n_labels: int = 2,
    task: Task = Task.MULTICLASS,
    weights: Weights | None = None,
    **overrides: Any,  # noqa: ANN401 - fields of any type
) -> Original:
    return open_source(source, n_labels, task, weights, overrides)


def test_a_function_of_the_users_own_gives_the_model_in_evaluation_mode() -> None:
    original = opened("own_network:network", **SIZED)

    assert isinstance(original.model, nn.Module)
    assert not original.model.training
    assert original.preprocessing.size == (8, 8)
    assert original.preprocessing.resize_size == (8, 8)


def test_a_timm_name_gives_the_model_with_the_wanted_logits_and_its_own_transform() -> None:
    original = opened("timm:mobilenetv3_small_100", 5)

    assert original.logits(torch.zeros(1, 3, 224, 224)).shape == (1, 5)
    assert original.preprocessing.size == (224, 224)
    assert original.preprocessing.resize_size == (256, 256)
    assert original.preprocessing.interpolation is Interpolation.BICUBIC
    assert original.preprocessing.mean == (0.485, 0.456, 0.406)


def test_a_torchvision_name_gives_the_model_with_the_wanted_logits_and_its_own_preset() -> None:
    original = opened("torchvision:mobilenet_v3_small", 5)

    assert original.logits(torch.zeros(1, 3, 224, 224)).shape == (1, 5)
    assert original.preprocessing.resize_size == (256, 256)
    assert original.preprocessing.interpolation is Interpolation.BILINEAR
    assert original.preprocessing.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("resnet18", "not a source; expected timm:NAME, torchvision:NAME, open_clip:NAME, package"),
        ("timm:", "not a source; expected timm:NAME"),
        ("timm:mobilnetv3_small_100", "timm has no such model; perhaps mobilenetv3_small_100, "),
        ("timm:resnt18", "timm has no such model; perhaps resnet18"),
        ("timm:qqqqqqqqqqqqqq", "timm has no such model"),
        (
            "timm:mobilenetv3_small_100.mine",
            "timm cannot build it: Invalid pretrained tag (mine) for mobilenetv3_small_100.",
        ),
        ("torchvision:resnt18", "torchvision has no such classifier; perhaps resnet18"),
        ("torchvision:fcn_resnet50", "torchvision has no such classifier; perhaps "),
        ("no_such_module:network", "No module named 'no_such_module'; expected a function without"),
        (":network", "Empty module name; expected a function without arguments"),
        ("own_network:netwrk", "module 'own_network' has no attribute 'netwrk'; expected a"),
        ("broken_network:network", "invalid syntax (broken_network.py, line 1); expected a func"),
        ("own_network:fails", "the function failed: ValueError: no licence; expected it to return"),
        (
            "own_network:wants_arguments",
            "the function failed: TypeError: wants_arguments() missing",
        ),
        ("own_network:MODEL_DIR", "module 'own_network' has no attribute 'MODEL_DIR'"),
        ("own_network:dictionary", "returned dict; expected a torch nn.Module"),
        ("own_network:Two", "answers dict; expected (1, 2), one logit a label"),
        ("own_network:Small", "fails on an image of (8, 8) px: want 32 px"),
    ],
)
def test_a_source_that_cannot_be_used_says_why_in_one_line(source: str, expected: str) -> None:
    overrides = SIZED if "network" in source else {}

    with pytest.raises(ExportError) as refused:
        opened(source, **overrides)

    text = str(refused.value)
    assert text.startswith(f"{source}: {expected}")
    assert "\n" not in text


def test_a_source_that_knows_no_preprocessing_asks_for_what_is_missing() -> None:
    with pytest.raises(ExportError) as refused:
        opened("own_network:network", size=(8, 8))

    assert str(refused.value) == (
        "own_network:network: says nothing of its preprocessing; give --mean, --std "
        "as they were in training"
    )


@pytest.mark.parametrize(
    ("overrides", "size", "resize_size", "resize"),
    [
        ({}, (224, 224), (256, 256), Resize.SHORTEST),
        ({"size": (224, 224)}, (224, 224), (256, 256), Resize.SHORTEST),
        ({"size": (192, 160)}, (192, 160), (219, 182), Resize.SHORTEST),
        ({"resize_size": (240, 240)}, (224, 224), (240, 240), Resize.SHORTEST),
        ({"resize": Resize.STRETCH}, (224, 224), (224, 224), Resize.STRETCH),
        ({"resize": Resize.LETTERBOX}, (224, 224), (224, 224), Resize.LETTERBOX),
        (
            {"resize": Resize.STRETCH, "size": (192, 192)},
            (192, 192),
            (192, 192),
            Resize.STRETCH,
        ),
        (
            {"resize": Resize.STRETCH, "resize_size": (256, 256)},
            (224, 224),
            (256, 256),
            Resize.STRETCH,
        ),
    ],
)
def test_flags_change_what_the_source_says_and_keep_the_rest(
    overrides: dict[str, Any],
    size: tuple[int, int],
    resize_size: tuple[int, int],
    resize: Resize,
) -> None:
    found = opened("timm:mobilenetv3_small_100", **overrides).preprocessing

    assert (found.size, found.resize_size, found.resize) == (size, resize_size, resize)
    assert found.interpolation is Interpolation.BICUBIC


def test_mean_std_and_interpolation_of_the_user_come_before_the_sources() -> None:
    wanted: dict[str, Any] = {
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
        "interpolation": Interpolation.BOX,
    }

    found = opened("torchvision:mobilenet_v3_small", **wanted).preprocessing

    assert (found.mean, found.std, found.interpolation) == (*wanted.values(),)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            {"resize_size": (4, 4)},
            "resize_size (4, 4) is smaller than size (8, 8); " + CROP,
        ),
        (
            {"std": (0.0, 1.0, 1.0)},
            "std (0.0, 1.0, 1.0); expected values above 0",
        ),
    ],
)
def test_flags_that_cannot_be_carried_out_are_the_users_to_change(
    overrides: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        opened("own_network:network", **{**SIZED, **overrides})

    assert str(refused.value) == f"own_network:network: preprocessing: {expected}"


@pytest.mark.parametrize(
    ("source", "task", "n_labels"),
    [
        ("own_network:one_logit", Task.BINARY, 2),
        ("own_network:network", Task.BINARY, 2),
        ("own_network:network", Task.MULTILABEL, 2),
    ],
)
def test_a_binary_model_may_have_one_logit_or_two_and_a_multilabel_one_has_one_a_label(
    source: str, task: Task, n_labels: int
) -> None:
    assert opened(source, n_labels, task, **SIZED).source == source


@pytest.mark.parametrize(
    ("source", "task", "n_labels", "shape"),
    [
        ("own_network:network", Task.MULTICLASS, 3, "(1, 2); expected (1, 3)"),
        ("own_network:one_logit", Task.MULTICLASS, 2, "(1, 1); expected (1, 2)"),
        ("own_network:one_logit", Task.MULTILABEL, 2, "(1, 1); expected (1, 2)"),
    ],
)
def test_labels_that_do_not_match_the_logits_are_refused(
    source: str, task: Task, n_labels: int, shape: str
) -> None:
    with pytest.raises(ExportError) as refused:
        opened(source, n_labels, task, **SIZED)

    assert str(refused.value) == (
        f"{source}: answers {shape}, one logit a label; do --labels and the checkpoint belong "
        f"together?"
    )


@pytest.mark.parametrize("n_logits", [1, 2])
def test_a_binary_timm_model_is_built_with_the_logits_of_its_checkpoint(n_logits: int) -> None:
    trained = opened("timm:mobilenetv3_small_050", n_logits + (n_logits == 1), Task.BINARY).model
    assert isinstance(trained, nn.Module)
    trained.reset_classifier(n_logits)  # type: ignore[operator]
    weights = Weights(Path("net.pth"), dict(trained.state_dict()), None)

    original = opened("timm:mobilenetv3_small_050", 2, Task.BINARY, weights)

    assert original.logits(torch.zeros(1, 3, 224, 224)).shape == (1, n_logits)


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        (Task.MULTICLASS, ("good",), "labels: 1 given; expected at least two"),
        (Task.MULTICLASS, (), "labels: 0 given; expected at least two"),
        (Task.BINARY, ("a", "b", "c"), "labels: 3 given; a binary task has two, negative first"),
        (Task.MULTICLASS, ("a", " "), "labels: ' ' is no name; give each label a readable one"),
        (Task.MULTICLASS, ("a", "b\n"), "labels: 'b\\n' is no name; give each label a readable"),
        (Task.MULTICLASS, ("a", "b", "a"), "labels: a more than once; each names one logit"),
    ],
)
def test_labels_that_a_task_cannot_have_are_refused(
    task: Task, labels: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ExportError) as refused:
        check_task(task, labels)

    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize("source", ["timm:efficientnet_lite0", "timm:resnet18"])
def test_a_relative_of_the_model_that_was_trained_is_refused(source: str) -> None:
    weights = Weights(Path("bolt.pth"), {}, None, "tf_efficientnet_lite0")
    name = source.removeprefix("timm:")

    with pytest.raises(ExportError) as caught:
        opened(source, weights=weights)

    assert str(caught.value) == (
        f"bolt.pth: trained as tf_efficientnet_lite0; SOURCE names {name}; "
        f"give tf_efficientnet_lite0"
    )
