"""GigE Vision and USB3 Vision cameras of any maker through Aravis, without the maker's software.

Aravis and PyGObject come from apt; a virtual environment of the system's Python version finds them.
A frame's time is that of its first packet.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from types import ModuleType
from typing import Any

import numpy as np

from edgecls.errors import CameraError, ConfigError, EdgeclsError, Fault
from edgecls_runtime import system_gi
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.genicam.aravis_nodes import AravisNodes, Modules
from edgecls_runtime.genicam.camera import GenicamCamera, Grabbed
from edgecls_runtime.genicam.choice import Found, chosen
from edgecls_runtime.genicam.nodes import one_line
from edgecls_runtime.genicam.settings import LARGEST, OFF, Edge, Wanted, apply
from edgecls_runtime.probe import Probed

MAY_HANG = True
DEVICES = ("usb_device",)
EXCLUSIVE = "device"
NEEDED = (
    system_gi.Typelib("Aravis", "0.8", "gir1.2-aravis-0.8"),
    system_gi.Typelib("GLib", "2.0", "gir1.2-glib-2.0"),
)
BUFFERS = 10
# How often a wait for a frame looks whether the camera still answers.
LOOK_S = 0.1
# A clock that was set between the packet and its reading shows as an age that no frame has.
OLDEST_S = 5.0
LARGEST_PACKET = 16384
ADVICE = "is it on, plugged in and in this network? try: arv-tool-0.8"
GONE = "gone; it has not answered for some seconds; is it on and plugged in?"
# Of a network that does not answer any more, by Aravis's numbers of its device errors.
LOST = (2, 4, 5)
NOT_FOUND, DENIED = 6, (10, 17, 18)


class AravisSource:
    """An opened camera that streams."""

    def __init__(self, modules: Modules, camera: Any, name: str) -> None:  # noqa: ANN401 - Aravis's
        """Start to stream."""
        self._modules, self._camera, self._name = modules, camera, name
        self._lost = False
        self._device = camera.get_device()
        self._signal = self._device.connect("control-lost", self._note_loss)
        self._stream = camera.create_stream(None, None)
        for _ in range(BUFFERS):
            self._stream.push_buffer(modules.aravis.Buffer.new_allocate(camera.get_payload()))
        camera.start_acquisition()

    def next(self, timeout: float) -> Grabbed | None:
        """Return the next buffer."""
        status = self._modules.aravis.BufferStatus
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            buffer = self._stream.timeout_pop_buffer(int(1e6 * max(min(left, LOOK_S), 0.0)))
            if buffer is not None:
                try:
                    # What was being filled when a stream was stopped is no frame.
                    if buffer.get_status() not in (status.CLEARED, status.ABORTED):
                        return self._grabbed(buffer)
                finally:
                    self._stream.push_buffer(buffer)
            if self._lost:
                raise CameraError(f"{self._name}: {GONE}", Fault.GONE)
            if left <= 0:
                return None

    def fire(self) -> None:
        """Execute the software trigger."""
        try:
            self._camera.software_trigger()
        except self._modules.error as error:
            raise CameraError(f"{self._name}: trigger: {_said(error)}", Fault.GONE) from error

    def close(self) -> None:
        """Stop and let the camera go; one that is lost cannot be told to stop."""
        self._device.disconnect(self._signal)
        if not self._lost:
            try:
                self._camera.stop_acquisition()
            except self._modules.error:
                self._lost = True
        # Aravis lets the camera go with the last of what refers to it.
        del self._stream, self._device, self._camera

    def _note_loss(self, _: object) -> None:
        self._lost = True

    def _grabbed(self, buffer: Any) -> Grabbed:  # noqa: ANN401 - Aravis's
        arrived = time.monotonic()
        age = time.time() - buffer.get_system_timestamp() / 1e9
        status = buffer.get_status()
        whole = status == self._modules.aravis.BufferStatus.SUCCESS
        data = np.frombuffer(buffer.get_data(), np.uint8) if whole else np.empty(0, np.uint8)
        size = (buffer.get_image_height(), buffer.get_image_width()) if whole else (0, 0)
        return Grabbed(
            data=data,
            pixel_format=int(buffer.get_image_pixel_format()) if whole else 0,
            size=size,
            # It is in the first packet: one that lost that has the number of an earlier frame.
            number=int(buffer.get_frame_id()) if whole else None,
            captured_at=arrived - age if 0 <= age <= OLDEST_S else arrived,
            row_padding=int(buffer.get_image_padding().x_padding) if whole else 0,
            fault="" if whole else status.value_nick.replace("-", " "),
        )


def open(  # noqa: PLR0913 - the keys of a table
    *,
    device: str = "",
    pixel_format: str = "",
    width_px: int = 0,
    height_px: int = 0,
    x_px: int = 0,
    y_px: int = 0,
    exposure_ms: float = 0.0,
    gain_db: float | None = None,
    rate_hz: float = 0.0,
    packet_size: int = 0,
    trigger: str = OFF,
    edge: Edge = Edge.RISING,
    timeout_ms: int = 3000,
    nodes: object = None,
) -> GenicamCamera:
    """Open a GigE Vision or USB3 Vision camera.

    Args:
        device: IP address (found at once, also in another network), serial number, user-defined
            name or Aravis's id; empty for the only one.
        pixel_format: Such as ``Mono8``, ``BayerRG8``, ``RGB8``; empty keeps the camera's own.
        width_px: 0 keeps the camera's own.
        height_px: Likewise.
        x_px: First column on the sensor.
        y_px: First row.
        exposure_ms: 0 keeps the camera's own.
        gain_db: None keeps the camera's own.
        rate_hz: Frames a second; 0 keeps the camera's own.
        packet_size: Bytes of a GigE packet; 0 finds out what the network passes.
        trigger: ``off``, ``software`` (fired by the station's trigger), or a line: ``Line1``.
        edge: Of the line.
        timeout_ms: Silence, where a frame is due, after which the camera is lost and opened again.
        nodes: Further GenICam nodes by name, set first, in their order.

    Raises:
        CameraError: Aravis is not installed; or no such camera, in use, or it does not take a
            setting.

    """
    silence = seconds(timeout_ms, longest_ms=LARGEST)
    if not 0 <= packet_size <= LARGEST_PACKET:
        raise ConfigError(f"camera.packet_size: {packet_size}; expected 0 to {LARGEST_PACKET}")
    wanted = Wanted(
        pixel_format,
        width_px,
        height_px,
        x_px,
        y_px,
        exposure_ms,
        gain_db,
        rate_hz,
        trigger,
        edge,
        nodes,
    )
    where = f"aravis camera {device}".strip()
    modules = _modules(where)
    try:
        camera = _connected(modules, device, where)
        name = f"aravis camera {device or camera.get_device_serial_number()}"
        with _letting_go(camera):
            _set_up(modules, camera, wanted, packet_size, name)
            return GenicamCamera(AravisSource(modules, camera, name), name, wanted, silence)
    except modules.error as error:
        raise CameraError(f"{where}: {_said(error)}", _fault(error)) from error


def probed() -> Probed:
    """Return which cameras Aravis sees."""
    try:
        modules = _modules("aravis")
    except EdgeclsError as error:
        return Probed("aravis", ready=False, what=str(error))
    names = tuple(str(one) for one, _ in _found(modules.aravis))
    what = "found" if names else f"no camera found; {ADVICE}"
    return Probed("aravis", bool(names), what, "", names)


def _modules(where: str) -> Modules:
    aravis, glib = system_gi.load(where, NEEDED)
    return Modules(aravis, glib.Error)


def _found(aravis: ModuleType) -> list[tuple[Found, str]]:
    """Return every camera, and what opens it; takes a second, which GigE cameras have to answer."""
    aravis.update_device_list()
    return [
        (
            Found(
                aravis.get_device_model(i) or "",
                (
                    aravis.get_device_serial_nbr(i) or "",
                    aravis.get_device_id(i) or "",
                    aravis.get_device_address(i) or "",
                ),
            ),
            aravis.get_device_id(i),
        )
        for i in range(aravis.get_n_devices())
    ]


def _connected(modules: Modules, device: str, where: str) -> Any:  # noqa: ANN401 - Aravis's
    """Return the camera that is meant."""
    new = modules.aravis.Camera.new
    if _is_address(device):
        camera = new(device)
    else:
        found = _found(modules.aravis)
        try:
            camera = new(found[chosen([one for one, _ in found], device, where, ADVICE)][1])
        except CameraError:
            camera = _by_user_name(modules, device)
            if camera is None:
                raise
    if camera.is_gv_device() and not camera.get_device().is_controller():
        raise CameraError(f"{where}: in use by another program; close that", Fault.BUSY)
    return camera


@contextmanager
def _letting_go(camera: Any) -> Iterator[None]:  # noqa: ANN401 - Aravis's
    """Let a camera go when what follows fails: an error that is kept keeps the camera, too."""
    try:
        yield
    except BaseException:
        if camera.is_gv_device():
            with suppress(Exception):
                camera.get_device().leave_control()
        raise


def _by_user_name(modules: Modules, device: str) -> Any:  # noqa: ANN401 - Aravis's
    """Return the camera of a name that its user gave it, which Aravis knows and does not list."""
    try:
        return modules.aravis.Camera.new(device) if device else None
    except modules.error:
        return None


def _set_up(modules: Modules, camera: Any, wanted: Wanted, packet_size: int, name: str) -> None:  # noqa: ANN401 - Aravis's
    device = camera.get_device()
    with suppress(modules.error):  # a program that died, or a cable that was out, left it running
        camera.stop_acquisition()
    # Without it Aravis writes what the camera does not take, and says nothing.
    device.set_range_check_policy(modules.aravis.RangeCheckPolicy.ENABLE)
    apply(wanted, AravisNodes(modules, device), name)
    if camera.is_gv_device():
        if packet_size:
            camera.gv_set_packet_size(packet_size)
        else:
            camera.gv_auto_packet_size()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _said(error: Exception) -> str:
    text = one_line(Exception(getattr(error, "message", str(error))))
    return f"{text}; {ADVICE}" if _fault(error) is Fault.MISSING else text


def _fault(error: Exception) -> Fault:
    """Return what an error of Aravis's devices says."""
    code = int(getattr(error, "code", -1))
    if "device" not in str(getattr(error, "domain", "")):
        return Fault.FORMAT
    if code in DENIED:
        return Fault.BUSY
    return Fault.MISSING if code == NOT_FOUND else Fault.GONE if code in LOST else Fault.FORMAT
