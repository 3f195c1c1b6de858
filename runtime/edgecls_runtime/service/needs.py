"""What a station needs of the machine it runs on: devices, groups, places to write to.

A file of ``cameras/``, ``triggers/``, ``outputs/`` or ``providers/`` says ``DEVICES``: names of
device groups as in ``/proc/devices``, which may hold ``*``, or paths that begin with ``/dev/``.
``WRITES`` names the keys of its table whose files it writes. What says nothing needs neither.
"""

import grp
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

import edgecls
from edgecls.errors import ConfigError
from edgecls_runtime.service.checking import Checked

# Of device groups: the group of users that may open them (Debian's, Raspberry Pi OS's), and the
# kernel's module that brings them: a group that is not there when the service starts is not allowed
# when a camera is plugged in later.
GROUPS = {
    "video4linux": "video",
    "media": "video",
    "dma_heap": "video",
    "gpiochip": "gpio",
    "usb_device": "plugdev",
    "drm": "render",
}
MODULES = {"video4linux": "videodev", "media": "mc"}
HOMES, SCRATCH = ("/home", "/root", "/run/user"), ("/tmp", "/var/tmp")  # noqa: S108 - looked for, not written to


@runtime_checkable
class Written(Protocol):
    """A table of the station file that has files written."""

    @property
    def written(self) -> tuple[Path, ...]:
        """The files, or the folders."""
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """What it needs.

    Attributes:
        devices: As ``DeviceAllow=`` takes them, sorted.
        groups: Of users, that are on this machine.
        modules: Of the kernel.
        folders: That are written to.
        reads: Files and folders that are read.

    """

    devices: tuple[str, ...]
    groups: tuple[str, ...]
    modules: tuple[str, ...]
    folders: tuple[Path, ...]
    reads: tuple[Path, ...]

    def lies_in(self, roots: tuple[str, ...]) -> bool:
        """Return whether anything of it lies below one of some folders."""
        paths = (*self.folders, *self.reads)
        return any(path.is_relative_to(root) for path in paths for root in roots)


def of(station: Checked) -> Needs:
    """Return what a station needs.

    Raises:
        ConfigError: It would write where nobody but the system should.

    """
    named = sorted({device for one in station.hardware for device in _devices(one.module)})
    python = Path(sys.executable)
    package = Path(edgecls.__file__).parent
    return Needs(
        devices=tuple(one if one.startswith("/") else f"char-{one}" for one in named),
        groups=tuple(sorted({GROUPS[one] for one in named if _is_here(GROUPS.get(one))})),
        modules=tuple(sorted({MODULES[one] for one in named if one in MODULES})),
        folders=tuple(sorted(set(_folders(station)))),
        reads=(station.path, station.settings.bundle.absolute(), python, python.resolve(), package),
    )


def _devices(module: object) -> tuple[str, ...]:
    return tuple(getattr(module, "DEVICES", ()))


def _is_here(group: str | None) -> bool:
    return group is not None and any(one.gr_name == group for one in grp.getgrall())


def _folders(station: Checked) -> Iterator[Path]:
    base = station.path.parent
    tables = (getattr(station.settings, field.name) for field in fields(station.settings))
    paths = [path for table in tables if isinstance(table, Written) for path in table.written]
    paths += [path for one in station.hardware for path in one.paths(base)]
    for path in paths:
        # Beside a file stand others: SQLite's log, the reserve, what is renamed to it.
        folder = (path if path.is_dir() else path.parent).absolute()
        if folder == Path("/"):
            raise ConfigError(
                f"{station.path}: {path} would be written to the root of the system; "
                f"expected a folder such as /var/lib/edgecls"
            )
        yield folder
