"""The wheel of this checkout against GPIO chips of a real kernel, in a virtual machine.

    python scripts/check_gpio.py [--cache DIR]

Runs ``tests/pins_in_kernel.py`` in a machine: outputs, triggers and encoders through gpiod, on
chips of the kernel's gpio-sim, whose lines can be looked at and pulled from outside, and which can
be unplugged. It prints a line for each check; the exit code is 1 when one failed. One to two
minutes, and three more the first time. The processor is emulated: times mean little there.

Wants what ``virtual_machine.py`` does, and what edgecls[dev] installs; no root.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import virtual_machine
from check_v4l2 import START
from virtual_machine import (
    DEBIAN,
    MIRROR,
    REPOSITORY,
    Recipe,
    disk_of,
    packages,
    run,
    system,
    wheel,
)

NEEDS = ("numpy", "gpiod")
CHECK = "pins_in_kernel.py"
RUN = f"""
modprobe -a configfs gpio-sim
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
export PYTHONPATH=/opt/checks:/opt/packages PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
stty -F /dev/ttyS1 raw
python3 /opt/checks/{CHECK} > /dev/ttyS1
"""
# Debian's kernels have gpio-sim since 7.x: not that of the release.
NEWER = f"{DEBIAN}-backports"
RECIPE = Recipe(
    included=(),
    files=(
        ("/sbin/edgecls-start", START),
        ("/etc/apt/sources.list.d/newer.list", f"deb {MIRROR} {NEWER} main\n"),
    ),
    hooks=(
        'chroot "$1" apt-get -qq update',
        'chroot "$1" apt-get -qq purge "linux-image-*"',
        f'chroot "$1" apt-get -qq install -y --no-install-recommends -t {NEWER} linux-image-amd64',
    ),
    arguments="init=/sbin/edgecls-start",
)


def checks(folder: Path) -> Path:
    """Return a disk with the wheel of this checkout, and what is run."""
    site = wheel(folder, folder / "site")
    shutil.copy(REPOSITORY / "tests" / CHECK, site)
    (site / "run.sh").write_text(RUN)
    return disk_of(site, folder / "checks.ext2")


def main() -> int:
    """Check everything; print what the checks say."""
    cache = virtual_machine.cache_of(argparse.ArgumentParser(description=__doc__))
    machine = system(RECIPE, cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        said = run(machine, [packages(NEEDS, cache), checks(folder)], log)
        return virtual_machine.told(said, log)


if __name__ == "__main__":
    sys.exit(main())
