"""What a peer is given to convert and to run, and what it must return."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Model:
    """A trained network in a folder of its own, in every form that a peer converts from.

    ``model.onnx`` takes ``image``, float32 (1, 3, height, width), normalised, and gives ``logits``
    (1, 1000); ``model.pt2`` (torch.export), ``model.pt`` (TorchScript) and ``weights.pth`` (timm's
    names) are the same network. ``calibration.npy``: uint8 (n, height, width, 3), RGB, resized as
    in training. ``inputs.npy``, ``logits.npy``: inputs of the network and PyTorch's own answers.

    Attributes:
        name: timm's name.
        folder: Where the files stand, and a folder for each peer.
        size: Network input (height, width), px.
        resize_size: What the image's short side is scaled to before the crop, px.
        mean: Subtracted from each RGB channel after division by 255.
        std: Then divides each channel.
        trained: Weights of ImageNet; else drawn from a seed, and figures are of speed only.

    """

    name: str
    folder: Path
    size: tuple[int, int]
    resize_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained: bool

    def write(self) -> None:
        """Write ``model.json``."""
        text = json.dumps({**asdict(self), "folder": ""}, indent=2)
        (self.folder / "model.json").write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Model":
        """Read ``model.json``."""
        found: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        lists = {key: tuple(found.pop(key)) for key in ("size", "mean", "std")}
        return cls(**(found | lists | {"folder": folder}))

    def at(self, peer: str) -> Path:
        """Return a peer's own folder, made if need be."""
        place = self.folder / peer
        place.mkdir(exist_ok=True)
        return place

    def normalised(self, image: Pixels) -> Floats:
        """Return the network's input: float32 (1, 3, height, width), contiguous."""
        floats = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32)
        for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            floats[channel] *= 1 / (255 * std)
            floats[channel] -= mean / std
        return floats[np.newaxis]

    def calibration(self) -> list[Floats]:
        """Return the network's inputs that int8 ranges are measured on."""
        return [self.normalised(image) for image in np.load(self.folder / "calibration.npy")]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """From an image in memory to its answer.

    Attributes:
        answer: Image, uint8 (height, width, 3), RGB, to logits or scores (n_labels,).
        resized: The image as the network sees it, before normalisation, 0..255 (height, width, 3);
            None where the peer shows it to nobody.

    """

    answer: Callable[[Pixels], Floats]
    resized: Callable[[Pixels], NDArray[np.uint8] | Floats] | None


@dataclass(frozen=True, slots=True)
class Engine:
    """A loaded network.

    Attributes:
        given: Turns a normalised input, float32 (1, 3, height, width), into what ``network`` takes:
            its own layout or type. Not timed.
        network: The network alone, to logits or scores (n_labels,); None where a peer does not
            run it without a pipeline.
        pipelines: By name, such as ``PIL``.
        version: Of the library.

    """

    given: Callable[[Floats], NDArray[np.generic]]
    network: Callable[[NDArray[np.generic]], Floats] | None
    version: str
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
