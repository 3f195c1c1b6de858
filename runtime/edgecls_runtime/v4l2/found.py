"""Which video devices are here, what they are called for good, and who holds one."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLASS = Path("/sys/class/video4linux")
# A device keeps its name in these when its number changes; the first that has it is taken.
STABLE = (Path("/dev/v4l/by-id"), Path("/dev/v4l/by-path"))
OURS = "edgecls_runtime.camera_process"


@dataclass(frozen=True, slots=True)
class Found:
    """One device node.

    Attributes:
        path: Where it stays when it is plugged in again; ``/dev/videoN`` where nothing better is.
        node: ``/dev/videoN``.
        name: As its maker calls it.
        index: Which of the nodes of one device it is; the first usually is the one with images.

    """

    path: Path
    node: Path
    name: str
    index: int

    def __str__(self) -> str:
        return f"{self.name} ({self.path})"


def nodes() -> list[Found]:
    """Return every video node of this machine, by its number."""
    if not CLASS.is_dir():
        return []
    folders = [folder for folder in CLASS.iterdir() if folder.name.startswith("video")]
    found = []
    for folder in sorted(folders, key=lambda folder: (len(folder.name), folder.name)):
        node = Path("/dev") / folder.name
        index = _read(folder / "index")
        name = _read(folder / "name") or folder.name
        found.append(Found(stable(node), node, name, int(index) if index.isdecimal() else 0))
    return found


def stable(node: Path) -> Path:
    """Return the link that leads to a device node whatever its number; else the node itself."""
    for folder in STABLE:
        if not folder.is_dir():
            continue
        for link in sorted(folder.iterdir()):
            if link.resolve() == node:
                return link
    return node


def holders(node: Path) -> list[str]:
    """Return who else has a device node open; those that may be looked into."""
    try:
        device = node.stat().st_rdev
    except OSError:
        return []
    found = []
    processes = [folder for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    for process in sorted(processes, key=lambda process: int(process.name)):
        is_ours = int(process.name) == os.getpid()
        if _times_open(process, device) > is_ours:  # once by whoever asks
            name = "this very process" if is_ours else _called(process)
            found.append(f"{name} (process {process.name})")
    return found


def _times_open(process: Path, device: int) -> int:
    try:
        files = list((process / "fd").iterdir())
    except OSError:  # somebody else's, or it has ended
        return 0
    times = 0
    for file in files:
        with suppress(OSError):
            times += file.stat().st_rdev == device
    return times


def _called(process: Path) -> str:
    if OURS in _read(process / "cmdline"):
        return "a station of edgecls"
    return _read(process / "comm") or "a process"


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
