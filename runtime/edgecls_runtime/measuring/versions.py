"""Versions of the packages and drivers that a speed depends on."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

import edgecls
from edgecls_runtime import session

ABSENT = "none"
# Drivers that say their own version; others are part of the kernel.
DRIVERS = {
    "nvidia driver": Path("/sys/module/nvidia/version"),
    "rknpu driver": Path("/sys/module/rknpu/version"),
}
PACKAGE = "package "


def here(packages: Iterable[str] = ()) -> dict[str, str]:
    """Return everything known here, with the version of each of the packages given."""
    drivers = [name for name, file in DRIVERS.items() if file.exists()]
    asked = [f"{PACKAGE}{name}" for name in sorted(set(packages))]
    return of(["edgecls", *session.engine().split()[:1], "numpy", "opencv", *drivers, *asked])


def of(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each thing that ``here`` named; ``none`` for what is not here."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    engine, _, version = session.engine().partition(" ")
    known = {
        engine: version,
        "edgecls": edgecls.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
    if name in known:
        return known[name]
    if name in DRIVERS:
        return _driver(DRIVERS[name])
    # Reading a package's metadata takes a fifth of a cold start: only for who asked for plug-ins.
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version(name.removeprefix(PACKAGE))
    except (metadata.PackageNotFoundError, ValueError):  # ValueError: a name that no package has
        return ABSENT


def _driver(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip() or ABSENT
    except OSError:
        return ABSENT
