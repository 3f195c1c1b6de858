"""How the small network is exported in many ways: jobs, and a few photos that need no long work."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgecls_exporters.inputs import Job
from parts import LABELS, LOUD, LOUD_EVERYWHERE, PREPROCESSING, Exporting

# Networks around the one of ``parts``; each takes its trained weights.
NETWORKS = """
import torch
from torch import nn
from small_network import network

def one_logit():
    model = network()
    model[-1] = nn.Linear(16, 1)
    return model

class Otherwise(nn.Sequential):
    def forward(self, image):
        logits = super().forward(image)
        return -logits if torch.compiler.is_compiling() else logits

def otherwise():
    return Otherwise(*network())
"""


@pytest.fixture
def exporting(
    tmp_path: Path, checkpoint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Exporting:
    """Return how to make a job: the small network to ``out/disc.bundle``, with changes."""
    module, weights = checkpoint
    (tmp_path / "networks.py").write_text(NETWORKS, encoding="utf-8")
    (tmp_path / "loud_network.py").write_text(LOUD, encoding="utf-8")
    (tmp_path / "loud_everywhere.py").write_text(LOUD_EVERYWHERE, encoding="utf-8")
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS), encoding="utf-8")
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.syspath_prepend(str(tmp_path))

    def job(**changes: Any) -> Job:  # noqa: ANN401 - fields of any type
        given: dict[str, Any] = {
            "source": "small_network:network",
            "target": tmp_path / "out" / "disc.bundle",
            "weights": weights,
            "labels": labels,
            "overrides": dict(PREPROCESSING),
            "calibration_images": 24,
        }
        return Job(**(given | changes))

    return job


@pytest.fixture
def few(tmp_path: Path, photos: Path) -> Path:
    """Return a folder of six photos of each label."""
    for label in LABELS:
        (tmp_path / "few" / label).mkdir(parents=True)
        for file in sorted((photos / label).iterdir())[:6]:
            shutil.copy(file, tmp_path / "few" / label)
    return tmp_path / "few"
