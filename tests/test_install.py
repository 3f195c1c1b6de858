"""A device's installation, specified: small, without a training framework, and it answers."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from parts import Made

ROOT = Path(__file__).parent.parent
# numpy, onnxruntime and OpenCV, with what onnxruntime itself needs.
EXPECTED = {"edgecls", "flatbuffers", "numpy", "onnxruntime", "opencv-python-headless", "packaging"}
ALLOWED = EXPECTED | {"pip", "setuptools", "protobuf", "typing-extensions"}


def run(*command: object, cwd: Path) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean environment with the wheel and its ``cpu`` extra."""
    folder = tmp_path_factory.mktemp("device")
    source = folder / "source"
    hidden = shutil.ignore_patterns(".*", "demo", "__pycache__", "dist")
    shutil.copytree(ROOT, source, ignore=hidden)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, source, cwd=folder)
    (wheel,) = folder.glob("edgecls-*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    constraints = ROOT / "scripts" / "constraints.txt"
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", constraints)
    run(*install, f"{wheel}[cpu]", cwd=folder)
    return python.parent


def test_a_device_gets_numpy_onnxruntime_opencv_and_nothing_else(device: Path) -> None:
    listed = run(device / "pip", "list", "--format=freeze", cwd=device)

    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.split()}
    assert EXPECTED <= names <= ALLOWED


def test_a_device_verifies_classifies_and_inspects(device: Path, made: Made) -> None:
    photo = min((made.photos / "scratch").iterdir())

    verified = run(device / "edgecls", "verify", made.path, cwd=device)
    classified = run(device / "edgecls", "classify", made.path, photo, cwd=device)
    flags = ("--bundle", made.path, "--camera", made.photos, "--good", "good")
    inspected = run(device / "edgecls", "run", *flags, cwd=device)

    assert verified.count("right: 8 golden samples") == 2
    assert "scratch" in classified
    assert "80 parts: " in inspected.splitlines()[-1]


def test_a_device_says_which_package_an_export_needs(device: Path) -> None:
    done = subprocess.run(
        [device / "edgecls", "export"], capture_output=True, text=True, check=False, cwd=device
    )

    assert done.returncode == 6
    assert done.stderr.endswith("not installed; run: pip install 'edgecls[export]'\n")


def test_the_wheel_carries_types_and_licence(device: Path) -> None:
    packages = next((device.parent / "lib").glob("python3*/site-packages"))

    for package in ("edgecls", "edgecls_exporters", "edgecls_runtime"):
        assert (packages / package / "py.typed").is_file()
    assert next(packages.glob("edgecls-*.dist-info")).joinpath("licenses/LICENSE").is_file()
