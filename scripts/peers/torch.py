# /// script
# dependencies = [
#   "torch==2.14.1", "torchvision==0.29.1", "timm==1.0.31", "onnxruntime==1.32.0", "onnx==1.23.2",
#   "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""PyTorch itself, eager and compiled, with torchvision's transforms on images and on tensors."""

from dataclasses import replace

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from peers import torch_transforms
from peers.model import Engine, Floats, Model

ENGINES = ("eager", "compile")


def prepare(model: Model, engine: str) -> None:
    """Nothing: it reads the weights."""


def open(model: Model, engine: str, threads: int) -> Engine:
    """Build the network with the channels last; compiled, with the options for speed."""
    torch.set_num_threads(threads)
    net = timm.create_model(model.name).eval()
    net.load_state_dict(torch.load(model.folder / "weights.pth", weights_only=True))
    net = net.to(memory_format=torch.channels_last)
    run = torch.compile(net, mode="max-autotune-no-cudagraphs") if engine == "compile" else net

    @torch.inference_mode()
    def network(floats: NDArray[np.generic]) -> Floats:
        image = torch.from_numpy(floats).contiguous(memory_format=torch.channels_last)
        logits: Floats = run(image)[0].numpy()
        return logits

    network(np.zeros((1, 3, *model.size), np.float32))  # compiles
    bare = Engine(np.asarray, network, f"torch {torch.__version__}")
    return replace(bare, pipelines=torch_transforms.pipelines(model, network))
