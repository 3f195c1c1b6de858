"""One opened video device; what the kernel refuses becomes an error that says what to do."""

import ctypes
import errno
import fcntl
import grp
import os
from pathlib import Path

from edgecls.errors import CameraError, Fault
from edgecls_runtime.v4l2 import layout
from edgecls_runtime.v4l2.found import Found, holders, nodes

DELIVERS = layout.CAP_VIDEO_CAPTURE | layout.CAP_STREAMING
LOST = (errno.ENODEV, errno.ENXIO, errno.EIO, errno.EPROTO, errno.ESHUTDOWN)


class Device:
    """A capture device, opened; nobody else is kept from it until it streams.

    Attributes:
        node: ``/dev/videoN``, where the path it was opened by led.
        name: Begins every message.
        file: Its descriptor.

    """

    def __init__(self, path: Path, name: str) -> None:
        """Open a device.

        Raises:
            CameraError: It is missing, not allowed, busy, or not one that delivers images.

        """
        self.name, self.node = name, path.resolve()
        try:
            self.file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._refusal(error, path) from error
        try:
            self._require_capture()
        except BaseException:
            self.close()
            raise

    def ask(self, request: int, table: ctypes.Structure | ctypes.c_int32) -> None:
        """Send one request; its answer is in the table.

        Raises:
            OSError: As the kernel says.

        """
        fcntl.ioctl(self.file, request, table)

    def insist(self, request: int, table: ctypes.Structure | ctypes.c_int32, what: str) -> None:
        """Send one request that has to succeed.

        Raises:
            CameraError: It does not.

        """
        try:
            self.ask(request, table)
        except OSError as error:
            raise self.error(error, what) from error

    def error(self, error: OSError, what: str) -> CameraError:
        """Return what an error of the kernel means for this device."""
        if error.errno == errno.EBUSY:
            return self._busy()
        if error.errno == errno.ENOSPC:
            return CameraError(
                f"{self.name}: no room left on its USB bus; plug it in at another, or ask for "
                f"fewer pixels, a lower rate, or the format MJPG",
                Fault.BUSY,
            )
        reason = (error.strerror or str(error)).lower()
        if error.errno in LOST:
            return CameraError(f"{self.name}: lost: {reason}; is it plugged in?", Fault.GONE)
        return CameraError(f"{self.name}: {what} refused: {reason}", Fault.FORMAT)

    def close(self) -> None:
        """Let the device go; closing twice is allowed."""
        file, self.file = self.file, -1
        if file >= 0:
            os.close(file)

    def _require_capture(self) -> None:
        try:
            able = _capabilities(self.file)
        except OSError as error:
            raise CameraError(
                f"{self.name}: not a video device; {_here()}", Fault.MISSING
            ) from error
        if able & DELIVERS == DELIVERS:
            return
        if able & layout.CAP_VIDEO_CAPTURE_MPLANE:
            found, remedy = "multi-planar", "kind gstreamer with v4l2src can read it"
        else:
            found, remedy = "delivers no images", _here()
        raise CameraError(f"{self.name}: {found}; {remedy}", Fault.FORMAT)

    def _refusal(self, error: OSError, path: Path) -> CameraError:
        if error.errno == errno.EBUSY:
            return self._busy()
        if error.errno in (errno.EACCES, errno.EPERM):
            group = _group(path)
            return CameraError(
                f"{self.name}: no permission; run: sudo usermod -aG {group} $USER, "
                f"and log in again",
                Fault.REFUSED,
            )
        reason = "no such device" if error.errno == errno.ENOENT else str(error.strerror).lower()
        return CameraError(f"{self.name}: {reason}; {_here()}", Fault.MISSING)

    def _busy(self) -> CameraError:
        others = ", ".join(holders(self.node))
        who = f"held by {others}" if others else "held by somebody who may not be seen from here"
        return CameraError(
            f"{self.name}: busy: {who}; end that, or take another camera", Fault.BUSY
        )


def cameras() -> list[Found]:
    """Return the devices of this machine that deliver images, each by its stable path."""
    return [found for found in nodes() if _delivers(found)]


def _delivers(found: Found) -> bool:
    try:
        file = os.open(found.node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # It cannot be asked: of each device the first node usually is the one with images.
        return found.index == 0
    try:
        return _capabilities(file) & (DELIVERS | layout.CAP_IO_MC) == DELIVERS
    except OSError:
        return False
    finally:
        os.close(file)


def _capabilities(file: int) -> int:
    """Return what a device can do, of the node that is open."""
    found = layout.Capability()
    fcntl.ioctl(file, layout.QUERYCAP, found)
    has_own = found.capabilities & layout.CAP_DEVICE_CAPS
    return int(found.device_caps if has_own else found.capabilities)


def _here() -> str:
    listed = ", ".join(map(str, cameras()))
    return f"here are: {listed}" if listed else "there is no camera here; is it plugged in?"


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "video"
