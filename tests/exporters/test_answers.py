"""Originals that answer nothing, and modules that cannot become graphs: each named."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.graph import export_graph
from edgecls_exporters.original import Original
from edgecls_exporters.transforms import reference
from edgecls_exporters.weights import Weights, load_into

SAID: dict[str, Any] = {"size": (8, 8), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SMALL = Preprocessing((16, 16), (16, 16))
MODULE = """
import torch
from torch import nn

def network(weight=1.0, bias=0.0):
    last = nn.Linear(3, 2)
    nn.init.constant_(last.weight, weight)
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)

def dead():
    return network(0.0, 1.0)

def diverged():
    return network(float("nan"))
"""
CONSTANT = (
    "silent:dead: answers the same on every image; expected logits that follow the image; are the "
    "weights trained ones, and --mean and --std those of training?"
)


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silent.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_an_original_that_answers_the_same_on_every_image_is_refused() -> None:
    with pytest.raises(ExportError) as refused:
        open_source("silent:dead", 2, Task.MULTICLASS, None, SAID)

    assert str(refused.value) == CONSTANT


def test_an_untrained_original_may_answer_the_same_on_every_image() -> None:
    original = open_source("silent:dead", 2, Task.MULTICLASS, None, SAID, random_weights=True)

    assert original.source == "silent:dead"


@pytest.mark.parametrize("random_weights", [True, False])
def test_an_original_whose_logits_are_not_numbers_is_refused(random_weights: bool) -> None:
    with pytest.raises(ExportError) as refused:
        open_source(
            "silent:diverged", 2, Task.MULTICLASS, None, SAID, random_weights=random_weights
        )

    assert str(refused.value).startswith(
        "silent:diverged: its logits are not numbers (NaN or infinite); expected finite ones"
    )


class Bessel(nn.Module):
    """An operator that ONNX does not have."""

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = torch.special.bessel_j0(features)
        return answer


class Undecided(nn.Module):
    """A branch on values: nothing that a graph can hold."""

    def forward(self, features: Tensor) -> Tensor:
        return features if bool(features.sum() > 0) else -features


def original_of(part: nn.Module) -> Original:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(3, 4, 3))
    model.add_module("blocks", nn.Sequential(nn.ReLU(), part))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("head", nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    return Original("a test's model", model.eval(), reference(SMALL), SMALL)


@pytest.mark.parametrize(
    ("part", "beginning", "end"),
    [
        (Bessel(), "ONNX has no operator for ", "bessel_j0, in blocks.1 (Bessel)"),
        (Undecided(), "Could not guard on data-dependent ", " (in blocks.1, a Undecided)"),
    ],
)
def test_what_cannot_become_a_graph_is_named_with_the_part_that_it_is_in(
    part: nn.Module, beginning: str, end: str
) -> None:
    with pytest.raises(ExportError) as refused:
        export_graph(original_of(part), Task.MULTICLASS)

    text = str(refused.value)
    assert text.startswith(f"a test's model: torch.onnx cannot export it: {beginning}")
    assert text.endswith(end)
    assert "\n" not in text


class Flat(nn.Module):
    """Attention over three dimensions with a bias, which torch.onnx refuses."""

    def forward(self, features: Tensor) -> Tensor:
        tokens = features.flatten(2).transpose(1, 2)
        bias = torch.linspace(-1, 1, tokens.shape[1]).expand(tokens.shape[1], -1)
        mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens, bias)
        return mixed.transpose(1, 2).view_as(features)


def test_fused_attention_that_cannot_be_exported_is_written_out() -> None:
    original = original_of(Flat())
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (SMALL.mean, SMALL.std))

    graph = export_graph(original, Task.MULTICLASS)

    runner = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = runner.run(None, {"image": images})
    with torch.inference_mode():
        logits = original.logits((torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std)
    assert np.abs(found - torch.softmax(logits, 1).numpy()).max() < 1e-5


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone."])
def test_weights_of_a_training_module_lose_the_name_that_it_gave_the_model(prefix: str) -> None:
    torch.manual_seed(0)
    trained, fresh = nn.Linear(3, 2), nn.Linear(3, 2)
    state = {f"{prefix}{key}": value for key, value in trained.state_dict().items()}

    load_into(fresh, Weights(Path("last.ckpt"), state, None))

    assert torch.equal(fresh.weight, trained.weight)
