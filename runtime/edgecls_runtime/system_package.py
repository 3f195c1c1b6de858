"""Packages that Linux systems bring for their own Python, also inside a venv.

What belongs to libraries that apt installs has no wheel, and a venv does not see it. Where the
system's is built for this very version of Python, that one package is loaded from where it lies,
and nothing else of the system's Python comes along.
"""

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Debian, Ubuntu, Raspberry Pi OS and JetPack; Fedora.
FOLDERS = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib64/python{VERSION}/site-packages",
    f"/usr/lib/python{VERSION}/site-packages",
)


def is_built_for_us(package: Path, extension: str) -> bool:
    """Return whether the folder of a package holds an extension module for this Python."""
    return any((package / f"{extension}{suffix}").is_file() for suffix in EXTENSION_SUFFIXES)


def load_from(package: Path) -> ModuleType:
    """Import one package from a folder that is on nobody's path, with all its modules."""
    name = package.name
    spec = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None  # noqa: S101 - it ends with .py
    assert spec.loader is not None  # noqa: S101 - as before
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
