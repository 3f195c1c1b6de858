"""What this machine is: the architecture, and the instructions that decide which kernels run."""

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


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
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def processor(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's name, or what the operating system calls it."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor()
