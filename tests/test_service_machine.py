"""A station under a real systemd, specified in ``service_in_systemd.py``, in a virtual machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parts import Made

CHECK = Path(__file__).parent.parent / "scripts" / "check_service.py"
TOOLS = ("qemu-system-x86_64", "mmdebstrap", "genext2fs", "mke2fs")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
def test_systemd_starts_watches_reloads_and_ends_a_station_and_begins_it_again(made: Made) -> None:
    done = subprocess.run(
        [sys.executable, CHECK, made.path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "DONE" in done.stdout
