"""What a measured speed depends on besides the bundle, and whether the machine was quiet."""

import os
import platform
from dataclasses import asdict
from pathlib import Path

from edgecls_runtime.machine import device
from edgecls_runtime.measuring import versions

CPUFREQ = Path("/sys/devices/system/cpu")
STAT = Path("/proc/stat")
# Share of all cores that other programs may take before a figure is called disturbed.
QUIET = 0.1


def environment() -> dict[str, object]:
    """Return device, versions, clock and load; what this machine does not tell is left out."""
    found = {
        **asdict(device()),
        "python": platform.python_version(),
        **versions.here(),
        "governor": _each("scaling_governor"),
        "frequency_mhz": [int(khz) // 1000 for khz in _each("scaling_cur_freq")],
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    return {key: value for key, value in found.items() if value != []}


def busy_seconds(stat: Path = STAT) -> float | None:
    """Return the core-seconds that this machine has worked since it started, or None.

    Time that a virtual machine waited for its host (steal) counts: somebody else had the core.
    """
    try:
        fields = stat.read_text(encoding="ascii").partition("\n")[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def warning(others: float | None, cores: int) -> str:
    """Return one line for a machine that other programs kept busy; empty for a quiet one.

    Args:
        others: Cores that they used, on average, while something was measured; None if unknown.
        cores: Cores that there are.

    """
    if others is None or others <= QUIET * cores:
        return ""
    return f"busy: other programs used {others:.1f} of {cores} cores meanwhile"


def load_warning(cores: int) -> str:
    """Return one line for a machine that is busy before anything is measured; else empty."""
    load = os.getloadavg()[0]
    if load <= QUIET * cores:
        return ""
    return f"busy: a load of {load:.1f} on {cores} cores over the last minute"


def _each(setting: str) -> list[str]:
    """Return the different values of a cpufreq setting over the cores, sorted."""
    found = set()
    for file in CPUFREQ.glob(f"cpu[0-9]*/cpufreq/{setting}"):
        try:
            found.add(file.read_text(encoding="ascii").strip())
        except OSError:
            continue
    return sorted(found)
