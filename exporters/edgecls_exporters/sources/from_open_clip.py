"""``open_clip:NAME``: the image tower of a CLIP or CoCa model under a linear head.

The head reads the tower's embedding scaled to length 1, which is what open_clip compares with
texts. The weights are an open_clip checkpoint (its text half is not read) with two tensors more:
``head.weight`` (n_logits, embedding) and ``head.bias`` (n_logits,).
"""

from typing import Any

import torch
from torch import Tensor, nn

from edgecls.errors import ExportError, MissingExtra
from edgecls.manifest import Preprocessing, Resize
from edgecls_exporters.original import Found
from edgecls_exporters.sources.from_timm import perhaps
from edgecls_exporters.transforms import interpolation_named
from edgecls_exporters.weights import Weights
from edgecls_runtime.reasons import first_line

MODES = {"shortest": Resize.SHORTEST, "squash": Resize.STRETCH, "longest": Resize.LETTERBOX}


class Probe(nn.Module):
    """An image tower and a linear head on its embedding of length 1."""

    def __init__(self, visual: nn.Module, width: int, n_logits: int) -> None:
        """Take the tower; ``width`` is that of its embedding."""
        super().__init__()
        self.visual = visual
        self.head = nn.Linear(width, n_logits)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised float32 (n, 3, height, width) to logits (n, n_logits)."""
        embedding = self.visual(image)
        if isinstance(embedding, tuple):  # a CoCa tower gives its tokens too
            embedding = embedding[0]
        logits: Tensor = self.head(nn.functional.normalize(embedding, dim=-1))
        return logits


def build(source: str, n_logits: int, weights: Weights | None) -> Found:
    """Build the tower and the head; its transform is open_clip's own for evaluation."""
    try:
        import open_clip  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        raise MissingExtra("open_clip_torch", "open-clip") from error
    name = source.partition(":")[2]
    if name not in (known := open_clip.list_models()):
        raise ExportError(f"{source}: open_clip has no such model{perhaps(name, known)}")
    try:
        whole = open_clip.create_model(name, load_weights=False)
    except Exception as error:  # a text half that wants another package, ...
        raise ExportError(f"{source}: open_clip cannot build it: {first_line(error)}") from error
    settings = open_clip.get_model_preprocess_cfg(whole)
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**settings), is_train=False
    )
    if weights is not None:
        _drop_text_half(weights, whole)
    preprocessing = declared(settings)
    model = Probe(whole.visual, _width(whole.visual, preprocessing), n_logits)
    return Found(model, preprocessing, transform)


def declared(settings: dict[str, Any]) -> Preprocessing:
    """Declare open_clip's evaluation transform.

    Source:
        open_clip.transform.image_transform, is_train=False, open_clip 3.3.
    """
    size = settings["size"]
    side = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    fill = settings.get("fill_color", 0)
    return Preprocessing(
        size=side,
        resize_size=side,
        resize=MODES[settings.get("resize_mode", "shortest")],
        interpolation=interpolation_named(settings.get("interpolation", "bicubic")),
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        fill=(fill, fill, fill),
    )


def _drop_text_half(weights: Weights, whole: nn.Module) -> None:
    for key in whole.state_dict():
        if not key.startswith("visual."):
            weights.state.pop(key, None)


def _width(visual: nn.Module, preprocessing: Preprocessing) -> int:
    with torch.inference_mode():
        embedding = visual.eval()(torch.zeros(1, 3, *preprocessing.size))
    return int((embedding[0] if isinstance(embedding, tuple) else embedding).shape[-1])
