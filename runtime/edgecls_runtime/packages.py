"""Which installed package is ``onnxruntime``, and whether more than one claims to be.

``onnxruntime``, ``onnxruntime-gpu``, ``onnxruntime-openvino`` and others each install a folder of
the same name. pip does not mind: the later one overwrites files of the earlier, and which provider
is left, and whether its version fits, is chance.
"""

import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, version
from pathlib import Path

FOLDER = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Package:
    """An installed distribution: its name as on PyPI, and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        """Return such as ``onnxruntime 1.32.0``."""
        return f"{self.name} {self.version}"


def carriers(path: list[str] | None = None) -> tuple[Package, ...]:
    """Return every package that installs the folder ``onnxruntime``, sorted by name.

    Args:
        path: Folders to look in; None is ``sys.path``. Reading only names that begin as the folder
            does keeps this below a millisecond, where all metadata would take a tenth of a second.

    """
    found = {
        Package(_name(one), one.version)
        for folder in (sys.path if path is None else path)
        for place in sorted(Path(folder).glob(f"{FOLDER}*.dist-info"))
        if _installs_the_folder(one := PathDistribution(place))
    }
    return tuple(sorted(found, key=lambda package: package.name))


def clash(wanted: str, path: list[str] | None = None) -> str:
    """Return what is wrong and the command that repairs it, where packages overwrote another.

    Args:
        wanted: The package that is to stay, such as ``onnxruntime-gpu``.
        path: As in ``carriers``.

    Returns:
        One line; empty where at most one package is installed.

    """
    found = carriers(path)
    if len(found) < 2:
        return ""
    return (
        f"{' and '.join(map(str, found))} are installed together and overwrite each other's files; "
        f"run: {replacing(wanted, path)}"
    )


def replacing(wanted: str, path: list[str] | None = None) -> str:
    """Return the pip command that leaves ``wanted`` as the only carrier of the folder.

    Args:
        wanted: As in ``pip install``: a name, and extras in brackets where it has some.
        path: As in ``carriers``.

    """
    found = [package.name for package in carriers(path)]
    name = wanted.partition("[")[0]
    install = f"pip install '{wanted}'" if "[" in wanted else f"pip install {wanted}"
    if not found or found == [name]:
        return install
    return f"pip uninstall -y {' '.join(found)} && {install}"


def installed(name: str) -> Package | None:
    """Return a package by its name on PyPI; None where it is not installed."""
    try:
        return Package(name, version(name))
    except PackageNotFoundError:
        return None


def _name(found: Distribution) -> str:
    return found.metadata["Name"].lower().replace("_", "-")


def _installs_the_folder(found: Distribution) -> bool:
    return any(file.parts == (FOLDER, "__init__.py") for file in found.files or ())
