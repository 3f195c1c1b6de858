"""PyGObject (``gi``), which Linux systems bring for their own Python, also inside a venv.

``gi`` is installed by apt and reads the libraries that apt installs; there is no wheel of it, and a
venv does not see it. Where the system's is built for this very version of Python, that one package
is loaded from where it lies, and nothing else of the system's Python comes along.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

from edgecls.errors import CameraError, Fault

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Debian, Ubuntu, Raspberry Pi OS and JetPack; Fedora.
FOLDERS = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib64/python{VERSION}/site-packages",
    f"/usr/lib/python{VERSION}/site-packages",
)


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
            if any((folder / f"_gi{suffix}").is_file() for suffix in EXTENSION_SUFFIXES):
                return _loaded(folder)
        if not others:
            found = f"PyGObject is not installed; run: {install}"
        else:
            found = (
                f"PyGObject in {others[0].parent} is for another Python than this {VERSION}; make "
                f"the virtual environment with /usr/bin/python3, or run: pip install PyGObject"
            )
        raise CameraError(f"{where}: {found}", Fault.MISSING) from error


def _loaded(folder: Path) -> ModuleType:
    """Import one package from a folder that is on nobody's path, with all its modules."""
    spec = importlib.util.spec_from_file_location(
        "gi", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None  # noqa: S101 - it ends with .py
    assert spec.loader is not None  # noqa: S101 - as before
    module = importlib.util.module_from_spec(spec)
    sys.modules["gi"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["gi"]
        raise
    return module
