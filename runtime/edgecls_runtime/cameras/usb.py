"""A webcam or any other device of Video4Linux.

Give the path of ``/dev/v4l/by-id`` (``edgecls devices`` lists them): numbers change when a camera
is plugged in again. What a device does not take is an error that says what it offers instead.
"""

from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.capture.timeouts import LONGEST_MS, seconds
from edgecls_runtime.probe import Probed
from edgecls_runtime.v4l2 import controls as settable
from edgecls_runtime.v4l2 import modes
from edgecls_runtime.v4l2.device import Device, cameras
from edgecls_runtime.v4l2.modes import Wanted
from edgecls_runtime.v4l2.stream import V4L2Camera

# A driver that waits for a device which does not answer waits in the kernel.
MAY_HANG = True
DEVICES = ("video4linux",)

EXCLUSIVE = "device"


def open(  # noqa: PLR0913 - the keys of the table
    *,
    device: str = "0",
    format: str = "",
    width_px: int = 0,
    height_px: int = 0,
    rate_hz: float = 0.0,
    exposure_ms: float = 0.0,
    controls: dict[str, int] | None = None,
    timeout_ms: int = 5000,
) -> V4L2Camera:
    """Open a V4L2 device.

    Args:
        device: Stable path (``/dev/v4l/by-id/...``, ``by-path``), ``/dev/videoN``, or its number.
        format: Four letters, such as ``MJPG`` or ``YUYV``; empty takes the fastest.
        width_px: Width; 0 keeps the device's own.
        height_px: Height; 0 keeps the device's own.
        rate_hz: Frames a second; 0 keeps the device's own.
        exposure_ms: For how long each frame is exposed; 0 leaves it to the device.
        controls: Others by their names (``v4l2-ctl -l``), set in this order.
        timeout_ms: Silence after which the device counts as lost and is opened again.

    Raises:
        ConfigError: A value that no device has.
        CameraError: It is missing, not allowed, busy, or does not offer what is asked for.

    """
    wanted = Wanted(format.upper(), width_px, height_px, rate_hz)
    _check(wanted, exposure_ms)
    silence = seconds(timeout_ms)
    opened = Device(_path(device), f"usb camera {device}")
    try:
        pixels = modes.set_to(opened, modes.chosen(opened, wanted))
        settable.expose(opened, exposure_ms)
        settable.adjust(opened, controls or {})
        return V4L2Camera(opened, pixels, silence)
    except BaseException:
        opened.close()
        raise


def probed() -> Probed:
    """Return the devices of this machine that deliver images, by their stable paths."""
    found = cameras()
    what = "devices of Video4Linux" if found else "no device; is one plugged in?"
    return Probed("usb", ready=bool(found), what=what, devices=tuple(map(str, found)))


def _path(device: str) -> Path:
    is_number = device.isdecimal() and len(device) < 10  # more digits than any index can have
    return Path(f"/dev/video{int(device)}" if is_number else device)


def _check(wanted: Wanted, exposure_ms: float) -> None:
    if wanted.format and wanted.format not in modes.CODINGS:
        known = ", ".join(modes.CODINGS)
        raise ConfigError(f"camera.format: {wanted.format!r}; expected one of {known}")
    if min(wanted.width, wanted.height) < 0 or not 0 <= wanted.rate <= 10_000:
        raise ConfigError("camera: expected sizes of 0 or more, and a rate of 0 to 10000 Hz")
    if not 0 <= exposure_ms <= LONGEST_MS:
        raise ConfigError(f"camera.exposure_ms: {exposure_ms:g}; expected 0 to {LONGEST_MS}")
