"""Cameras of a real kernel, specified in ``cameras_in_kernel.py``, in a virtual machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parent.parent / "scripts" / "check_v4l2.py"
TOOLS = ("qemu-system-x86_64", "mmdebstrap", "genext2fs", "mke2fs")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
def test_usb_cameras_and_libcamera_keep_the_specification_and_survive_what_drivers_do() -> None:
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "DONE" in done.stdout
