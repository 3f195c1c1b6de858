"""What a process holds: memory, threads, files and children, for tests that let it run for long."""

import ctypes
import gc
import os
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Held:
    """What this process holds.

    Attributes:
        memory_mb: Of its own, without files that are mapped and what the allocator only keeps.
        threads: Of Python.
        files: Descriptors.
        processes: Children.

    """

    memory_mb: float
    threads: int
    files: int
    processes: int


def held() -> Held:
    """Count what this process holds now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    tasks = Path("/proc/self/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return Held(
        int(memory.split()[1]) / 1000,
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - not one more file to count
        len(children),
    )
