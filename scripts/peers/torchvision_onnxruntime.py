# /// script
# dependencies = [
#   "torch==2.14.1", "torchvision==0.29.1", "timm==1.0.31", "onnxruntime==1.32.0", "onnx==1.23.2",
#   "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""torchvision's transforms around onnxruntime: the training transform kept, the engine changed.

And the pipeline of a well-known detector's classification mode, written anew from its documented
steps: BGR frame, RGB, Pillow, bilinear resize of the short side to the input's own size, centre
crop, tensor, normalise. Its geometry is its own training's, not that of these networks.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from torchvision import transforms

from peers import onnxruntime as plain
from peers import torch_transforms
from peers.model import Engine, Floats, Model, Pipeline, Pixels

ENGINES = ("fp32",)


def prepare(model: Model, engine: str) -> None:
    """Nothing: it reads the ONNX file."""


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load onnxruntime, and put torchvision before it; the network alone is onnxruntime's."""
    torch.set_num_threads(threads)
    bare = plain.open(model, engine, threads)
    network = bare.network
    assert network is not None  # noqa: S101 - onnxruntime's
    steps = [transforms.Resize(model.size[0]), transforms.CenterCrop(model.size)]
    finish = [transforms.ToTensor(), transforms.Normalize(model.mean, model.std)]
    style = torch_transforms.from_pil(
        transforms.Compose(steps), transforms.Compose([*steps, *finish]), network
    )
    ways = torch_transforms.pipelines(model, network)
    return replace(bare, network=None, pipelines=ways | {"ultralytics-style": _from_bgr(style)})


def _from_bgr(style: Pipeline) -> Pipeline:
    """Begin with OpenCV's colour order, as that pipeline does."""

    def answer(image: Pixels) -> Floats:
        bgr = np.ascontiguousarray(image[..., ::-1]) if image is not seen[0] else seen[1]
        seen[:] = [image, bgr]
        return style.answer(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))

    seen: list[Pixels] = [np.empty(0, np.uint8), np.empty(0, np.uint8)]
    return Pipeline(answer, style.resized)
