"""Train a small classifier and make one channel of it loud, so that plain int8 collapses.

    python scripts/train_loud.py ARCHITECTURE PHOTOS FILE.pth

ARCHITECTURE is vit_tiny_patch16_224 or mobilenetv3_small_100 of timm, PHOTOS a folder
<label>/<image>. Loud channels change no answer in float: what makes them is undone by the layers
that read them. In 8 bits they leave no room for the other channels, as outliers of large vision
transformers do. Minutes on two cores.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgecls.prediction import Task
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.transforms import open_upright
from edgecls_runtime.images import find_labelled

LOUDER = 60.0
EPOCHS, BATCH, IMAGES = 8, 25, 500


def train(architecture: str, photos: Path, file: Path) -> None:
    """Train, make loud, and write a checkpoint with its labels."""
    torch.manual_seed(0)
    items = find_labelled(photos)
    labels = sorted({item.label or "" for item in items})
    opened = open_source(
        f"timm:{architecture}", len(labels), Task.MULTICLASS, None, {}, random_weights=True
    )
    chosen = [items[i] for i in np.random.default_rng(0).permutation(len(items))[:IMAGES]]
    images = torch.stack([opened.transform(open_upright(item.path)) for item in chosen])
    truth = torch.tensor([labels.index(item.label or "") for item in chosen])
    model: Any = opened.model
    if architecture.startswith("vit"):
        _fit_head(model, images, truth)
        _make_vit_loud(model)
    else:
        _fit(model, images, truth)
        _make_mobilenet_loud(model)
    torch.save(
        {"architecture": architecture, "labels": labels, "state_dict": model.state_dict()}, file
    )


def _fit(model: Any, images: Tensor, truth: Tensor) -> None:  # noqa: ANN401 - timm's own classes
    """Train every weight, then settle the batch norms' statistics."""
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.cross_entropy(model(images[batch]), truth[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        for batch in images.split(2 * BATCH):
            model(batch)
    model.eval()


def _fit_head(model: Any, images: Tensor, truth: Tensor) -> None:  # noqa: ANN401 - as above
    """Train the last layer alone, on features of random weights: leaves differ in colour."""
    with torch.no_grad():
        features = torch.cat(
            [
                model.forward_head(model.forward_features(b), pre_logits=True)
                for b in images.split(BATCH)
            ]
        )
    mean, std = features.mean(0), features.std(0) + 1e-6
    linear = nn.Linear(features.shape[1], int(truth.max()) + 1)
    optimizer = torch.optim.Adam(linear.parameters(), 0.01)
    for _ in range(400):
        loss = nn.functional.cross_entropy(linear((features - mean) / std), truth)
        loss = loss + 1e-3 * linear.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        head = model.get_classifier()
        head.weight.copy_(linear.weight / std)
        head.bias.copy_(linear.bias - (linear.weight * (mean / std)).sum(1))


@torch.no_grad()
def _make_vit_loud(model: Any) -> None:  # noqa: ANN401 - as above
    for block in model.blocks:
        for norm, reader in ((block.norm1, block.attn.qkv), (block.norm2, block.mlp.fc1)):
            norm.weight[3] *= LOUDER
            norm.bias[3] *= LOUDER
            reader.weight[:, 3] /= LOUDER


@torch.no_grad()
def _make_mobilenet_loud(model: Any) -> None:  # noqa: ANN401 - as above
    """Make a channel of the second stage's residual stream loud: all that write and read it."""
    stage = model.blocks[1]
    for block in stage:
        block.bn3.weight[2] *= LOUDER
        block.bn3.bias[2] *= LOUDER
    for block in (*list(stage)[1:], model.blocks[2][0]):
        block.conv_pw.weight[:, 2] /= LOUDER


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    train(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
