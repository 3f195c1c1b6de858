"""The wheel of this checkout against cameras of a real kernel, in a virtual machine.

    python scripts/check_v4l2.py [--cache DIR]

A container has no camera, and may load no driver. This makes a Debian for a virtual machine (once,
in a folder of the cache: 1.5 GB, two minutes), installs the wheel in it, and runs
``tests/cameras_in_kernel.py`` there: the specification of every camera and a good many faults,
against vivid (a V4L2 driver that injects them), a USB webcam in software and libcamera's virtual
camera. It prints a line for each check; the exit code is 1 when one failed. Two to four minutes.

Wants qemu-system-x86, mmdebstrap, genext2fs and e2fsprogs (Debian's, Ubuntu's), and what
edgecls[dev] installs; no root. The processor is emulated: nested virtual machines are rarely to be
had. Times mean little there.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("qemu-system-x86", "mmdebstrap", "genext2fs", "e2fsprogs")
TOOLS = ("qemu-system-x86_64", "mmdebstrap", "genext2fs", "mke2fs")
MIRROR = "http://deb.debian.org/debian"
DEBIAN, PYTHON = "trixie", "3.13"  # as Raspberry Pi OS
INCLUDED = (
    "linux-image-amd64", "initramfs-tools", "zstd", "kmod", "udev", "v4l-utils",
    "python3", "python3-libcamera", "libcamera-ipa",
)  # fmt: skip
NEEDS = ("numpy", "opencv-python-headless")
WHEELS = ("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64")
TESTS = ("cameras_in_kernel.py", "uvc_device.py")
MEMORY_MB = 1500
LONGEST_S = 900

# No more drivers than those of the disk: an initial RAM disk of all takes half a minute to unpack.
BEFORE = """
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/machine"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' > "$1/usr/share/initramfs-tools/modules.d/machine"
"""
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


@dataclass(frozen=True)
class System:
    """What a machine starts from: a kernel, its initial RAM disk, and the disk of its Debian."""

    kernel: Path
    ramdisk: Path
    disk: Path


def system(cache: Path) -> System:
    """Make a Debian in a folder of the cache, once."""
    tag = hashlib.sha256(repr((DEBIAN, INCLUDED, BEFORE, START)).encode()).hexdigest()[:12]
    folder = cache / f"{DEBIAN}-{tag}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            new = Path(name) / "system"
            new.mkdir()
            _bootstrapped(new)
            new.rename(folder)
    (kernel,), (ramdisk,) = folder.glob("boot/vmlinuz-*"), folder.glob("boot/initrd.img-*")
    return System(kernel, ramdisk, folder / "root.ext2")


def _bootstrapped(folder: Path) -> None:
    before, start = folder / "before", folder / "edgecls-start"
    before.write_text(f"#!/bin/sh\nset -e{BEFORE}")
    start.write_text(START)
    for file in (before, start):
        file.chmod(0o755)
    command: list[str | Path] = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(INCLUDED)}",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--essential-hook={before}",
        f"--customize-hook=copy-in {start} /sbin",
        '--customize-hook=mkdir -p "$1/opt/packages" "$1/opt/checks"',
        f"--customize-hook=copy-out /boot {folder}",
        DEBIAN, str(folder / "root.ext2"), MIRROR,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def installed(what: Sequence[str | Path], folder: Path) -> None:
    """Install packages for the machine's Python into a folder."""
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
    ]
    where: list[str | Path] = ["--target", folder, "--python-version", PYTHON, *WHEELS]
    constraints: list[str | Path] = ["--constraint", REPOSITORY / "scripts" / "constraints.txt"]
    subprocess.run([*pip, *where, *constraints, *what], check=True)


def disk_of(folder: Path, disk: Path, spare_mb: int = 16) -> Path:
    """Write a folder as the file system of a disk."""
    used = sum(file.stat().st_size + 4096 for file in folder.rglob("*"))
    size = f"{used * 11 // 10 // 2**20 + spare_mb}M"
    command: list[str | Path] = ["mke2fs", "-q", "-t", "ext2", "-d", folder, disk, size]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return disk


def packages(cache: Path) -> Path:
    """Return a disk with what the wheel needs, in the versions of ``constraints.txt``."""
    lines = (REPOSITORY / "scripts" / "constraints.txt").read_text().splitlines()
    wanted = [line for line in lines if line.partition("==")[0] in NEEDS]
    disk = cache / f"packages-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}.ext2"
    if not disk.exists():
        with tempfile.TemporaryDirectory(dir=cache) as name:
            folder = Path(name)
            installed(wanted, folder / "site")
            disk_of(folder / "site", folder / "disk").rename(disk)
    return disk


def checks(folder: Path) -> Path:
    """Return a disk with the wheel of this checkout, and what is run."""
    site = folder / "site"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, REPOSITORY], check=True)
    installed(["--no-deps", next(folder.glob("edgecls-*.whl"))], site)
    for name in TESTS:
        shutil.copy(REPOSITORY / "tests" / name, site)
    (site / "run.sh").write_text(RUN)
    (site / "virtual.yaml").write_text(VIRTUAL)
    return disk_of(site, folder / "checks.ext2")


def run(machine: System, disks: Sequence[Path], log: Path) -> list[str]:
    """Start the machine, pass on what its checks say, and return those lines."""
    drives = [
        option
        for disk in (machine.disk, *disks)
        for option in ("-drive", f"file={disk},if=virtio,format=raw,snapshot=on")
    ]
    arguments = (
        "root=/dev/vda rw console=ttyS0 panic=-1 quiet mitigations=off init=/sbin/edgecls-start"
    )
    command: list[str | Path] = [
        "timeout", str(LONGEST_S), "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max",
        "-m", str(MEMORY_MB), "-display", "none", "-monitor", "none", "-no-reboot", "-nic", "none",
        "-serial", f"file:{log}", "-serial", "stdio", *drives,
        "-kernel", machine.kernel, "-initrd", machine.ramdisk, "-append", arguments,
    ]  # fmt: skip
    said = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as running:
        assert running.stdout is not None  # noqa: S101 - it was asked for
        for line in running.stdout:
            said.append(line.rstrip())
            print(said[-1], flush=True)
    return said


def main() -> int:
    """Check everything; print what the checks say."""
    parser = argparse.ArgumentParser(description=__doc__)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser.add_argument("--cache", type=Path, default=Path(home) / "edgecls" / "vm")
    cache = parser.parse_args().cache.resolve()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        parser.error(f"{missing[0]}: not found; run: apt-get install {' '.join(PACKAGES)}")
    machine = system(cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        said = run(machine, [packages(cache), checks(folder)], log)
        failed = [line for line in said if line.startswith("FAILED")]
        passed = [line for line in said if line.startswith("ok ")]
        if failed or "DONE" not in said:
            sys.stderr.write(log.read_text(errors="replace")[-20_000:])
            print(f"{len(passed)} checks passed, {len(failed)} failed; finished: {'DONE' in said}")
            return 1
    print(f"{len(passed)} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
