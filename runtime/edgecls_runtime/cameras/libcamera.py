"""The cameras of a Raspberry Pi, or any other of libcamera, through its own Python package.

The package belongs to the system and not to PyPI: ``sudo apt install python3-libcamera``, which
picamera2 brings too. It is found inside a virtual environment of the system's Python as well.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecls.errors import CameraError, ConfigError, Fault
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.libcamera_stream import BUFFERS, CODINGS, LibcameraCamera, Stream
from edgecls_runtime.probe import Probed
from edgecls_runtime.system_package import FOLDERS, VERSION, is_built_for_us, load_from
from edgecls_runtime.v4l2.found import holders

MAY_HANG = True
DEVICES = ("dma_heap", "media", "video4linux")
EXCLUSIVE = "camera"
CONTROLS = {"rate_hz": "FrameDurationLimits", "exposure_ms": "ExposureTime", "gain": "AnalogueGain"}
TOLERANCE = 0.005  # 30 Hz are 33333 us
INSTALL = "run: sudo apt install python3-libcamera, and use the environment of /usr/bin/python3"


def open(  # noqa: PLR0913 - the keys of the table
    *,
    camera: str = "0",
    width_px: int = 0,
    height_px: int = 0,
    rate_hz: float = 0.0,
    exposure_ms: float = 0.0,
    gain: float = 0.0,
    timeout_ms: int = 5000,
) -> LibcameraCamera:
    """Open a camera of libcamera.

    Args:
        camera: Its id, as ``edgecls devices`` lists it, or its number.
        width_px: Width; 0 keeps the camera's own.
        height_px: Height; 0 keeps the camera's own.
        rate_hz: Frames a second; 0 keeps the camera's own.
        exposure_ms: For how long each frame is exposed; 0 leaves it to libcamera.
        gain: Of the sensor, 1 or more; 0 leaves it to libcamera.
        timeout_ms: Silence after which the camera counts as lost and is opened again.

    Raises:
        ConfigError: A value that no camera has.
        CameraError: libcamera or the camera is missing, busy, or does not offer what is asked for.

    """
    if min(width_px, height_px, rate_hz, exposure_ms, gain) < 0:
        raise ConfigError("camera: expected sizes, rate, exposure and gain of 0 or more")
    silence = seconds(timeout_ms)
    name = f"libcamera camera {camera}"
    package = _package(name)
    found = _found(package, camera, name)
    _acquire(found, name)
    try:
        configured = _configured(package, found, (width_px, height_px), name)
        wanted = {"rate_hz": rate_hz, "exposure_ms": exposure_ms, "gain": gain}
        coding = CODINGS[str(configured.pixel_format)]
        stream = Stream(configured, coding, _controls(found, wanted, name))
        return LibcameraCamera(package, found, name, stream, silence)
    except BaseException:
        found.release()
        raise


def probed() -> Probed:
    """Return the cameras that libcamera finds, by their ids."""
    try:
        package = _package("libcamera")
    except CameraError as error:
        return Probed("libcamera", ready=False, what=str(error))
    manager = package.CameraManager.singleton()
    ids = tuple(str(camera.id) for camera in manager.cameras)
    what = "cameras of libcamera" if ids else "no camera; is its ribbon cable in?"
    return Probed("libcamera", bool(ids), what, f"libcamera {manager.version}", ids)


def _package(name: str, folders: Sequence[str] = FOLDERS) -> ModuleType:
    try:
        return importlib.import_module("libcamera")
    except ImportError as error:
        others = [folder for place in folders if (folder := Path(place) / "libcamera").is_dir()]
        for folder in others:
            if is_built_for_us(folder, "_libcamera"):
                return load_from(folder)
        found = f"is for another Python than this {VERSION}" if others else "is not installed"
        raise CameraError(
            f"{name}: libcamera's Python package {found}; {INSTALL}", Fault.MISSING
        ) from error


def _found(package: ModuleType, wanted: str, name: str) -> Any:  # noqa: ANN401 - libcamera has no types
    cameras = list(package.CameraManager.singleton().cameras)
    by_id = {camera.id: camera for camera in cameras}
    if wanted in by_id:
        return by_id[wanted]
    if wanted.isdecimal() and int(wanted) < len(cameras):
        return cameras[int(wanted)]
    here = ", ".join(by_id)
    remedy = f"here are: {here}" if here else "libcamera finds none; is its ribbon cable in?"
    raise CameraError(f"{name}: no such camera; {remedy}", Fault.MISSING)


def _acquire(camera: Any, name: str) -> None:  # noqa: ANN401 - libcamera has no types
    try:
        camera.acquire()
    except RuntimeError as error:
        others = [who for node in Path("/dev").glob("media*") for who in holders(node)]
        who = f" by {', '.join(dict.fromkeys(others))}" if others else ""
        raise CameraError(
            f"{name}: busy: held{who}; end that, or take another camera ({error})", Fault.BUSY
        ) from error


def _configured(package: ModuleType, camera: Any, size: tuple[int, int], name: str) -> Any:  # noqa: ANN401
    """Agree with the camera on format and size; it may not take another one than was asked for."""
    configuration = camera.generate_configuration([package.StreamRole.Viewfinder])
    one = configuration.at(0)
    offered = [str(each) for each in one.formats.pixel_formats]
    known = [each for each in CODINGS if each in offered]
    if not known:
        raise CameraError(
            f"{name}: offers {', '.join(offered)}; expected one of {', '.join(CODINGS)}",
            Fault.FORMAT,
        )
    one.pixel_format = package.PixelFormat(known[0])
    wanted = (size[0] or one.size.width, size[1] or one.size.height)
    one.size, one.buffer_count = package.Size(*wanted), BUFFERS
    if CODINGS[known[0]].value in ("nv12", "yuyv", "uyvy"):
        one.color_space = package.ColorSpace.Smpte170m()  # what the decoder takes it for
    configuration.validate()
    found = (one.size.width, one.size.height)
    if found != wanted or str(one.pixel_format) not in CODINGS:
        sizes = ", ".join(str(each) for each in one.formats.sizes(one.pixel_format))
        raise CameraError(
            f"{name}: no {wanted[0]}x{wanted[1]}; nearest is {found[0]}x{found[1]} in "
            f"{one.pixel_format}; it offers {sizes or 'others'}",
            Fault.FORMAT,
        )
    camera.configure(configuration)
    return one


def _controls(camera: Any, wanted: dict[str, float], name: str) -> dict[Any, object]:  # noqa: ANN401
    """Return what to start with: of what the camera has, and in its limits."""
    known = {control.name: (control, limit) for control, limit in camera.controls.items()}
    controls: dict[Any, object] = {}
    for key, value in wanted.items():
        if not value:
            continue
        if CONTROLS[key] not in known:
            raise CameraError(f"{name}: its {key} cannot be set; leave it out", Fault.FORMAT)
        control, limit = known[CONTROLS[key]]
        least, most = sorted((_for_people(key, limit.min), _for_people(key, limit.max)))
        if not least * (1 - TOLERANCE) <= value <= most * (1 + TOLERANCE):
            raise CameraError(
                f"{name}: no {key} of {value:g}; it offers {least:.4g} to {most:.4g}", Fault.FORMAT
            )
        controls[control] = _for_libcamera(key, min(max(value, least), most))
    return controls


def _for_people(key: str, value: Any) -> float:  # noqa: ANN401 - a number, or two for a range
    """Return a control's value in the unit of the table's key."""
    number = float(value[0] if isinstance(value, tuple | list) else value)
    if key == "rate_hz":
        return 1e6 / number if number else float("inf")
    return number / 1000 if key == "exposure_ms" else number


def _for_libcamera(key: str, value: float) -> object:
    """Return a value of the table as libcamera counts it: in microseconds, where it is a time."""
    if key == "rate_hz":
        return (round(1e6 / value),) * 2
    return round(value * 1000) if key == "exposure_ms" else value
