"""What a station's cameras show: the process ``python -m edgecls_runtime.drill.pictures``.

    ... pictures STATION FOLDER CAMERA

It opens one camera, writes what it shows for a while as PNG files, and says in a line of JSON what
kind of camera it is. In a process of its own: a driver may hang, and then it is ended.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.errors import DeviceError, EdgeclsError, ImageError
from edgecls_runtime import cameras, config, golden
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.config import Settings
from edgecls_runtime.images import read_image
from edgecls_runtime.protocols import Camera, Firing

Image = NDArray[np.uint8]

MOST, LONGEST_S = 40, 4.0
PATIENCE_S = 30.0
# Of kinds whose camera cannot be opened to ask it.
FILES = ("folder", "video")
# Golden samples are few and stand still; no sensor's picture is twice the same. Grey levels.
NOISE = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a camera showed.

    Attributes:
        folder: Of the files.
        count: Of them.
        live: As of ``Camera``, and ``fires`` as of ``Firing``.
        fault: Why they are golden samples of the bundle; empty where they are the camera's own.

    """

    folder: Path
    count: int
    live: bool
    fires: bool = False
    fault: str = ""


def shown(station: Path, settings: Settings, name: str, folder: Path) -> Shown:
    """Write what a camera shows; where it cannot be opened, what the bundle's samples show.

    Args:
        station: The file.
        settings: Read from it.
        name: Of the camera.
        folder: Where to.

    """
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", __name__, str(station), str(folder), name]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        if not done.returncode:
            return Shown(folder, **json.loads(done.stdout))
        fault = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        fault = f"its driver has not come back for {PATIENCE_S:g} s"
    live = settings.all_cameras[name].get("kind") not in FILES
    count = _write(folder, _samples(Bundle.open(settings.bundle)))
    return Shown(folder, count, live, fault=fault)


def _samples(bundle: Bundle) -> Iterator[Image]:
    random = np.random.default_rng(0)
    images = [read_image(bundle.path / one.file) for one in golden.read(bundle.path)]
    for number in range(MOST):
        image = images[number % len(images)]
        noisy = image + random.normal(0, NOISE, image.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def _write(folder: Path, images: Iterator[Image]) -> int:
    count = 0
    for count, image in enumerate(images, 1):
        cv2.imwrite(str(folder / f"{count:03}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return count


def _frames(camera: Camera, timeout: float) -> Iterator[Image]:
    """Yield what a camera shows for a while, the first of it at any rate."""
    until = time.monotonic() + LONGEST_S
    for number in range(MOST):
        if isinstance(camera, Firing) and camera.fires:
            camera.fire()
        try:
            yield camera.read(timeout).image
        except (DeviceError, ImageError):
            if not number:
                raise
            return
        if time.monotonic() > until:
            return


def main() -> int:
    """Write what one camera shows; return the exit code."""
    station, folder, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    settings = config.read(station)
    table = settings.all_cameras[name]
    capture = replace(settings.capture, keep=CaptureSettings().keep)
    try:
        with closing(cameras.open_table(table, station.parent, capture)) as camera:
            count = _write(folder, _frames(camera, settings.timeout_ms / 1000))
            fires = isinstance(camera, Firing) and camera.fires
            found = {"count": count, "live": isinstance(camera, LiveCamera), "fires": fires}
    except EdgeclsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
