"""Packages that overwrite each other's onnxruntime, specified."""

from pathlib import Path

import pytest

from edgecls_runtime import packages
from edgecls_runtime.packages import Package


def install(folder: Path, name: str, version: str, *files: str) -> None:
    """Leave what pip leaves of a package: its metadata and the list of its files."""
    place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (place / "METADATA").write_text(text, encoding="utf-8")
    (place / "RECORD").write_text("".join(f"{file},,\n" for file in files), encoding="utf-8")


def test_a_plug_in_is_no_onnxruntime(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", "onnxruntime/__init__.py")
    install(tmp_path, "onnxruntime-qnn", "2.7.0", "onnxruntime_qnn/__init__.py")

    assert packages.carriers([str(tmp_path)]) == (Package("onnxruntime", "1.32.0"),)
    assert packages.clash("onnxruntime", [str(tmp_path)]) == ""


def test_two_packages_of_one_folder_are_a_clash_with_the_command_that_repairs_it(
    tmp_path: Path,
) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", "onnxruntime/__init__.py")
    install(tmp_path, "onnxruntime-gpu", "1.31.1", "onnxruntime/__init__.py")

    assert packages.clash("onnxruntime-gpu[cuda,cudnn]", [str(tmp_path)]) == (
        "onnxruntime 1.32.0 and onnxruntime-gpu 1.31.1 are installed together and overwrite each "
        "other's files; run: pip uninstall -y onnxruntime onnxruntime-gpu && "
        "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    )


@pytest.mark.parametrize(
    ("there", "command"),
    [
        ((), "pip install onnxruntime-gpu"),
        (("onnxruntime-gpu",), "pip install onnxruntime-gpu"),
        (("onnxruntime",), "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"),
    ],
    ids=["nothing", "itself", "another"],
)
def test_what_is_there_is_uninstalled_first(
    tmp_path: Path, there: tuple[str, ...], command: str
) -> None:
    for name in there:
        install(tmp_path, name, "1.30.0", "onnxruntime/__init__.py")

    assert packages.replacing("onnxruntime-gpu", [str(tmp_path)]) == command
