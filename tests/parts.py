"""Made-up parts for tests: discs, some with a scratch, and a network that learns them in seconds.

Everything is drawn from seeds.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgecls_exporters.inputs import Job
from edgecls_exporters.report import Report

Exporting = Callable[..., Job]

LABELS = ("good", "scratch")
# The variant that every x86-64 machine runs as it is measured.
INT8 = "int8-x86-avx2"
ARM = "int8-arm"
NETWORK = """
import torch
from torch import nn

def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 2),
    )
"""
# One feature is so loud that 8 bits have no room for the others; the head does not hear it. One
# layer in float repairs it.
LOUD = """
import torch
from torch import nn
import small_network

class Loud(nn.Sequential):
    def forward(self, image):
        features = image
        for layer in list(self)[:-1]:
            features = layer(features)
        loud = torch.cat([features, 10000 * features.sum(1, keepdim=True) + 10000], 1)
        weight = nn.functional.pad(self[-1].weight, (0, 1))
        return nn.functional.linear(loud, weight, self[-1].bias)

def network():
    return Loud(*small_network.network())
"""
# As loud before every layer but the depthwise one: no repair is left but fp32.
LOUD_EVERYWHERE = """
import torch
from torch import nn
import small_network

def heard(layer, features):
    if isinstance(layer, nn.BatchNorm2d) or not hasattr(layer, "weight") or features.shape[1] != (
        layer.weight.shape[1]
    ):
        return layer(features)
    loud = torch.cat([features, 10000 * features.sum(1, keepdim=True) + 10000], 1)
    if isinstance(layer, nn.Linear):
        weight = nn.functional.pad(layer.weight, (0, 1))
        return nn.functional.linear(loud, weight, layer.bias)
    weight = nn.functional.pad(layer.weight, (0, 0, 0, 0, 0, 1))
    return nn.functional.conv2d(loud, weight, layer.bias, layer.stride, layer.padding)

class Loud(nn.Sequential):
    def forward(self, features):
        for layer in self:
            features = heard(layer, features)
        return features

def network():
    return Loud(*small_network.network())
"""
SIZE = (64, 64)
PREPROCESSING = {"size": SIZE, "mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2)}


@dataclass(frozen=True)
class Made:
    """A bundle, with what it was made from."""

    path: Path
    photos: Path
    checkpoint: Path
    source: str
    report: Report


def part_image(label: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one part: uint8 RGB, a grey disc of some size and place, with or without a scratch."""
    height, width = random.integers(70, 130, 2)
    image = np.full((height, width, 3), random.integers(10, 60), np.uint8)
    center = (int(width // 2 + random.integers(-4, 5)), int(height // 2 + random.integers(-4, 5)))
    cv2.circle(image, center, int(min(height, width) * 0.4), (180, 175, 170), -1, cv2.LINE_AA)
    if label == "scratch":
        angle = random.uniform(0, np.pi)
        reach = 0.3 * min(height, width) * np.array([np.cos(angle), np.sin(angle)])
        start, end = (tuple((center + way * reach).astype(int).tolist()) for way in (-1, 1))
        cv2.line(image, start, end, (40, 20, 20), 3, cv2.LINE_AA)
    noise = random.normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_photos(folder: Path, count: int, seed: int = 0) -> Path:
    """Write ``folder/<label>/NNN.png``, ``count`` of each label."""
    random = np.random.default_rng(seed)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for number in range(count):
            image = part_image(label, random)
            cv2.imwrite(str(folder / label / f"{number:03}.png"), image[..., ::-1])
    return folder


def trained_network(module: dict[str, object]) -> nn.Module:
    """Train the small network on its own photos until it tells them apart."""
    random = np.random.default_rng(7)
    torch.manual_seed(0)
    network: nn.Module = module["network"]()  # type: ignore[operator]
    truth = torch.arange(192) % 2
    images = [cv2.resize(part_image(LABELS[i % 2], random), SIZE[::-1]) for i in range(192)]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network((pixels - 0.4) / 0.2), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def write_manifest(bundle: Path, table: dict[str, object]) -> None:
    """Write a changed manifest with a digest that fits, as a forger would."""
    text = json.dumps(table)
    (bundle / "manifest.json").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (bundle / "manifest.sha256").write_text(f"{digest}  manifest.json\n", encoding="ascii")


def tray(labels: Sequence[Sequence[str]], seed: int = 0, cell: int = 100) -> NDArray[np.uint8]:
    """Draw a tray of parts: uint8 RGB, rows of parts of these labels, each ``cell`` px square."""
    random = np.random.default_rng(seed)
    rows = [[cv2.resize(part_image(one, random), (cell, cell)) for one in row] for row in labels]
    return np.asarray(np.vstack([np.hstack(row) for row in rows]), np.uint8)
