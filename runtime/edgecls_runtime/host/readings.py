"""What Linux tells of a machine in ``/proc`` and ``/sys``; None where it does not tell.

Source:
    proc_meminfo(5), Documentation/accounting/psi.rst, driver-api/thermal/sysfs-api.rst,
    admin-guide/pm/cpufreq.rst, admin-guide/cgroup-v2.rst of the kernel; for the flags of a
    Raspberry Pi its documentation of ``vcgencmd get_throttled``.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
# From where on a processor is taken for hot when the kernel does not say.
USUAL_LIMIT_C = 80.0
# Sensors that are not there report such as 0, -273 or 65535 degrees.
COLDEST_C, HOTTEST_C = -60.0, 200.0
UNDER_VOLTAGE, CAPPED, THROTTLING, SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the machine, or of the group of processes that is limited to less, MiB."""

    available_mb: float
    total_mb: float
    whose: str

    @property
    def free_percent(self) -> float:
        """What is available of it."""
        return 100 * self.available_mb / self.total_mb if self.total_mb else 100.0


@dataclass(frozen=True, slots=True)
class Zone:
    """A place with a temperature, in degrees Celsius, and from where on it is slowed down."""

    name: str
    celsius: float
    limit: float


def memory(root: Path) -> Memory | None:
    """Return what is scarcer: the machine's memory, or that of the group of this process."""
    found = [one for one in (_machine(root), _group(root)) if one is not None]
    return min(found, key=lambda one: one.free_percent, default=None)


def _machine(root: Path) -> Memory | None:
    fields = dict(
        re.findall(r"^(\w+):\s*(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    )
    if not {"MemTotal", "MemAvailable"} <= fields.keys():
        return None
    return Memory(int(fields["MemAvailable"]) / 1024, int(fields["MemTotal"]) / 1024, "machine")


def _group(root: Path) -> Memory | None:
    """Return the memory of this process's group, where it has a limit (a container, a service)."""
    path = re.search(r"^0::/(.*)$", _text(root / "proc/self/cgroup") or "", re.MULTILINE)
    folder = root / "sys/fs/cgroup" / (path[1] if path else "")
    most, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if most is None or used is None:
        return None
    # Files that were read are given back before anybody is killed.
    kept = re.search(r"^inactive_file (\d+)$", _text(folder / "memory.stat") or "", re.MULTILINE)
    used -= int(kept[1]) if kept else 0
    return Memory(max(most - used, 0) / 2**20, most / 2**20, "service")


def pressure(root: Path) -> float | None:
    """Return for which share of the last 10 s some process waited for memory, percent."""
    found = re.search(
        r"^some avg10=([\d.]+)", _text(root / "proc/pressure/memory") or "", re.MULTILINE
    )
    return float(found[1]) if found else None


def zones(root: Path) -> list[Zone]:
    """Return every place whose temperature is known."""
    found = []
    for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(folder / "temp")
        if value is not None and COLDEST_C < value / 1000 < HOTTEST_C:
            name = (_text(folder / "type") or folder.name).strip()
            found.append(Zone(name, value / 1000, _limit(folder)))
    return found


def _limit(zone: Path) -> float:
    """Return from where on the kernel slows the processor down, or what is usual."""
    limits = [
        value / 1000
        for kind in zone.glob("trip_point_*_type")
        if (_text(kind) or "").strip() in ("passive", "hot")
        and (value := _number(kind.with_name(kind.name.replace("_type", "_temp")))) is not None
    ]
    return min((one for one in limits if one > 0), default=USUAL_LIMIT_C)


def flags(root: Path) -> int | None:
    """Return what the firmware of a Raspberry Pi says of power and heat now."""
    try:
        return int((_text(root / THROTTLED) or "").strip(), 16)
    except ValueError:
        return None


def speed(root: Path) -> float | None:
    """Return the share of its highest frequency that the slowest core may have now, 0..1."""
    found = []
    for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"):
        now, most = _number(folder / "scaling_max_freq"), _number(folder / "cpuinfo_max_freq")
        if now is not None and most:
            found.append(now / most)
    return min(found, default=None)


def throttlings(root: Path) -> int | None:
    """Return how often heat slowed a core of an x86 processor down since it was started."""
    counts = (root / "sys/devices/system/cpu").glob(
        "cpu[0-9]*/thermal_throttle/core_throttle_count"
    )
    found = [count for file in counts if (count := _number(file)) is not None]
    return sum(found) if found else None


def disk_free_mb(path: Path) -> float | None:
    """Return what is free for us on the disk of a file, which need not be there yet, MiB."""
    for folder in (path, *path.parents):
        try:
            found = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize / 2**20
    return None


def _number(file: Path) -> int | None:
    try:
        return int((_text(file) or "").strip())
    except ValueError:  # "max" is no limit
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
