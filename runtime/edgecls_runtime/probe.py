"""Prove a provider with the smallest model, in a process of its own.

    python -m edgecls_runtime.probe KIND

A driver may crash, hang or print: the process that asks shall survive it. The model gives the mean
of each channel of a tiny image (``scripts/make_probe_model.py``), so that its answer is known.
"""

import importlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np

from edgecls import plugins
from edgecls.errors import EdgeclsError
from edgecls_runtime import packages
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.native_output import on_stderr
from edgecls_runtime.packages import Package
from edgecls_runtime.protocols import Provider, Session

PROVIDERS = "edgecls_runtime.providers"
MODEL = Path(__file__).with_name("probe.onnx")
SIDE = 8
# Half precision keeps 11 bits; whoever swaps channels or loses the bytes is off by a tenth or more.
TOLERANCE = 0.005
# Seconds. A driver's first use may compile; longer is a hang.
LONGEST = 120.0


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it.

    Attributes:
        kind: Name of a file in ``providers/``, or of an entry point.
        ready: Whether the model ran there and answered rightly.
        what: Where it ran; or why it did not, and what to do.
        package: The package that carries the provider, and its version; empty where not installed.
        devices: Names of the hardware, as far as the engine tells.

    """

    kind: str
    ready: bool
    what: str
    package: str = ""
    devices: tuple[str, ...] = ()


def probe(kind: str) -> Probed:
    """Prove one provider in a process of its own."""
    command = [sys.executable, "-m", __name__, kind]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return Probed(kind, ready=False, what=f"gave no answer in {LONGEST:g} s")
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        return Probed(kind, ready=False, what=f"crashed with code {done.returncode}: {last}")
    table = json.loads(done.stdout)
    return Probed(**{**table, "devices": tuple(table["devices"])})


def here(kind: str) -> Probed:
    """Prove one provider in this process."""
    package = ""
    try:
        provider: Provider = plugins.open_table(PROVIDERS, {"kind": kind}, kind)
        package = _package(kind, provider)
        # Whatever is built for the probe is not worth keeping.
        provider = provider.provider if isinstance(provider, CachedProvider) else provider
        what = _proven(provider)
        return Probed(kind, ready=True, what=what, package=package, devices=_devices(provider))
    except EdgeclsError as error:
        return Probed(kind, ready=False, what=str(error), package=package)
    except ImportError as error:
        what = f"{error.name}: not installed; run: pip install 'edgecls[cpu]'"
        return Probed(kind, ready=False, what=what, package=package)


def _proven(provider: Provider) -> str:
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
    for entry in entry_points(group="edgecls.providers", name=kind):
        if entry.dist is not None:
            return str(Package(entry.dist.name, entry.dist.version))
    return ""


def _devices(provider: Provider) -> tuple[str, ...]:
    if not isinstance(provider, ExecutionProvider):
        return ()
    # Loaded by now; listing settings must not load the engine.
    return tuple(importlib.import_module("edgecls_runtime.availability").names(provider))


def main() -> None:
    """Answer as JSON."""
    with on_stderr():
        found = here(sys.argv[1])
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
