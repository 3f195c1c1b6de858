"""What many tests stand on: photos of made-up parts, and a bundle of a small trained network."""

import os
import signal
import subprocess
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from parts import NETWORK, PREPROCESSING, Made, trained_network, write_photos


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let commands under test see Ctrl-C: a runner in the background has it ignored, for us too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the user's cache alone also while the bundles for many tests are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own, and leave the user's alone."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of labelled photos, 40 of each label."""
    return write_photos(tmp_path_factory.mktemp("data") / "photos", 40)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a module file with the network's factory, and the trained weights."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "small_network.py").write_text(NETWORK, encoding="utf-8")
    module: dict[str, object] = {}
    exec(NETWORK, module)  # noqa: S102 - the text above
    torch.save(trained_network(module).state_dict(), folder / "small.pth")
    return folder / "small_network.py", folder / "small.pth"


@pytest.fixture(scope="session")
def made(
    tmp_path_factory: pytest.TempPathFactory, photos: Path, checkpoint: tuple[Path, Path]
) -> Made:
    """Return a bundle of fp32 and int8, for here and for ARM; tests that change it take a copy."""
    module, weights = checkpoint
    target = tmp_path_factory.mktemp("bundles") / "disc.bundle"
    source = "small_network:network"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(module.parent))
        report = export(
            Job(
                source=source,
                target=target,
                weights=weights,
                data=photos,
                task=Task.MULTICLASS,
                targets=("x86-avx2", "arm"),
                max_drop=5.0,
                overrides=dict(PREPROCESSING),
                calibration_images=24,
            )
        )
    return Made(target, photos, weights, source, report)


@pytest.fixture
def made_up_pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let gpiozero have a made-up board, as its own environment variable asks."""
    if find_spec("gpiozero") is None:
        pytest.skip("gpiozero: not here; run: pip install 'edgecls[gpio]'")
    device = import_module("gpiozero").Device
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr(device, "pin_factory", None)
    yield
    if device.pin_factory is not None:
        device.pin_factory.reset()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of half a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)
