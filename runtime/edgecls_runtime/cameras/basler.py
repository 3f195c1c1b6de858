"""Basler cameras (GigE, USB3) through pypylon, which brings Basler's own drivers in its wheel.

A frame's time is the camera's own time of exposure, told in ours by the quickest frames; where the
camera sends none (the emulation), the time of its arrival.
"""

import time
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from edgecls.errors import CameraError, EdgeclsError, Fault
from edgecls_runtime import packages
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.genicam.camera import GenicamCamera, Grabbed
from edgecls_runtime.genicam.choice import Found, chosen
from edgecls_runtime.genicam.clock import DeviceClock
from edgecls_runtime.genicam.library import imported
from edgecls_runtime.genicam.nodes import one_line
from edgecls_runtime.genicam.pylon_nodes import PylonNodes
from edgecls_runtime.genicam.settings import LARGEST, OFF, Edge, Wanted, apply
from edgecls_runtime.probe import Probed

MAY_HANG = True
DEVICES = ("usb_device",)
EXCLUSIVE = "device"
# Held by the driver, so that a reader that is late for a moment loses nothing.
BUFFERS = 10
READY_MS = 1000
ADVICE = "is it on, plugged in and, with GigE, in this network? PYLON_CAMEMU=1 emulates one"


class PylonSource:
    """An opened camera that grabs."""

    def __init__(self, pylon: ModuleType, camera: Any, name: str) -> None:  # noqa: ANN401 - pypylon's camera
        """Start to grab."""
        self._pylon, self._camera, self._name = pylon, camera, name
        self._clock, self._tick = DeviceClock(), _tick(camera)
        camera.MaxNumBuffer.Value = BUFFERS
        camera.StartGrabbing(pylon.GrabStrategy_OneByOne)

    def next(self, timeout: float) -> Grabbed | None:
        """Return the next buffer."""
        wait = int(1000 * timeout)
        try:
            result = self._camera.RetrieveResult(wait, self._pylon.TimeoutHandling_Return)
        except self._pylon.GenericException as error:
            raise CameraError(f"{self._name}: {one_line(error)}", Fault.GONE) from error
        with result:
            if result.IsValid():
                return self._grabbed(result)
        if self._camera.IsCameraDeviceRemoved() or not self._camera.IsGrabbing():
            raise CameraError(f"{self._name}: gone; is it on and plugged in?", Fault.GONE)
        return None

    def fire(self) -> None:
        """Execute the software trigger once the camera is ready for it: it ignores an early one."""
        camera, pylon = self._camera, self._pylon
        try:
            if camera.CanWaitForFrameTriggerReady() and not camera.WaitForFrameTriggerReady(
                READY_MS, pylon.TimeoutHandling_Return
            ):
                raise CameraError(
                    f"{self._name}: not ready for a trigger within {READY_MS} ms", Fault.TIMEOUT
                )
            camera.ExecuteSoftwareTrigger()
        except pylon.GenericException as error:
            raise CameraError(f"{self._name}: trigger: {one_line(error)}", Fault.GONE) from error

    def close(self) -> None:
        """Stop and let the camera go."""
        with suppress(self._pylon.GenericException):
            self._camera.StopGrabbing()
        with suppress(self._pylon.GenericException):
            self._camera.Close()
        with suppress(self._pylon.GenericException):
            self._camera.DestroyDevice()

    def _grabbed(self, result: Any) -> Grabbed:  # noqa: ANN401 - pypylon's
        arrived = time.monotonic()
        stamp = int(result.TimeStamp)
        at = self._clock.told(stamp * self._tick, arrived) if stamp else arrived
        whole = bool(result.GrabSucceeded())
        data = np.empty(0, np.uint8)
        if whole:
            with result.GetMemoryView() as memory:
                data = np.frombuffer(memory, np.uint8).copy()
        return Grabbed(
            data=data,
            pixel_format=int(result.GetPixelType()) if whole else 0,
            size=(int(result.Height), int(result.Width)) if whole else (0, 0),
            number=int(result.BlockID),
            captured_at=at,
            row_padding=int(result.PaddingX) if whole else 0,
            fault="" if whole else one_line(Exception(result.GetErrorDescription())),
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
    trigger: str = OFF,
    edge: Edge = Edge.RISING,
    timeout_ms: int = 3000,
    nodes: object = None,
) -> GenicamCamera:
    """Open a Basler camera.

    Args:
        device: Serial number, user-defined name or IP address; empty for the only one.
        pixel_format: Such as ``Mono8``, ``BayerRG8``, ``RGB8``; empty keeps the camera's own.
        width_px: 0 keeps the camera's own.
        height_px: Likewise.
        x_px: First column on the sensor.
        y_px: First row.
        exposure_ms: 0 keeps the camera's own.
        gain_db: None keeps the camera's own.
        rate_hz: Frames a second; 0 keeps the camera's own.
        trigger: ``off``, ``software`` (fired by the station's trigger), or a line: ``Line1``.
        edge: Of the line.
        timeout_ms: Silence, where a frame is due, after which the camera is lost and opened again.
        nodes: Further GenICam nodes by name, set first, in their order.

    Raises:
        MissingExtra: pypylon is not installed.
        CameraError: No such camera, in use, or it does not take a setting.

    """
    silence = seconds(timeout_ms, longest_ms=LARGEST)
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
    pylon = _pylon()
    factory = pylon.TlFactory.GetInstance()
    infos = factory.EnumerateDevices()
    found = [_found(info) for info in infos]
    index = chosen(found, device, f"basler camera {device}".strip(), ADVICE)
    name = f"basler camera {found[index].names[0]}"
    camera = _opened(pylon, factory, infos[index], name)
    try:
        apply(wanted, PylonNodes(camera.GetNodeMap()), name)
        return GenicamCamera(PylonSource(pylon, camera, name), name, wanted, silence)
    except BaseException as error:
        camera.DestroyDevice()
        if isinstance(error, pylon.GenericException):
            raise CameraError(f"{name}: {one_line(error)}", Fault.FORMAT) from error
        raise


def probed() -> Probed:
    """Return which Basler cameras are here."""
    package = packages.installed("pypylon")
    try:
        infos = _pylon().TlFactory.GetInstance().EnumerateDevices()
    except EdgeclsError as error:
        return Probed("basler", ready=False, what=str(error))
    names = tuple(str(_found(info)) for info in infos)
    what = "found" if names else f"no camera found; {ADVICE}"
    return Probed("basler", bool(names), what, str(package or ""), names)


def _pylon() -> ModuleType:
    return imported("pypylon.pylon", "pypylon", "basler")


def _found(info: Any) -> Found:  # noqa: ANN401 - pypylon's
    address = info.GetIpAddress() if info.IsIpAddressAvailable() else ""
    names = (info.GetSerialNumber(), info.GetUserDefinedName(), address)
    return Found(info.GetModelName(), names)


def _opened(pylon: ModuleType, factory: Any, info: Any, name: str) -> Any:  # noqa: ANN401 - pypylon's
    try:
        camera = pylon.InstantCamera(factory.CreateDevice(info))
        camera.Open()
    except pylon.GenericException as error:
        busy = not factory.IsDeviceAccessible(info) or "another application" in str(error)
        found = "in use by another program; close that" if busy else one_line(error)
        raise CameraError(f"{name}: {found}", Fault.BUSY if busy else Fault.MISSING) from error
    return camera


def _tick(camera: Any) -> float:  # noqa: ANN401 - pypylon's
    """Return the seconds of one tick of the camera's clock."""
    nodes = camera.GetNodeMap()
    node = nodes.GetNode("GevTimestampTickFrequency")
    # Cameras that do not say count nanoseconds, as USB3 Vision and SFNC 2 have it.
    known = node is not None and node.IsValid() and node.IsReadable()
    return 1 / float(node.Value) if known else 1e-9
