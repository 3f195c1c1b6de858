"""torchvision's transforms before any network that takes normalised float32."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode, v2

from peers.model import Floats, Model, Pipeline, Pixels

Network = Callable[[NDArray[np.generic]], Floats]


def pipelines(model: Model, network: Network) -> dict[str, Pipeline]:
    """Return torchvision on Pillow images, and on uint8 tensors with its own antialiased kernel."""
    mode = InterpolationMode.BICUBIC
    steps = [transforms.Resize(model.resize_size, mode), transforms.CenterCrop(model.size)]
    finish = [transforms.ToTensor(), transforms.Normalize(model.mean, model.std)]
    on_pil = transforms.Compose([*steps, *finish])
    tensor_resize = transforms.Compose(
        [v2.Resize(model.resize_size, mode, antialias=True), v2.CenterCrop(list(model.size))]
    )
    return {
        "torchvision PIL": from_pil(transforms.Compose(steps), on_pil, network),
        "torchvision uint8 tensor": _from_tensor(model, tensor_resize, network),
    }


def from_pil(
    steps: Callable[[Image.Image], Image.Image],
    whole: Callable[[Image.Image], torch.Tensor],
    network: Network,
) -> Pipeline:
    """Return a pipeline of transforms that begin with a Pillow image."""

    def answer(image: Pixels) -> Floats:
        return network(whole(Image.fromarray(image))[None].numpy())

    return Pipeline(answer, lambda image: np.asarray(steps(Image.fromarray(image))))


def _from_tensor(
    model: Model, steps: Callable[[torch.Tensor], torch.Tensor], network: Network
) -> Pipeline:
    """Resize in uint8 with the channels last, as the frame is; normalise after the crop."""

    def resized(image: Pixels) -> Pixels:
        cropped = steps(torch.from_numpy(image).permute(2, 0, 1))
        pixels: Pixels = cropped.permute(1, 2, 0).numpy()
        return pixels

    return Pipeline(lambda image: network(model.normalised(resized(image))), resized)
