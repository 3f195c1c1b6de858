"""One frame of a camera of a station file, taken while the station stands still."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from edgecls.frame import Frame
from edgecls_runtime import cameras
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.config import Settings
from edgecls_runtime.protocols import Camera, Firing


@contextmanager
def opened(settings: Settings, name: str, base: Path) -> Iterator[Camera]:
    """Open one of a station's cameras, so that its newest frame is to be had.

    Args:
        settings: The station file.
        name: Of the camera; empty for the only one.
        base: What relative paths in its table are relative to.

    Raises:
        ConfigError: Its table is wrong.
        CameraError: It cannot be opened.

    """
    capture = replace(settings.capture, keep=CaptureSettings().keep)
    with closing(cameras.open_table(settings.all_cameras[name], base, capture)) as camera:
        yield camera


def taken(camera: Camera, timeout: float) -> Frame:
    """Return a frame; a camera that waits for a trigger takes a picture at once.

    Raises:
        CameraError: None came within ``timeout`` seconds, or the camera is gone.

    """
    if isinstance(camera, Firing) and camera.fires:
        camera.fire()
    return camera.read(timeout)
