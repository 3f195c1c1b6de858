"""What only a real kernel or a real systemd can show, each specified in a virtual machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parts import Made

SCRIPTS = Path(__file__).parent.parent / "scripts"
TOOLS = ("qemu-system-x86_64", "mmdebstrap", "genext2fs", "mke2fs")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed"),
]


def assert_done(script: str, *arguments: str) -> None:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "DONE" in done.stdout


def test_usb_cameras_and_libcamera_keep_the_specification_and_survive_what_drivers_do() -> None:
    assert_done("check_v4l2.py")  # specified in cameras_in_kernel.py


def test_pins_of_a_real_chip_do_what_is_said_of_them_also_when_the_station_is_killed() -> None:
    assert_done("check_gpio.py")  # specified in pins_in_kernel.py


def test_systemd_starts_watches_reloads_and_ends_a_station_and_begins_it_again(made: Made) -> None:
    assert_done("check_service.py", str(made.path))  # specified in service_in_systemd.py
