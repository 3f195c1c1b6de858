# /// script
# dependencies = [
#   "MNN==3.6.1", "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""MNN: from ONNX by its own converter."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from MNN import expr, nn
from numpy.typing import NDArray

from peers import pixels
from peers.model import Engine, Floats, Model

ENGINES = ("fp32",)


def prepare(model: Model, engine: str) -> None:
    """Convert."""
    program = Path(sys.executable).with_name("mnnconvert")
    command = [str(program), "-f", "ONNX", "--modelFile", str(model.folder / "model.onnx")]
    target = model.at("mnn") / "net.mnn"
    command += ["--MNNModel", str(target), "--bizCode", "edgecls"]
    subprocess.run(command, capture_output=True, check=True)


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load for float32 arithmetic."""
    settings = {"backend": "CPU", "precision": "high", "numThread": threads}
    manager = nn.create_runtime_manager((settings,))
    file = str(model.at("mnn") / "net.mnn")
    net = nn.load_module_from_file(file, ["image"], ["logits"], runtime_manager=manager)
    shape = [1, 3, *model.size]

    def network(floats: NDArray[np.generic]) -> Floats:
        logits = net.forward([expr.const(floats, shape, expr.NCHW)])
        logits = logits[0] if isinstance(logits, (list, tuple)) else logits
        return np.array(logits.read(), np.float32).reshape(-1)

    bare = Engine(np.asarray, network, f"MNN {version('MNN')}")
    return replace(bare, pipelines=pixels.by_hand(model, bare, pixels.GOOD))
