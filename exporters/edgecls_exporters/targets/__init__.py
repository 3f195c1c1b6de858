"""Families of kernels, one file each: what they want an integer or half-precision file to be.

A file's name is the target's, ``-`` for ``_``. Each holds ``TARGET`` and says where its claims come
from, so that they can be checked when the kernels change.
"""

import importlib
import pkgutil
from dataclasses import dataclass

from edgecls.errors import ConfigError
from edgecls.manifest import Precision


@dataclass(frozen=True, slots=True)
class Scheme:
    """How real numbers become integers.

    Attributes:
        activations: ``u8``, ``s8`` or ``u16``.
        weights: ``s8`` or ``u8``.
        symmetric: Whether the zero point of activations is 0 (weights' always is, when signed).
        per_channel: Whether each output channel has a weight scale of its own.
        bounded: Whether pairs of products must fit 16 bits (``saturation``).
        integer_biases: Whether biases become s32; where not, they stay float32.

    """

    activations: str
    weights: str
    symmetric: bool = False
    per_channel: bool = True
    bounded: bool = False
    integer_biases: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """A family of kernels.

    Attributes:
        name: As given to ``--target``.
        precision: ``INT8`` (with a scheme), ``FP16`` (without), or ``FP32`` for tools that quantize
            by themselves: then the bundle's fp32 variant is what they want.
        scheme: How it wants integers; None for half precision.
        providers: ONNX Runtime's names of the providers it is for.
        machines: Processors it is for, as in the manifest; empty is any.
        keep_float: Operators that its kernels do not run on integers, or run wrongly.
        source: Where this is written, or how it was measured.
        integer_face: Whether the image must reach the first layer as integers (``integer_face``).
        mixed: Plans (``mixed``) by which what its integer kernels do not make faster stays float.
        float_results: Layers whose results stay float where no integers read them; those of
            products do by the plans of ``mixed``, whatever the target.
        float_rewritings: Of ``faster.BY_NAME``, what the float graph gets before it is quantized.
        rewritings: Of ``faster.BY_NAME``, what its finished files get.

    """

    name: str
    precision: Precision
    scheme: Scheme | None
    providers: tuple[str, ...]
    machines: tuple[str, ...] = ()
    keep_float: frozenset[str] = frozenset()
    source: str = ""
    integer_face: bool = False
    mixed: frozenset[str] = frozenset()
    float_results: frozenset[str] = frozenset()
    float_rewritings: tuple[str, ...] = ()
    rewritings: tuple[str, ...] = ()


def names() -> tuple[str, ...]:
    """Return the name of every target, sorted."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__)))


def find(name: str) -> Target:
    """Return a target by its name.

    Raises:
        ConfigError: There is none of that name.

    """
    if name not in names():
        raise ConfigError(f"--target: no target {name!r}; known are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    target: Target = module.TARGET
    return target
