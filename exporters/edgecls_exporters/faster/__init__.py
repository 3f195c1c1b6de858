"""Rewrite graphs so that onnxruntime's CPU kernels run them faster, with the same answers.

One file a rewriting, each a plain function ``ModelProto -> int``: it changes the model in place and
returns how many places it found. A place that does not look exactly as expected stays as it is.
What each gains is measured by ``scripts/bench_surgery.py``.
"""

from collections.abc import Callable

from onnx import ModelProto

from edgecls_exporters.faster.attention import join_attention
from edgecls_exporters.faster.gates import spread_gates
from edgecls_exporters.faster.gelu import reorder_gelu
from edgecls_exporters.faster.hard_swish import join_hard_swish
from edgecls_exporters.faster.pixels import flatten_pixels
from edgecls_exporters.faster.pooling import pool_means

Rewriting = Callable[[ModelProto], int]

# Standard operators that every kernel family knows: for the float graph all variants are made of.
STANDARD: tuple[Rewriting, ...] = (pool_means, reorder_gelu)
# By the name that a target gives in ``Target.rewritings``.
BY_NAME: dict[str, Rewriting] = {
    "attention": join_attention,
    "gates": spread_gates,
    "hard_swish": join_hard_swish,
    "pixels": flatten_pixels,
}


def rewrite_standard(model: ModelProto) -> None:
    """Rewrite, in place, a float graph that every target is made from."""
    for rewriting in STANDARD:
        rewriting(model)


def rewritten(model: ModelProto, names: tuple[str, ...]) -> ModelProto:
    """Return a copy that is rewritten, as by ``rewrite_for``."""
    changed = ModelProto()
    changed.CopyFrom(model)
    rewrite_for(changed, names)
    return changed


def rewrite_for(model: ModelProto, names: tuple[str, ...]) -> None:
    """Rewrite a graph in place, in the order of the names.

    Args:
        model: Of one target.
        names: Keys of ``BY_NAME``.

    """
    for name in names:
        BY_NAME[name](model)
