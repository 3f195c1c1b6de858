"""Verify and evaluate a bundle on an emulated ARM processor, by the runtime's own commands.

    python scripts/check_arm.py BUNDLE [--data DIR] [--processor cortex-a76] [--variant NAME]

Wants qemu-user-static and mmdebstrap (Debian's, Ubuntu's). The first run makes an arm64 Debian with
Python, onnxruntime and OpenCV in a folder of the cache: 300 MB, a minute. No root, no chroot: qemu
looks there first for every file. cortex-a76 (Raspberry Pi 5) has the dot-product instructions,
cortex-a72 (Pi 4) and cortex-a53 (Pi 3) have not. An image takes a second or so. The exit code is
that of ``edgecls verify``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DEBIAN = "http://deb.debian.org/debian"
PACKAGES = ("numpy==2.4.6", "onnxruntime==1.32.0", "opencv-python-headless==5.0.0.93")
WHEELS = ["--platform", "manylinux_2_28_aarch64", "--platform", "manylinux2014_aarch64"]
EVERY = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
DOT = f"{EVERY} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
# Linux names a processor by its part and its features; onnxruntime reads both to choose kernels.
PROCESSORS = {
    "cortex-a53": ("0xd03", EVERY),
    "cortex-a72": ("0xd08", EVERY),
    "cortex-a76": ("0xd0b", DOT),
}
CPUINFO = """processor\t: 0
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: {part}
CPU revision\t: 1

"""


def prepared(cache: Path) -> Path:
    """Make the arm64 system in a folder, once; return the folder."""
    if (cache / "done").exists():
        return cache
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    bootstrap = ["mmdebstrap", "--arch=arm64", "--variant=extract", "--quiet"]
    include = "--include=python3,libstdc++6"
    subprocess.run([*bootstrap, include, "bookworm", str(cache / "root"), DEBIAN], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    where = ["--target", str(cache / "site"), "--python-version", "3.11"]
    subprocess.run([*pip, *where, *WHEELS, *PACKAGES], check=True)
    (cache / "done").touch()
    return cache


def prefix(cache: Path, processor: str) -> Path:
    """Return a folder that is the arm64 system, with the wanted processor in its ``/proc``."""
    folder = cache / processor
    for name in ("proc", "sys/devices/system/cpu"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("lib", "usr"):  # no more: a link in place of /tmp would lead Python astray
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(cache / "root" / name)
    part, features = PROCESSORS[processor]
    text = CPUINFO.format(part=part, features=features)
    (folder / "proc/cpuinfo").write_text(text, encoding="ascii")
    for name in ("possible", "present"):
        (folder / "sys/devices/system/cpu" / name).write_text("0\n", encoding="ascii")
    return folder


def edgecls(cache: Path, processor: str, *arguments: str) -> tuple[int, dict[str, object]]:
    """Run a command of edgecls on the emulated processor; return its exit code and its JSON."""
    system = prefix(cache, processor)
    environment = {
        **os.environ,
        "QEMU_CPU": processor,
        "QEMU_LD_PREFIX": str(system),
        "PYTHONPATH": f"{cache / 'site'}:{REPOSITORY}:{REPOSITORY / 'runtime'}",
    }
    python = ["qemu-aarch64-static", str(system / "usr/bin/python3.11")]
    command = [*python, "-m", "edgecls", *arguments, "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def main() -> int:
    """Verify, and with ``--data`` evaluate; print what edgecls answered as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, help="DIR/<label>/<image>, as for edgecls evaluate")
    parser.add_argument("--processor", choices=PROCESSORS, default="cortex-a76")
    parser.add_argument("--variant", default="auto")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser.add_argument("--cache", type=Path, default=Path(home) / "edgecls" / "arm64")
    arguments = parser.parse_args()
    cache = prepared(arguments.cache.resolve())
    bundle = str(arguments.bundle.resolve())
    chosen = ["--variant", arguments.variant]
    code, verified = edgecls(cache, arguments.processor, "verify", bundle, *chosen)
    answer: dict[str, object] = {"processor": arguments.processor, "verify": verified}
    if arguments.data is not None:
        data = str(arguments.data.resolve())
        failed, answer["evaluate"] = edgecls(
            cache, arguments.processor, "evaluate", bundle, data, *chosen
        )
        code = code or failed
    print(json.dumps(answer, indent=2))
    return code


if __name__ == "__main__":
    sys.exit(main())
