"""Ask one kind of hardware what is there, in a process of its own.

    python -m edgecls_runtime.probe ROOM KIND

A driver may crash, hang or print: the process that asks shall survive it. Providers are proven
(``provider_proof``). A file of ``cameras/``, ``triggers/`` or ``outputs/``, or of somebody else's,
may have a function ``probed() -> Probed``; one that has none needs nothing.
"""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points

from edgecls import plugins
from edgecls.errors import EdgeclsError
from edgecls_runtime.native_output import on_stderr
from edgecls_runtime.packages import Package

ROOMS = {
    room: f"edgecls_runtime.{room}" for room in ("providers", "cameras", "triggers", "outputs")
}
# Seconds; longer is a hang. A provider's first use may compile; cameras of a network have answered
# within a few.
LONGEST = {"providers": 120.0, "cameras": 30.0, "triggers": 30.0, "outputs": 30.0}


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it.

    Attributes:
        kind: Name of a file in the room, or of an entry point.
        ready: Whether it can be used here: of a provider, that a model ran and answered rightly; of
            a camera, a trigger or an output, that nothing it stands on is missing.
        what: What is there; or what is missing, and the command that helps.
        package: The package that carries it, and its version; empty where not installed.
        devices: Names of the hardware, as far as can be told.

    """

    kind: str
    ready: bool
    what: str
    package: str = ""
    devices: tuple[str, ...] = ()


def probe(kind: str, room: str = "providers", longest: float | None = None) -> Probed:
    """Ask one kind in a process of its own.

    Args:
        kind: Name of a file in the room, or of an entry point.
        room: One of ``ROOMS``.
        longest: Seconds after which it counts as hung; None is what suits the room.

    """
    limit = LONGEST[room] if longest is None else longest
    command = [sys.executable, "-m", __name__, room, kind]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return Probed(kind, ready=False, what=f"gave no answer in {limit:g} s")
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        return Probed(kind, ready=False, what=f"crashed with code {done.returncode}: {last}")
    table = json.loads(done.stdout)
    return Probed(**{**table, "devices": tuple(table["devices"])})


def here(kind: str, room: str) -> Probed:
    """Ask one kind in this process."""
    if room == "providers":
        # Loads the engine; cameras do without it.
        proof = importlib.import_module("edgecls_runtime.provider_proof")
        return proof.proven(kind)  # type: ignore[no-any-return]
    try:
        module = plugins.module(ROOMS[room], kind)
        if hasattr(module, "probed"):
            return module.probed()  # type: ignore[no-any-return]
    except (EdgeclsError, OSError) as error:
        return Probed(kind, ready=False, what=str(error), package=carrier(kind, room))
    except ImportError as error:
        package = carrier(kind, room)
        # Of somebody else's nobody here knows the command.
        command = "" if package else "; run: pip install 'edgecls[cpu]'"
        return Probed(
            kind, ready=False, what=f"{error.name}: not installed{command}", package=package
        )
    first = (module.__doc__ or "").strip().partition("\n")[0].rstrip(".:")
    return Probed(kind, ready=True, what=first, package=carrier(kind, room))


def carrier(kind: str, room: str) -> str:
    """Return the package of somebody else's that brings a kind; empty for one of our own."""
    for entry in entry_points(group=f"edgecls.{room}", name=kind):
        if entry.dist is not None:
            return str(Package(entry.dist.name, entry.dist.version))
    return ""


def main() -> None:
    """Answer as JSON."""
    room, kind = sys.argv[1:]
    with on_stderr():
        found = here(kind, room)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
    sys.stdout.flush()
    # Some drivers print or crash as they are unloaded; the answer is given.
    os._exit(0)


if __name__ == "__main__":
    main()
