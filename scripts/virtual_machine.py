"""A Debian in a virtual machine, with the wheel of this checkout: for what no container has.

``check_v4l2.py`` needs drivers, ``check_service.py`` systemd. The system is made once, in a folder
of the cache. What is written to its disks is forgotten when it ends. The processor is emulated:
nested virtual machines are rarely to be had. Times mean little there.

Wants qemu-system-x86, mmdebstrap, genext2fs and e2fsprogs (Debian's, Ubuntu's); no root.
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
KERNEL = ("linux-image-amd64", "initramfs-tools", "zstd", "kmod", "udev", "python3")
WHEELS = ("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64")
MEMORY_MB = 1500

# No more drivers than those of the disk: an initial RAM disk of all takes half a minute to unpack.
BEFORE = """
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/machine"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' > "$1/usr/share/initramfs-tools/modules.d/machine"
"""


@dataclass(frozen=True)
class Recipe:
    """What a system is made of, beside the kernel.

    Attributes:
        included: Packages of Debian.
        files: Copied in, by their paths there.
        hooks: Of mmdebstrap, at the end.
        arguments: Of the kernel.

    """

    included: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    hooks: tuple[str, ...] = ()
    arguments: str = ""


@dataclass(frozen=True)
class System:
    """What a machine starts from: a kernel, its initial RAM disk, and the disk of its Debian."""

    kernel: Path
    ramdisk: Path
    disk: Path
    arguments: str


def cache_of(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> Path:
    """Add ``--cache``, read the arguments, see that the tools are here; return the cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser.add_argument("--cache", type=Path, default=Path(home) / "edgecls" / "vm")
    cache: Path = parser.parse_args(arguments).cache.resolve()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        parser.error(f"{missing[0]}: not found; run: apt-get install {' '.join(PACKAGES)}")
    return cache


def system(recipe: Recipe, cache: Path) -> System:
    """Make a Debian in a folder of the cache, once."""
    tag = hashlib.sha256(repr((DEBIAN, KERNEL, BEFORE, recipe)).encode()).hexdigest()[:12]
    folder = cache / f"{DEBIAN}-{tag}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            new = Path(name) / "system"
            new.mkdir()
            _bootstrapped(recipe, new)
            new.rename(folder)
    (kernel,), (ramdisk,) = folder.glob("boot/vmlinuz-*"), folder.glob("boot/initrd.img-*")
    return System(kernel, ramdisk, folder / "root.ext2", recipe.arguments)


def _bootstrapped(recipe: Recipe, folder: Path) -> None:
    before = folder / "before"
    before.write_text(f"#!/bin/sh\nset -e{BEFORE}")
    before.chmod(0o755)
    copied = []
    for number, (path, text) in enumerate(recipe.files):
        source = folder / f"file-{number}" / Path(path).name
        source.parent.mkdir()
        source.write_text(text)
        source.chmod(0o755 if text.startswith("#!") else 0o644)
        copied.append(f"--customize-hook=copy-in {source} {Path(path).parent}")
    command: list[str | Path] = [
        "mmdebstrap", "--quiet", "--variant=minbase",
        f"--include={','.join((*KERNEL, *recipe.included))}",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--essential-hook={before}",
        *copied,
        '--customize-hook=mkdir -p "$1/opt/packages" "$1/opt/checks"',
        *(f"--customize-hook={hook}" for hook in recipe.hooks),
        f"--customize-hook=copy-out /boot {folder}",
        DEBIAN, str(folder / "root.ext2"), MIRROR,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def installed(what: Sequence[str | Path], folder: Path) -> None:
    """Install packages for the machine's Python into a folder."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
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


def packages(needs: Sequence[str], cache: Path, spare_mb: int = 16) -> Path:
    """Return a disk with what the wheel needs, in the versions of ``constraints.txt``."""
    lines = (REPOSITORY / "scripts" / "constraints.txt").read_text().splitlines()
    wanted = [line for line in lines if line.partition("==")[0] in needs]
    named = hashlib.sha256(repr((wanted, spare_mb)).encode()).hexdigest()[:12]
    disk = cache / f"packages-{named}.ext2"
    if not disk.exists():
        with tempfile.TemporaryDirectory(dir=cache) as name:
            folder = Path(name)
            installed(wanted, folder / "site")
            disk_of(folder / "site", folder / "disk", spare_mb).rename(disk)
    return disk


def wheel(folder: Path, site: Path) -> Path:
    """Build the wheel of this checkout and install it into a folder."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, REPOSITORY], check=True)
    installed(["--no-deps", next(folder.glob("edgecls-*.whl"))], site)
    return site


def run(machine: System, disks: Sequence[Path], log: Path, longest_s: int = 900) -> list[str]:
    """Start the machine, pass on what its second serial port says, and return those lines."""
    drives = [
        option
        for disk in (machine.disk, *disks)
        for option in ("-drive", f"file={disk},if=virtio,format=raw,snapshot=on")
    ]
    arguments = f"root=/dev/vda rw console=ttyS0 panic=-1 quiet mitigations=off {machine.arguments}"
    command: list[str | Path] = [
        "timeout", str(longest_s), "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max",
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


def told(said: Sequence[str], log: Path) -> int:
    """Sum up what checks said, ``ok`` or ``FAILED`` a line; return the exit code."""
    failed = [line for line in said if line.startswith("FAILED")]
    passed = [line for line in said if line.startswith("ok ")]
    if failed or "DONE" not in said:
        sys.stderr.write(log.read_text(errors="replace")[-20_000:])
        print(f"{len(passed)} checks passed, {len(failed)} failed; finished: {'DONE' in said}")
        return 1
    print(f"{len(passed)} checks passed")
    return 0
