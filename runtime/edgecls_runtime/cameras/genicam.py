"""Any camera whose maker ships a GenTL producer (``.cti``), through Harvester.

A frame's time is the producer's own, told in ours by the quickest frames; where it gives none, the
time of its arrival.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from edgecls.errors import CameraError, EdgeclsError, Fault
from edgecls_runtime import packages
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.genicam.camera import GenicamCamera, Grabbed
from edgecls_runtime.genicam.choice import Found, chosen
from edgecls_runtime.genicam.clock import DeviceClock
from edgecls_runtime.genicam.genapi_nodes import GenApiNodes
from edgecls_runtime.genicam.library import imported
from edgecls_runtime.genicam.nodes import one_line
from edgecls_runtime.genicam.settings import LARGEST, OFF, Edge, Wanted, apply
from edgecls_runtime.probe import Probed

MAY_HANG = True
DEVICES = ("usb_device",)
EXCLUSIVE = "device"
PATHS_KEY = "GENICAM_GENTL64_PATH"
BUFFERS = 10
# One wait inside the producer; Harvester's own 1 ms would wake the processor a thousand times a
# second.
WAIT_MS = 50
ADVICE = "is it on, plugged in, and the producer the right one for it?"
# Of GenTL: an image, and an image with further data behind it.
IMAGES = (1, 4)
IN_USE = ("ResourceInUseException", "AccessDeniedException", "BusyException")


class HarvesterSource:
    """An opened camera that acquires."""

    def __init__(self, harvester: Any, acquirer: Any, nodes: GenApiNodes, name: str) -> None:  # noqa: ANN401 - Harvester's
        """Start to acquire."""
        self._harvester, self._acquirer = harvester, acquirer
        self._nodes, self._name = nodes, name
        self._clock = DeviceClock()
        self._damaged = 0
        callback = imported("harvesters.core", "harvesters", "genicam").Callback
        counting = type("Damaged", (callback,), {"emit": self._note_damage})()
        acquirer.add_callback(acquirer.Events.INCOMPLETE_BUFFER, counting)
        acquirer.num_buffers = max(BUFFERS, acquirer.min_num_buffers)
        acquirer.timeout_period_on_update_event_data_call = WAIT_MS
        acquirer.start()

    def next(self, timeout: float) -> Grabbed | None:
        """Return the next buffer."""
        try:
            # Harvester takes 0 for ever.
            buffer = self._acquirer.try_fetch(timeout=max(timeout, 1e-3), is_raw=True)
        except Exception as error:
            raise CameraError(f"{self._name}: {one_line(error)}", Fault.GONE) from error
        if buffer is not None:
            try:
                return self._grabbed(buffer)
            finally:
                buffer.parent.queue_buffer(buffer)
        if self._damaged:
            self._damaged -= 1
            empty = np.empty(0, np.uint8)
            return Grabbed(empty, 0, (0, 0), None, time.monotonic(), fault="packets were lost")
        return None

    def fire(self) -> None:
        """Execute the software trigger."""
        try:
            self._nodes.write("TriggerSoftware", value=True)
        except Exception as error:
            raise CameraError(f"{self._name}: trigger: {one_line(error)}", Fault.GONE) from error

    def close(self) -> None:
        """Stop and let the camera and the producer go."""
        for step in (self._acquirer.stop, self._acquirer.destroy, self._harvester.reset):
            with suppress(Exception):  # a camera that is gone cannot be stopped
                step()

    def _note_damage(self, *_: object, **__: object) -> None:
        self._damaged += 1

    def _grabbed(self, buffer: Any) -> Grabbed:  # noqa: ANN401 - GenTL's
        arrived = time.monotonic()
        if int(buffer.payload_type) not in IMAGES:
            raise CameraError(
                f"{self._name}: payload type {buffer.payload_type}; expected single images",
                Fault.FORMAT,
            )
        stamp = _info(buffer, "timestamp_ns")
        memory = np.frombuffer(buffer.raw_buffer, np.uint8)
        first = _info(buffer, "image_offset") or 0
        last = _info(buffer, "size_filled") or memory.size
        return Grabbed(
            data=memory[first:last].copy(),
            pixel_format=int(buffer.pixel_format),
            size=(int(buffer.height), int(buffer.width)),
            number=_info(buffer, "frame_id"),
            captured_at=self._clock.told(stamp / 1e9, arrived) if stamp else arrived,
            row_padding=_info(buffer, "padding_x") or 0,
        )


def open(  # noqa: PLR0913 - the keys of a table
    *,
    device: str = "",
    producer: Path | None = None,
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
    """Open a camera through its maker's GenTL producer.

    Args:
        device: Serial number, user-defined name or the producer's id; empty for the only one.
        producer: A ``.cti`` file; None takes those in the folders of ``GENICAM_GENTL64_PATH``.
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
        MissingExtra: Harvester is not installed.
        CameraError: No producer, no such camera, in use, or it does not take a setting.

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
    where = f"genicam camera {device}".strip()
    with _letting_go(_harvester(_producers(producer, where), where)) as harvester:
        found = [_found(info) for info in harvester.device_info_list]
        index = chosen(found, device, where, ADVICE)
        name = f"genicam camera {next(filter(None, found[index].names), index)}"
        acquirer = _acquirer(harvester, index, name)
        map_ = GenApiNodes(acquirer.remote_device.node_map)
        apply(wanted, map_, name)
        source = HarvesterSource(harvester, acquirer, map_, name)
        return GenicamCamera(source, name, wanted, silence)


def probed() -> Probed:
    """Return which cameras the installed producers see."""
    package = str(packages.installed("harvesters") or "")
    try:
        producers = _producers(None, "genicam")
        harvester = _harvester(producers, "genicam")
    except EdgeclsError as error:
        return Probed("genicam", ready=False, what=str(error), package=package)
    names = tuple(str(_found(info)) for info in harvester.device_info_list)
    harvester.reset()
    through = ", ".join(path.name for path in producers)
    what = f"found by {through}" if names else f"no camera found by {through}; {ADVICE}"
    return Probed("genicam", bool(names), what, package, names)


def _producers(producer: Path | None, where: str) -> list[Path]:
    """Return the producer that is given, or every one that is installed."""
    if producer is not None:
        if not producer.is_file():
            raise CameraError(f"{where}: {producer}: no such file; expected a .cti", Fault.MISSING)
        return [producer]
    folders = [folder for folder in os.environ.get(PATHS_KEY, "").split(os.pathsep) if folder]
    found = sorted({path for folder in folders for path in Path(folder).glob("*.cti")})
    if not found:
        there = f"no .cti file in {PATHS_KEY}" if folders else f"{PATHS_KEY} is not set"
        raise CameraError(
            f"{where}: no GenTL producer: {there}; install the camera maker's, or set producer",
            Fault.MISSING,
        )
    return found


def _harvester(producers: Sequence[Path], where: str) -> Any:  # noqa: ANN401 - Harvester's
    """Return a Harvester that has looked for cameras."""
    core = imported("harvesters.core", "harvesters", "genicam")
    # It writes tracebacks of what is raised, or counted, anyway.
    logging.getLogger("harvesters.core").setLevel(logging.CRITICAL)
    harvester = core.Harvester()
    for path in producers:
        try:
            harvester.add_file(str(path.resolve()), check_existence=True, check_validity=True)
        except OSError as error:
            raise CameraError(
                f"{where}: {one_line(error)}; expected a GenTL producer for this machine",
                Fault.MISSING,
            ) from error
    harvester.update()
    return harvester


@contextmanager
def _letting_go(harvester: Any) -> Iterator[Any]:  # noqa: ANN401 - Harvester's
    """Give a Harvester, and let cameras and producers go when what follows fails."""
    try:
        yield harvester
    except BaseException as error:
        harvester.reset()
        if isinstance(error, EdgeclsError | KeyboardInterrupt | SystemExit):
            raise
        raise CameraError(f"genicam camera: {one_line(error)}", Fault.FORMAT) from error


def _found(info: Any) -> Found:  # noqa: ANN401 - Harvester's
    names = (_info(info, key) for key in ("serial_number", "user_defined_name", "id_"))
    return Found(str(_info(info, "model") or ""), tuple(str(name or "") for name in names))


def _acquirer(harvester: Any, index: int, name: str) -> Any:  # noqa: ANN401 - Harvester's
    try:
        with _own_interrupt():
            return harvester.create(index)
    except Exception as error:
        busy = type(error).__name__ in IN_USE
        found = "in use by another program; close that" if busy else one_line(error)
        raise CameraError(f"{name}: {found}", Fault.BUSY if busy else Fault.MISSING) from error


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Keep Ctrl-C ours: Harvester would take it over."""
    ours = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, ours)


def _info(module: Any, key: str) -> Any:  # noqa: ANN401 - GenTL's
    """Return one thing that a producer tells, or None: it need not tell everything."""
    try:
        return getattr(module, key)
    except Exception:  # noqa: BLE001 - of as many classes as GenTL has errors
        return None
