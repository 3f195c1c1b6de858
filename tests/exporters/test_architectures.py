"""The networks that people deploy, with random weights: the graph answers as PyTorch does."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from torch import nn

from edgecls.errors import ExportError, MissingExtra
from edgecls.manifest import Interpolation
from edgecls.prediction import Task
from edgecls_exporters import golden
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.graph import export_graph, to_scores
from edgecls_exporters.original import Original
from edgecls_exporters.weights import Weights
from edgecls_runtime.preprocessing import prepare

LABELS = 7
SLOW = [
    "torchvision:alexnet",
    "torchvision:vgg16",
    "torchvision:resnet50",
    "torchvision:inception_v3",
    "torchvision:googlenet",
    "timm:efficientnet_b0",
    "timm:tf_efficientnet_lite0",
    "timm:mobilenetv4_conv_small",
    "timm:vit_tiny_patch16_224",
    "timm:convit_tiny",
    "open_clip:coca_ViT-B-32",
]
COCA = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 32,
        "head_width": 16,
        "patch_size": 8,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {
        "context_length": 8,
        "vocab_size": 64,
        "width": 32,
        "heads": 2,
        "layers": 1,
        "embed_cls": True,
        "output_tokens": True,
    },
    "multimodal_cfg": {
        "context_length": 8,
        "vocab_size": 64,
        "width": 32,
        "heads": 2,
        "layers": 1,
        "attn_pooler_heads": 2,
    },
    "custom_text": True,
}


def opened(source: str, weights: Weights | None = None) -> Original:
    torch.manual_seed(0)
    return open_source(source, LABELS, Task.MULTICLASS, weights, {}, random_weights=True)


def assert_scores_of_pytorch(original: Original) -> None:
    """Compare from photos on: the source's own transform against the runtime's preparation."""
    images = golden.synthetic(3)
    batch = torch.stack([original.transform(Image.fromarray(image)) for image in images])
    with torch.inference_mode():
        expected = to_scores(original.logits(batch), Task.MULTICLASS).numpy()
    prepared = np.stack([prepare(image, original.preprocessing) for image in images])

    graph = export_graph(original, Task.MULTICLASS)

    runner = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 3, 8):
        (found,) = runner.run(None, {"image": prepared[:count]})
        assert found.shape == (count, LABELS)
        assert np.abs(found - expected[:count]).max() < 1e-3


@pytest.mark.parametrize("source", ["timm:mobilenetv3_small_050", "timm:test_vit"])
def test_a_small_network_scores_as_in_pytorch(source: str) -> None:
    assert_scores_of_pytorch(opened(source))


@pytest.mark.slow
@pytest.mark.parametrize("source", SLOW)
def test_a_network_scores_as_in_pytorch(source: str) -> None:
    assert_scores_of_pytorch(opened(source))


@pytest.fixture(scope="module")
def small_coca(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Register a CoCa of 32 px; return its source."""
    open_clip = pytest.importorskip("open_clip")
    file = tmp_path_factory.mktemp("open_clip") / "coca_test.json"
    file.write_text(json.dumps(COCA), encoding="utf-8")
    open_clip.add_model_config(file)
    return "open_clip:coca_test"


def test_a_coca_tower_with_a_linear_head_scores_as_in_pytorch(small_coca: str) -> None:
    original = opened(small_coca)

    assert original.preprocessing.size == (32, 32)
    assert original.preprocessing.interpolation is Interpolation.BICUBIC
    assert_scores_of_pytorch(original)


def test_an_open_clip_checkpoint_with_a_head_is_loaded_and_its_text_half_is_not(
    small_coca: str,
) -> None:
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(1)
    whole = open_clip.create_model("coca_test", load_weights=False).eval()
    head = nn.Linear(32, LABELS)
    state = {**whole.state_dict(), "head.weight": head.weight, "head.bias": head.bias}
    image = torch.rand(2, 3, 32, 32)

    original = opened(small_coca, Weights(Path("coca.pt"), state, None))

    with torch.inference_mode():
        expected = head(whole.encode_image(image, normalize=True))
        assert (original.logits(image) - expected).abs().max() < 1e-6


def test_an_open_clip_checkpoint_without_a_head_is_refused(small_coca: str) -> None:
    open_clip = pytest.importorskip("open_clip")
    state = open_clip.create_model("coca_test", load_weights=False).state_dict()

    with pytest.raises(ExportError) as refused:
        opened(small_coca, Weights(Path("coca.pt"), dict(state), None))

    assert str(refused.value) == (
        "coca.pt: does not fit the model: head.weight, head.bias missing; is SOURCE the right one?"
    )


def test_an_open_clip_name_that_is_not_known_is_refused() -> None:
    pytest.importorskip("open_clip")

    with pytest.raises(ExportError) as refused:
        opened("open_clip:coca_ViT-B-33")

    assert str(refused.value).startswith(
        "open_clip:coca_ViT-B-33: open_clip has no such model; perhaps coca_ViT-B-32"
    )


def test_without_open_clip_the_error_is_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)

    with pytest.raises(MissingExtra) as missing:
        opened("open_clip:ViT-B-32")

    said = "open_clip_torch: not installed; run: pip install 'edgecls[open-clip]'"
    assert str(missing.value) == said
