"""The wheel of this checkout against cameras of a real kernel, in a virtual machine.

    python scripts/check_v4l2.py [--cache DIR]

A container has no camera, and may load no driver. This makes a Debian for a virtual machine (once,
in a folder of the cache: 1.5 GB, two minutes), installs the wheel in it, and runs
``tests/cameras_in_kernel.py`` there: the specification of every camera and a good many faults,
against vivid (a V4L2 driver that injects them), a USB webcam in software and libcamera's virtual
camera. It prints a line for each check; the exit code is 1 when one failed. Two to four minutes.

Wants what ``virtual_machine.py`` does, and what edgecls[dev] installs; no root.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import virtual_machine
from virtual_machine import REPOSITORY, Recipe, disk_of, packages, run, system, wheel

NEEDS = ("numpy", "opencv-python-headless")
TESTS = ("cameras_in_kernel.py", "uvc_device.py")
START = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/shm; for folder in /dev/shm /tmp /run; do mount -t tmpfs tmpfs $folder; done
mount -o ro /dev/vdb /opt/packages; mount -o ro /dev/vdc /opt/checks
sh /opt/checks/run.sh
echo o > /proc/sysrq-trigger; sleep 60
"""
RUN = """
mkdir -p /usr/share/libcamera/pipeline/virtual
cp /opt/checks/virtual.yaml /usr/share/libcamera/pipeline/virtual/
/usr/lib/systemd/systemd-udevd --daemon
modprobe -qa udmabuf vhci-hcd uvcvideo; modprobe vivid n_devs=1; udevadm trigger; udevadm settle
export PYTHONPATH=/opt/checks:/opt/packages PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
stty -F /dev/ttyS1 raw
LIBCAMERA_LOG_LEVELS='*:ERROR' python3 /opt/checks/cameras_in_kernel.py > /dev/ttyS1
"""
VIRTUAL = """%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: 640
    height: 480
    frame_rates:
    - 30
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual Video Device"
"""
RECIPE = Recipe(
    included=("v4l-utils", "python3-libcamera", "libcamera-ipa"),
    files=(("/sbin/edgecls-start", START),),
    arguments="init=/sbin/edgecls-start",
)


def checks(folder: Path) -> Path:
    """Return a disk with the wheel of this checkout, and what is run."""
    site = wheel(folder, folder / "site")
    for name in TESTS:
        shutil.copy(REPOSITORY / "tests" / name, site)
    (site / "run.sh").write_text(RUN)
    (site / "virtual.yaml").write_text(VIRTUAL)
    return disk_of(site, folder / "checks.ext2")


# The emulated kernel sometimes stops in libcamera's virtual camera, with blocked tasks in its own
# log, also without us; a check that fails is no such thing, and is not tried again.
ATTEMPTS, LONGEST_S = 3, 420


def main() -> int:
    """Check everything; print what the checks say."""
    cache = virtual_machine.cache_of(argparse.ArgumentParser(description=__doc__))
    machine = system(RECIPE, cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        disks = [packages(NEEDS, cache), checks(folder)]
        for attempt in range(1, ATTEMPTS + 1):
            said = run(machine, disks, log, LONGEST_S)
            hung = "DONE" not in said and not any(line.startswith("FAILED") for line in said)
            if not hung or attempt == ATTEMPTS:
                break
            print(f"the machine hung, attempt {attempt} of {ATTEMPTS}; started again", flush=True)
        return virtual_machine.told(said, log)


if __name__ == "__main__":
    sys.exit(main())
