"""Prove a provider with the smallest model.

The model gives the mean of each channel of a tiny image (``scripts/make_probe_model.py``), so that
its answer is known. Asked in a process of its own (``probe``).
"""

import importlib
from pathlib import Path

import numpy as np

from edgecls import plugins
from edgecls.errors import EdgeclsError
from edgecls_runtime import packages
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.probe import ROOMS, Probed, carrier
from edgecls_runtime.protocols import Provider, Session

MODEL = Path(__file__).with_name("probe.onnx")
SIDE = 8
# Half precision keeps 11 bits; whoever swaps channels or loses the bytes is off by a tenth or more.
TOLERANCE = 0.005


def proven(kind: str) -> Probed:
    """Prove one provider in this process."""
    package = ""
    try:
        provider: Provider = plugins.open_table(ROOMS["providers"], {"kind": kind}, kind)
        package = _package(kind, provider)
        # Whatever is built for the probe is not worth keeping.
        provider = provider.provider if isinstance(provider, CachedProvider) else provider
        what = _ran(provider)
        return Probed(kind, ready=True, what=what, package=package, devices=_devices(provider))
    except EdgeclsError as error:
        return Probed(kind, ready=False, what=str(error), package=package)
    except ImportError as error:
        what = f"{error.name}: not installed; run: pip install 'edgecls[cpu]'"
        return Probed(kind, ready=False, what=what, package=package)


def _ran(provider: Provider) -> str:
    """Run the model; return where it ran.

    Raises:
        EdgeclsError: It cannot be loaded, ran elsewhere, or answered wrongly.

    """
    image = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    session: Session = provider.load(MODEL)
    found = session.placement
    scores = session.run(image)
    session.close()
    if not found.nodes_share:
        raise EdgeclsError(f"{provider.name}: took no node of a tiny model; {found}")
    apart = float(np.abs(scores - image.mean(axis=(1, 2)) / 255).max())
    if not apart <= TOLERANCE:  # NaN compares false
        raise EdgeclsError(
            f"{provider.name}: answers wrongly: off by {apart:.3g} on a tiny model; "
            f"expected at most {TOLERANCE:g}; is its driver the newest?"
        )
    counts = {name: sum(operators.values()) for name, operators in found.nodes.items()}
    return f"ran {counts[found.provider]} of {sum(counts.values())} nodes of a tiny model, rightly"


def _package(kind: str, provider: Provider) -> str:
    """Return the package that carries a provider, as installed; empty where it is not."""
    engine = provider.provider if isinstance(provider, CachedProvider) else provider
    if isinstance(engine, ExecutionProvider):
        found = packages.installed(engine.package.partition("[")[0])
        if found is None and engine.package == "onnxruntime":
            found = next(iter(packages.carriers()), None)  # each of them has the processor
        return str(found) if found else ""
    return carrier(kind, "providers")


def _devices(provider: Provider) -> tuple[str, ...]:
    if not isinstance(provider, ExecutionProvider):
        return ()
    # Loaded by now; listing settings must not load the engine.
    return tuple(importlib.import_module("edgecls_runtime.availability").names(provider))
