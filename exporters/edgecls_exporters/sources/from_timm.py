"""``timm:NAME``: every classifier that timm builds."""

import difflib

import timm

from edgecls.errors import ExportError
from edgecls_exporters.original import Found
from edgecls_exporters.transforms import from_timm
from edgecls_runtime.reasons import first_line


def build(source: str, n_logits: int) -> Found:
    """Build the model with the wanted head; its transform is timm's own for evaluation."""
    name = source.partition(":")[2]
    if not timm.is_model(name):
        raise ExportError(f"{source}: timm has no such model{perhaps(name, timm.list_models())}")
    try:
        model = timm.create_model(name, pretrained=False, num_classes=n_logits)
    except Exception as error:  # an unknown tag, a package that this one model needs, ...
        raise ExportError(f"{source}: timm cannot build it: {first_line(error)}") from error
    settings = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**settings, is_training=False)
    return Found(model, from_timm(settings), transform)


def perhaps(name: str, known: list[str]) -> str:
    """Return a hint at names near to one that is not known."""
    near = difflib.get_close_matches(name, known, 5)
    return f"; perhaps {', '.join(near)}" if near else ""
