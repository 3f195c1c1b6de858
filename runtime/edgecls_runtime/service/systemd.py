"""The tools of systemd, called; what they say when they refuse becomes one line."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgecls.errors import DeviceError

UNITS = Path("/etc/systemd/system")
RUNNING = Path("/run/systemd/system")
LONGEST_S = 60.0


def is_running() -> bool:
    """Return whether this machine was started by systemd (sd_booted(3))."""
    return RUNNING.is_dir()


def control(*arguments: str) -> str:
    """Call ``systemctl`` and return what it says.

    Raises:
        DeviceError: It is not there, or refuses.

    """
    if shutil.which("systemctl") is None:
        raise DeviceError(
            "systemctl: not found; expected a machine with systemd; in a container a station is "
            "started by it"
        )
    try:
        done = _run("systemctl", *arguments)
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"systemctl {' '.join(arguments)}: no answer within {LONGEST_S:g} s; see journalctl -xe"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise DeviceError(f"systemctl {' '.join(arguments)}: {said}")
    return done.stdout


def faults(unit: str, text: str) -> list[str]:
    """Return what ``systemd-analyze verify`` finds wrong with a unit; nothing where it is not."""
    if shutil.which("systemd-analyze") is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / unit
        file.write_text(text, encoding="utf-8")
        said = _run("systemd-analyze", "verify", "--man=no", str(file)).stderr
    # It looks at what the unit stands on, too: that is not ours to mend.
    return [line.replace(f"{name}/", "") for line in said.splitlines() if unit in line]


def exposure(unit: str, text: str) -> float | None:
    """Return how exposed a unit is, 0 (not at all) to 10, as ``systemd-analyze security`` says.

    None where it is not installed, or too old (before 250) to look at a file.
    """
    if shutil.which("systemd-analyze") is None:
        return None
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / unit
        file.write_text(text, encoding="utf-8")
        said = _run("systemd-analyze", "security", "--offline=true", "--no-pager", str(file))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    return float(found[1]) if found else None


def shown(unit: str, *properties: str) -> dict[str, str]:
    """Return properties of a unit, by their names.

    Raises:
        DeviceError: Nobody answers.

    """
    said = control("show", unit, f"--property={','.join(properties)}")
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the system's own tools, and our own words
        command, capture_output=True, text=True, check=False, timeout=LONGEST_S
    )
