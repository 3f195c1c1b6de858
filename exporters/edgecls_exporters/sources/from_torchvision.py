"""``torchvision:NAME``: every classifier of torchvision."""

from typing import Any

import torchvision

from edgecls.errors import ExportError
from edgecls_exporters.original import Found
from edgecls_exporters.sources.from_timm import perhaps
from edgecls_exporters.transforms import from_torchvision
from edgecls_exporters.weights import Weights

# Their heads for training are in the checkpoint or not; when answering they are not used.
AUXILIARY = {"googlenet": "aux1.", "inception_v3": "AuxLogits."}


def build(source: str, n_logits: int, weights: Weights | None) -> Found:
    """Build the model with the wanted head; its transform is the preset of its best weights."""
    name = source.partition(":")[2]
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise ExportError(f"{source}: torchvision has no such classifier{perhaps(name, names)}")
    model = torchvision.models.get_model(
        name, weights=None, num_classes=n_logits, **_settings(name, weights)
    )
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return Found(model, from_torchvision(preset), preset)


def _settings(name: str, weights: Weights | None) -> dict[str, Any]:
    """Return how GoogLeNet and Inception v3 are built: as those that torchvision has trained.

    ``transform_input`` renormalises inside the model. torchvision sets it for its own weights, so
    whatever was trained further from them has it; a checkpoint does not say.
    """
    if name not in AUXILIARY:
        return {}
    auxiliary = weights is None or any(key.startswith(AUXILIARY[name]) for key in weights.state)
    return {"transform_input": True, "aux_logits": auxiliary, "init_weights": weights is None}
