"""A processor whose int8 kernel saturates, specified: the station notices, and runs what is right.

Emulated: Haswell has no VNNI. The bundle is made here by onnxruntime's own quantizer, as most are;
its file is right wherever the kernel is, and its hash is right everywhere.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from edgecls.bundle import Bundle, seal
from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from edgecls_runtime import Classifier, golden, read_image
from parts import INT8

EMULATOR = shutil.which("qemu-x86_64-static")
NETWORK = """
import torch
from torch import nn

def network():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2),
    )
    with torch.no_grad():
        for layer in (layers[0], layers[2]):
            layer.weight.uniform_(0.5, 1.0)
            layer.weight.mul_(2 / layer.weight[0].numel())
        layers[-1].weight.copy_(torch.stack([torch.ones(64), -torch.ones(64)]) / 32)
        layers[-1].bias.copy_(torch.tensor([-10.0, 10.0]))
    return layers
"""


def bright(seed: int) -> NDArray[np.uint8]:
    """Draw an image whose brightest places drive the activations to 255."""
    random = np.random.default_rng(seed)
    image = random.integers(150, 256, (32, 32, 3), dtype=np.uint8)
    image[:, : 3 * (seed % 8)] //= 3
    return image


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle whose int8 variant is onnxruntime's own u8s8, right without saturation."""
    (tmp_path / "wide_network.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(80):
        cv2.imwrite(str(photos / f"{seed:02}.png"), bright(seed))
    labels = tmp_path / "labels.txt"
    labels.write_text("bright\ndark\n", encoding="utf-8")
    target = tmp_path / "wide.bundle"
    export(
        Job(
            source="wide_network:network",
            target=target,
            random_weights=True,
            data=photos,
            labels=labels,
            task=Task.MULTICLASS,
            targets=("x86-avx2",),
            max_drop=100.0,
            overrides={"size": (32, 32), "mean": (0.0, 0.0, 0.0), "std": (0.25, 0.25, 0.25)},
            calibration_images=24,
        )
    )
    opened = Bundle.open(target)
    quantize_plainly(target / opened.variant("fp32").file, target / opened.variant(INT8).file)
    seal(target, opened.manifest)
    record(target)
    return target


def quantize_plainly(source: Path, target: Path) -> None:
    images = iter([bright(seed)[np.newaxis] for seed in range(24)])

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            image = next(images, None)
            return None if image is None else {"image": image}

    fp32: ModelProto = onnx.load(source)
    quantize_static(
        source,
        target,
        Reader(),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[node.name for node in fp32.graph.node if node.op_type == "Softmax"],
    )
    int8: ModelProto = onnx.load(target)
    del int8.metadata_props[:]
    int8.metadata_props.extend(fp32.metadata_props)
    onnx.save(int8, target)


def record(target: Path) -> None:
    """Write the golden scores of the new file, in exact arithmetic."""
    exact = Classifier(target, "reference", INT8)
    table = json.loads((target / golden.FILE).read_text(encoding="utf-8"))
    for sample in table["samples"]:
        found = exact(read_image(target / sample["file"])).scores
        sample["variants"][INT8] = [float(score) for score in found]
    (target / golden.FILE).write_text(json.dumps(table), encoding="utf-8")
    seal(target, exact.bundle.manifest)


def on_haswell(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; sys.path[:0] = {!r}; from edgecls.cli import main; sys.exit(main())"
    python = str(Path(sys.executable).resolve())
    command = [str(EMULATOR), "-cpu", "Haswell", python, "-c", script.format(sys.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.slow
@pytest.mark.skipif(EMULATOR is None, reason="needs qemu-x86_64-static (apt: qemu-user-static)")
def test_golden_samples_catch_a_kernel_that_saturates_and_the_next_variant_runs(
    bundle: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "line"
    photos.mkdir()
    for seed in range(3):
        cv2.imwrite(str(photos / f"{seed}.png"), bright(seed))
    settings = ["--bundle", str(bundle), "--camera", str(photos), "--good", "bright"]

    verified = on_haswell("verify", str(bundle), "--json")
    ran = on_haswell("run", *settings, "--json")

    table = json.loads(verified.stdout)
    right = {found["variant"]: found["passed"] for found in table["variants"]}
    assert verified.returncode == 1
    assert right == {INT8: False, "fp32": True}
    assert ran.returncode == 0, ran.stderr
    assert f"{INT8} answers wrongly here on CPUExecutionProvider" in ran.stderr
    assert "trying fp32 on cpu" in ran.stderr
    assert len(ran.stdout.splitlines()) == 4
