# /// script
# dependencies = [
#   "ncnn==1.0.20261020", "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# [tool.edgecls]
# no-deps = ["pnnx==20261020"]
# needs = "ViT: pnnx leaves its attention as torch.unbind, which ncnn does not have"
# ///
"""ncnn: from TorchScript by pnnx (whose program needs no torch)."""

import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import ncnn
import numpy as np
from numpy.typing import NDArray

from peers import pixels
from peers.model import Engine, Floats, Model

ENGINES = ("fp32",)
UNKNOWN = ("Tensor.", "torch.", "aten::", "pnnx.")


def prepare(model: Model, engine: str) -> None:
    """Convert; pnnx leaves what it does not know under PyTorch's names, without an error."""
    place = model.at("ncnn")
    found = find_spec("pnnx")
    assert found is not None  # noqa: S101 - a requirement
    assert found.origin is not None  # noqa: S101
    tall, wide = model.size
    program = Path(found.origin).parent / "pnnx"
    command = [
        str(program), str(model.folder / "model.pt"), f"inputshape=[1,3,{tall},{wide}]", "fp16=0",
        *(f"{kind}={place / file}" for kind, file in _files().items()),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True)
    lines = (place / "net.param").read_text(encoding="utf-8").splitlines()
    left = {line.split()[0] for line in lines if line.startswith(UNKNOWN)}
    if left:
        raise RuntimeError(f"pnnx left {', '.join(sorted(left))}, which ncnn does not have")


def _files() -> dict[str, str]:
    """Return where each of pnnx's files goes: by default beside the model."""
    own = {"pnnxparam": "pnnx.param", "pnnxbin": "pnnx.bin", "pnnxpy": "pnnx.py"}
    return own | {
        "pnnxonnx": "pnnx.onnx", "ncnnparam": "net.param", "ncnnbin": "net.bin", "ncnnpy": "net.py"
    }  # fmt: skip


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load with the defaults, but for the threads."""
    place = model.at("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    if net.load_param(str(place / "net.param")) or net.load_model(str(place / "net.bin")):
        raise RuntimeError("ncnn does not load what pnnx wrote")

    def network(floats: NDArray[np.generic]) -> Floats:
        run = net.create_extractor()
        run.input("in0", ncnn.Mat(floats[0]))
        _, logits = run.extract("out0")
        return np.array(logits)

    bare = Engine(np.asarray, network, f"ncnn {ncnn.__version__}")
    return replace(bare, pipelines=pixels.by_hand(model, bare, pixels.GOOD))
