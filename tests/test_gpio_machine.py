"""GPIO chips of a real kernel, specified in ``pins_in_kernel.py``, in a virtual machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parent.parent / "scripts" / "check_gpio.py"
TOOLS = ("qemu-system-x86_64", "mmdebstrap", "genext2fs", "mke2fs")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
def test_pins_of_a_real_chip_do_what_is_said_of_them_also_when_the_station_is_killed() -> None:
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "DONE" in done.stdout
