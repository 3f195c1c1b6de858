"""A station as a service of a real systemd, in a virtual machine: started, hung, killed, stopped.

    python scripts/check_service.py BUNDLE [--cache DIR]

A container has no systemd. This makes a Debian for a virtual machine (once, in a folder of the
cache: 1.5 GB, two minutes), installs the wheel and the bundle in it, and runs
``tests/service_in_systemd.py`` there: the unit that ``edgecls service install`` writes, on a
camera of the kernel (vivid), inside its sandbox. It prints a line for each check; the exit code is
1 when one failed. The processor is emulated: what starts in a second here takes ten there.

Wants what ``virtual_machine.py`` does, and what edgecls[dev] installs; no root.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import virtual_machine
from virtual_machine import REPOSITORY, Recipe, disk_of, packages, run, system, wheel

NEEDS = ("numpy", "opencv-python-headless", "onnxruntime", "flatbuffers", "packaging", "protobuf")
CHECK = "service_in_systemd.py"
LONGEST_S = 1500
UNIT = """[Unit]
Description=Checks of edgecls
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh /opt/checks/run.sh
TimeoutStartSec=infinity
StandardError=tty
TTYPath=/dev/ttyS0
ExecStopPost=/bin/systemctl --no-block poweroff

[Install]
WantedBy=default.target
"""
RUN = """
mount /dev/vdb /opt/packages
for folder in /opt/checks /opt/packages; do
    echo $folder
done > "$(python3 -c 'import site; print(site.getsitepackages()[0])')/edgecls.pth"
stty -F /dev/ttyS1 raw
exec python3 /opt/checks/service_in_systemd.py > /dev/ttyS1
"""
FSTAB = """/dev/vda / ext2 rw 0 0
/dev/vdc /opt/checks ext2 rw 0 0
tmpfs /srv tmpfs rw 0 0
"""
RECIPE = Recipe(
    included=("systemd-sysv",),
    files=(("/etc/systemd/system/checks.service", UNIT), ("/etc/fstab", FSTAB)),
    hooks=(
        'chroot "$1" systemctl enable checks.service',
        'chroot "$1" systemctl disable getty@tty1.service',
        'chroot "$1" systemctl mask serial-getty@ttyS0.service systemd-timesyncd.service',
        'chroot "$1" useradd --system --create-home --groups video station',
    ),
    arguments="systemd.show_status=0",
)


def checks(bundle: Path, folder: Path) -> Path:
    """Return a disk with the wheel of this checkout, the bundle, and what is run."""
    site = wheel(folder, folder / "site")
    shutil.copy(REPOSITORY / "tests" / CHECK, site)
    shutil.copytree(bundle, site / "station.bundle")
    (site / "run.sh").write_text(RUN)
    return disk_of(site, folder / "checks.ext2")


def main() -> int:
    """Check everything; print what the checks say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    cache = virtual_machine.cache_of(parser)
    machine = system(RECIPE, cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        bundle: Path = parser.parse_args().bundle
        disks = [packages(NEEDS, cache, spare_mb=100), checks(bundle, folder)]
        said = run(machine, disks, log, LONGEST_S)
        return virtual_machine.told(said, log)


if __name__ == "__main__":
    sys.exit(main())
