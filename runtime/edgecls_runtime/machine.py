"""What this machine is: the architecture, and the instructions that decide which kernels run."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
# What a board calls itself; processors of boards have no name in cpuinfo.
BOARD = Path("/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Device:
    """What a measured speed holds for.

    Attributes:
        machine: Architecture, such as ``x86_64``.
        processor: Its name, or the board's.
        cores: Logical ones that this process may run on.
        memory_gb: Half GiB to which the memory is rounded: a kernel's update moves it by little.

    """

    machine: str
    processor: str
    cores: int
    memory_gb: float

    def __str__(self) -> str:
        """Return one line, such as ``Raspberry Pi 5 Model B, 4 cores, 8 GB``."""
        return f"{self.processor}, {self.cores} cores, {self.memory_gb:g} GB"


def device() -> Device:
    """Return what this device is."""
    return Device(platform.machine(), processor(), cores(), _memory_gb())


def processor(cpuinfo: Path = CPUINFO, board: Path = BOARD) -> str:
    """Return the name of the processor; without one, of the board."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(cpuinfo), re.MULTILINE)
    named = found[1] if found else _text(board)
    return named.strip("\0 \n") or platform.processor() or platform.machine()


def cores() -> int:
    """Return how many logical cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb(meminfo: Path = MEMINFO) -> float:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _text(meminfo), re.MULTILINE)
    return round(int(found[1]) / 2**19) / 2 if found else 0.0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def is_this(wanted: str, cpuinfo: Path = CPUINFO) -> bool:
    """Tell whether a machine of a manifest is this one.

    Args:
        wanted: ``platform.machine()`` as it must be, and after ``+`` each instruction set that the
            processor must have, as Linux names it: ``x86_64+avx512_vnni``.
        cpuinfo: Where Linux lists them. Elsewhere none is known, so that none is taken for granted.

    """
    machine, *needed = wanted.split("+")
    return machine == platform.machine() and (not needed or {*needed} <= instructions(cpuinfo))


def instructions(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the instruction sets of the first processor, as Linux names them; empty elsewhere."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(cpuinfo), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()
