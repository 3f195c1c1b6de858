"""Exposure, gain, focus and what else a device lets one set, by the names of ``v4l2-ctl -l``."""

import errno
import re
from collections.abc import Mapping
from contextlib import suppress

from edgecls.errors import CameraError, Fault
from edgecls_runtime.v4l2 import layout
from edgecls_runtime.v4l2.device import Device

SETTABLE = (
    layout.CTRL_INTEGER,
    layout.CTRL_BOOLEAN,
    layout.CTRL_MENU,
    layout.CTRL_INTEGER_MENU,
)
# ``linux/v4l2-controls.h``; the kernel renamed them, so they are known by their numbers.
EXPOSURE_AUTO, EXPOSURE_ABSOLUTE = 0x009A0901, 0x009A0902
EXPOSURE_MANUAL = 1
# Aperture priority is what webcams call automatic; others have a full automatic.
EXPOSURE_AUTOMATIC = (3, 0)
EXPOSURE_STEPS_A_MS = 10  # V4L2_CID_EXPOSURE_ABSOLUTE counts in 100 us


def expose(device: Device, exposure_ms: float) -> None:
    """Expose for so many milliseconds; 0 leaves it to the device, where that can do it.

    Raises:
        CameraError: The device cannot be exposed by hand, or not for so long.

    """
    known = {query.id: query for query in _queries(device)}
    if not exposure_ms:
        for value in EXPOSURE_AUTOMATIC if EXPOSURE_AUTO in known else ():
            with suppress(OSError):
                device.ask(layout.S_CTRL, layout.Control(EXPOSURE_AUTO, value))
                return
        return
    if EXPOSURE_ABSOLUTE not in known:
        raise CameraError(
            f"{device.name}: its exposure cannot be set; leave out exposure_ms", Fault.FORMAT
        )
    if EXPOSURE_AUTO in known:
        _set(device, known[EXPOSURE_AUTO], EXPOSURE_MANUAL)
    query, steps = known[EXPOSURE_ABSOLUTE], round(exposure_ms * EXPOSURE_STEPS_A_MS)
    if not query.minimum <= steps <= query.maximum:
        least, most = (limit / EXPOSURE_STEPS_A_MS for limit in (query.minimum, query.maximum))
        raise CameraError(
            f"{device.name}: no exposure of {exposure_ms:g} ms; it offers {least:g} to {most:g} ms",
            Fault.FORMAT,
        )
    _set(device, query, steps)


def adjust(device: Device, wanted: Mapping[str, int]) -> None:
    """Set controls by their names, in the order given: an automatic may have to go off first.

    Raises:
        CameraError: No such control, or the value is not one of its own.

    """
    known = {_named(query.name): query for query in _queries(device)} if wanted else {}
    for name, value in wanted.items():
        if name not in known:
            raise CameraError(
                f"{device.name}: no control {name!r}; it has {', '.join(known) or 'none'}",
                Fault.FORMAT,
            )
        query = known[name]
        if not query.minimum <= value <= query.maximum:
            raise CameraError(
                f"{device.name}: control {name}: {value}; "
                f"it takes {query.minimum} to {query.maximum}",
                Fault.FORMAT,
            )
        _set(device, query, value)


def _set(device: Device, query: layout.ControlQuery, value: int) -> None:
    name = _named(query.name)
    control = layout.Control(query.id, value)
    try:
        device.ask(layout.S_CTRL, control)
        device.ask(layout.G_CTRL, control)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ERANGE, errno.EACCES, errno.EPERM):
            reason = (error.strerror or str(error)).lower()
            raise CameraError(
                f"{device.name}: control {name}: {value} refused ({reason}); "
                f"is an automatic in charge of it?",
                Fault.FORMAT,
            ) from error
        raise device.error(error, f"control {name}") from error
    if control.value != value:
        raise CameraError(
            f"{device.name}: control {name}: {value} became {control.value}; "
            f"it takes steps of {query.step} from {query.minimum}",
            Fault.FORMAT,
        )


def _queries(device: Device) -> list[layout.ControlQuery]:
    """Return what can be set, as the device lists it."""
    found: list[layout.ControlQuery] = []
    after = 0
    while True:
        query = layout.ControlQuery(id=after | layout.CTRL_NEXT)
        try:
            device.ask(layout.QUERYCTRL, query)
        except OSError:  # behind the last one
            return found
        after = query.id
        if query.type in SETTABLE and not query.flags & layout.CTRL_DISABLED:
            found.append(query)


def _named(name: bytes) -> str:
    """Return a control's name as ``v4l2-ctl`` prints it: ``White Balance, Automatic`` too."""
    return re.sub(r"[^a-z0-9]+", "_", name.decode("ascii", "replace").lower()).strip("_")
