"""What a node costs, specified against counts by hand."""

import pytest
import torch
from torch import nn

from edgecls.prediction import Task
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.flops import flops
from edgecls_exporters.graph import export_graph

# Billions of multiply-accumulates, as timm's model cards state them.
# Squeeze-and-excite, pooling and attention are counted by some and not by others.
GMACS = {"resnet50": 4.11, "vit_tiny_patch16_224": 1.26, "mobilenetv3_small_100": 0.06}


def graph_flops(source: str) -> dict[str, int]:
    original = open_source(source, 1000, Task.MULTICLASS, None, {}, random_weights=True)
    return flops(export_graph(original, Task.MULTICLASS))


@pytest.mark.parametrize("name", GMACS)
def test_networks_cost_what_their_tables_say(name: str) -> None:
    total = sum(graph_flops(f"timm:{name}").values())

    assert total / 2e9 == pytest.approx(GMACS[name], rel=0.1)


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 8, 8), 4 * 4 * 8 * 27),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), (1, 8, 6, 6), 6 * 6 * 8 * 9),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (1, 4, 5, 5), 5 * 5 * 4 * 6 * 4),
        (nn.Linear(12, 7), (1, 12), 12 * 7),
    ],
)
def test_a_layer_costs_two_operations_for_each_product(
    layer: nn.Module, shape: tuple[int, ...], macs: int
) -> None:
    program = torch.onnx.export(layer.eval(), (torch.zeros(shape),), dynamo=True, verbose=False)
    assert program is not None

    assert sum(flops(program.model_proto).values()) == 2 * macs
