"""Digests of what the runtime computes here, which must be the same on every machine.

    python scripts/arm64_probe.py FOLDER

FOLDER holds ``images/`` (files to decode), ``u8u8.onnx`` and ``u8u8.npz`` (its inputs).
``check_arm64.py`` runs this on both sides and compares. It prints one JSON object: name -> SHA-256.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls_runtime.images import read_image
from edgecls_runtime.preprocessing import prepare

PACKAGES = ("edgecls", "numpy", "onnxruntime", "opencv-python-headless")
# (height, width), px: enlarged, shrunk without halving, halved two and three times.
SHAPES = ((37, 53), (301, 270), (719, 1281), (1080, 1920))


def digest(values: NDArray[np.uint8]) -> str:
    """Return the SHA-256, hex, of an array's shape, dtype and bytes."""
    head = f"{values.shape} {values.dtype.str} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()


def resized() -> Iterator[tuple[str, str]]:
    """Resize noise by every filter on every rung of the ladder; noise shows the last bit."""
    for number, shape in enumerate(SHAPES):
        random = np.random.default_rng(number)
        image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        yield f"drawn {shape[0]}x{shape[1]}", digest(image)
        resize = list(Resize)[number % len(Resize)]
        for interpolation in Interpolation:
            for rung in Resampling:
                wanted = Preprocessing(
                    (112, 96), (128, 128), resize, interpolation, resampling=rung
                )
                name = f"{shape[0]}x{shape[1]} {resize} {interpolation} {rung}"
                yield name, digest(prepare(image, wanted))


def integers(folder: Path) -> Iterator[tuple[str, str]]:
    """Run each integer layer of a network; the name is that of its output."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    provider = ["CPUExecutionProvider"]
    session = ort.InferenceSession(folder / "u8u8.onnx", options, providers=provider)
    with np.load(folder / "u8u8.npz") as fed:
        values = session.run(None, dict(fed))
    for output, value in zip(session.get_outputs(), values, strict=True):
        yield output.name, digest(value)


def main() -> None:
    """Print the digests, and what this machine is."""
    folder = Path(sys.argv[1])
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    answer = {
        "machine": ", ".join(
            [platform.machine(), f"python {platform.python_version()}", *versions]
        ),
        "decoded": {f.name: digest(read_image(f)) for f in sorted((folder / "images").iterdir())},
        "resized": dict(resized()),
        "u8u8": dict(integers(folder)),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
