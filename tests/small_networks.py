"""Small PyTorch networks of the blocks that exported graphs are rewritten for, from seeds."""

import torch
from onnx import ModelProto
from torch import Tensor, nn
from torch.nn import functional

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.graph import export_graph
from edgecls_exporters.original import Original
from edgecls_exporters.transforms import reference
from small_graphs import SIDE

WIDTH, HEADS = 12, 3
PREPROCESSING = Preprocessing(
    (SIDE, SIDE), (SIDE, SIDE), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)
)


class Gated(nn.Module):
    """A squeeze-and-excite block between two convolutions, as timm writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.reduce, self.expand = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.last = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 4)

    def forward(self, image: Tensor) -> Tensor:
        features = functional.relu(self.stem(image))
        squeezed = functional.relu(self.reduce(features.mean((2, 3), keepdim=True)))
        gated = features * functional.hardsigmoid(self.expand(squeezed))
        scores: Tensor = self.head(functional.relu(self.last(gated)).mean((2, 3)))
        return scores


class Attending(nn.Module):
    """One block of a vision transformer: patches, self-attention, GELU."""

    def __init__(self, scale: float | None = None, *, masked: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.norm, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.joined, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)
        self.scale, self.mask = scale, torch.randn(16, 16) if masked else None

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        packed = self.qkv(self.norm(tokens)).reshape(-1, 16, 3, HEADS, WIDTH // HEADS)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self.mask, scale=self.scale
        )
        joined = self.joined(seen.transpose(1, 2).reshape(-1, 16, WIDTH))
        scores: Tensor = self.head(functional.gelu(tokens + joined).mean(1))
        return scores


def exported(network: nn.Module) -> ModelProto:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    original = Original("a test's", network.eval(), reference(PREPROCESSING), PREPROCESSING)
    return export_graph(original, Task.MULTICLASS)
