"""PyGObject (``gi``), which Linux systems bring for their own Python, also inside a venv.

``gi`` is installed by apt and reads the libraries that apt installs; there is no wheel of it, and a
venv does not see it. Where the system's is built for this very version of Python, that one package
is loaded from where it lies, and nothing else of the system's Python comes along.
"""

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from edgecls.errors import CameraError, Fault
from edgecls_runtime.system_package import FOLDERS, VERSION, is_built_for_us, load_from


@dataclass(frozen=True, slots=True)
class Typelib:
    """The description of a C library that ``gi`` makes a module of.

    Attributes:
        name: Such as ``Gst``.
        version: Such as ``1.0``.
        package: The apt package that brings it.

    """

    name: str
    version: str
    package: str


def load(
    where: str, needed: Sequence[Typelib], folders: Sequence[str] = FOLDERS
) -> list[ModuleType]:
    """Return the modules of ``gi.repository`` that are asked for, in this order.

    Args:
        where: Begins the message.
        needed: What they are made of.
        folders: Where the system keeps the packages of its own Python.

    Raises:
        CameraError: ``gi`` or one of the modules is not here; the message is the apt command.

    """
    install = f"sudo apt install python3-gi {' '.join(dict.fromkeys(n.package for n in needed))}"
    with warnings.catch_warnings():
        # Debian's PyGObject imports in ways that Python has begun to warn about.
        warnings.simplefilter("ignore")
        return _modules(where, needed, install, _gi(where, install, folders))


def _modules(
    where: str, needed: Sequence[Typelib], install: str, gi: ModuleType
) -> list[ModuleType]:
    for one in needed:  # all versions first: a module brings others with it
        try:
            gi.require_version(one.name, one.version)
        except ValueError as error:
            raise CameraError(
                f"{where}: {one.name} {one.version} is not installed; run: {install}", Fault.MISSING
            ) from error
    return [importlib.import_module(f"gi.repository.{one.name}") for one in needed]


def _gi(where: str, install: str, folders: Sequence[str]) -> ModuleType:
    try:
        return importlib.import_module("gi")
    except ImportError as error:
        others = [folder for name in folders if (folder := Path(name) / "gi").is_dir()]
        for folder in others:
            if is_built_for_us(folder, "_gi"):
                return load_from(folder)
        if not others:
            found = f"PyGObject is not installed; run: {install}"
        else:
            found = (
                f"PyGObject in {others[0].parent} is for another Python than this {VERSION}; make "
                f"the virtual environment with /usr/bin/python3, or run: pip install PyGObject"
            )
        raise CameraError(f"{where}: {found}", Fault.MISSING) from error
