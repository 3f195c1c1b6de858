"""The wheel of this checkout and a bundle on an emulated ARM processor.

    python scripts/check_arm64.py BUNDLE [--processor cortex-a76] [--debian trixie] [--data DIR]

Builds the wheel, installs it with numpy, onnxruntime and OpenCV for aarch64 into an environment of
an arm64 Debian, and there: ``edgecls verify`` (golden samples), ``classify``, ``run`` over a folder
and, with ``--data``, ``evaluate``. Then both machines, this one and the emulated one, decode and
resize images and run the layers of the bundle's network in integers (u8u8 per channel): every byte
must be equal. Figures go to stdout as JSON; the exit code is 1 when anything is not as it must be.

Wants qemu-user-static and mmdebstrap (Debian's, Ubuntu's) and what edgecls[dev] installs. The first
run makes the arm64 Debian in a folder of the cache: 150 MB, half a minute. No root, no chroot:
qemu looks there first for every file. cortex-a76 (Raspberry Pi 5) has the dot-product instructions,
cortex-a72 (Pi 4) and cortex-a53 (Pi 3) have not. Times mean nothing here.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.bundle import Bundle
from edgecls_runtime import golden

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = ("qemu-aarch64-static", "mmdebstrap")
MIRROR = "http://deb.debian.org/debian"
DEBIANS = {"bookworm": "3.11", "trixie": "3.13"}  # Raspberry Pi OS is made of them
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


@dataclass(frozen=True)
class Board:
    """An emulated machine with an environment that holds the wheel.

    Attributes:
        processor: A key of ``PROCESSORS``.
        system: Folder that is the root of its files: qemu looks there first.
        site: Where the packages are installed.
        python: The environment's interpreter.

    """

    processor: str
    system: Path
    site: Path
    python: Path

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run Python on it, deaf to this machine's PYTHONPATH; return exit code and stdout."""
        environment = {
            **os.environ,
            "QEMU_CPU": self.processor,
            "QEMU_LD_PREFIX": str(self.system),
        }
        command = ["qemu-aarch64-static", self.python, "-I", *arguments]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        return done.returncode, done.stdout

    def edgecls(self, *arguments: str | Path) -> tuple[int, Any]:
        """Run the installed ``edgecls`` command; return its exit code and its JSON."""
        code, text = self.run(self.site / "bin" / "edgecls", *arguments, "--json")
        if arguments[0] == "run":  # one line a verdict, then the summary
            text = text.strip().rpartition("\n")[2]
        return code, json.loads(text or "null")


def debian(cache: Path, name: str) -> Path:
    """Make an arm64 Debian with Python in a folder of the cache, once; return its root."""
    root = cache / f"arm64-{name}"
    if not root.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            new = Path(folder) / "root"
            bootstrap = ["mmdebstrap", "--arch=arm64", "--variant=extract", "--quiet"]
            include = "--include=python3,libstdc++6"
            subprocess.run([*bootstrap, include, name, new, MIRROR], check=True)
            new.rename(root)
    return root


def built(folder: Path) -> Path:
    """Build the wheel of this checkout."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, REPOSITORY], check=True)
    return next(folder.glob("edgecls-*.whl"))


def board(root: Path, version: str, processor: str, folder: Path) -> Board:
    """Make a machine with the wanted processor in its ``/proc``, and install the wheel on it."""
    system, home = folder / "system", folder / "venv"
    for name in ("proc", "sys/devices/system/cpu"):
        (system / name).mkdir(parents=True)
    # No more links: one in place of /tmp would lead Python astray. Trixie keeps all in /usr.
    (system / "usr").symlink_to(root / "usr")
    (system / "lib").symlink_to(root / ("lib" if (root / "lib").exists() else "usr/lib"))
    part, features = PROCESSORS[processor]
    text = CPUINFO.format(part=part, features=features)
    (system / "proc/cpuinfo").write_text(text, encoding="ascii")
    for name in ("possible", "present"):
        (system / "sys/devices/system/cpu" / name).write_text("0\n", encoding="ascii")
    site = home / f"lib/python{version}/site-packages"
    bare = Board(processor, system, site, system / f"usr/bin/python{version}")
    code, text = bare.run("-m", "venv", "--without-pip", home)
    if code:
        raise SystemExit(f"qemu: python -m venv ended with {code}: {text}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    where = ["--target", str(site), "--python-version", version, *WHEELS]
    constraints = ["--constraint", str(REPOSITORY / "scripts" / "constraints.txt")]
    subprocess.run([*pip, *where, *constraints, f"{built(folder)}[cpu]"], check=True)
    return Board(processor, system, site, home / "bin" / "python")


def same_bytes(machine: Board, bundle: Bundle, folder: Path) -> tuple[bool, dict[str, Any]]:
    """Run the probe here and there; tell whether all digests are equal, and which are not."""
    scripts = REPOSITORY / "scripts"
    subprocess.run([sys.executable, scripts / "arm64_inputs.py", bundle.path, folder], check=True)
    probe = scripts / "arm64_probe.py"
    printed = subprocess.run([sys.executable, probe, folder], stdout=subprocess.PIPE, check=True)
    here, (code, text) = json.loads(printed.stdout), machine.run(probe, folder)
    there = json.loads(text) if text else {}
    found: dict[str, Any] = {"here": here.pop("machine"), "there": there.pop("machine", None)}
    for what, digests in here.items():
        other = there.get(what, {})
        differ = [name for name, value in digests.items() if other.get(name) != value]
        found[what] = {"compared": len(digests), "differ": differ}
    return code == 0 and not any(found[what]["differ"] for what in here), found


def classified(machine: Board, bundle: Bundle, variant: str) -> tuple[bool, dict[str, Any]]:
    """Classify the golden images there; tell whether each score is as ``golden.json`` has it."""
    samples = golden.read(bundle.path)
    files = [bundle.path / sample.file for sample in samples]
    every = ("--variant", variant, "--top", str(len(bundle.labels)))
    code, answers = machine.edgecls("classify", bundle.path, *files, *every)
    if code or len(answers) != len(samples):
        return False, {"exit": code, "answers": answers}
    largest = max(
        abs(one["score"] - sample.variants[variant][bundle.labels.index(one["label"])])
        for sample, answer in zip(samples, answers, strict=True)
        for one in answer["top"]
    )
    figures = {"variant": variant, "images": len(answers), "largest_difference": largest}
    return largest <= bundle.variant(variant).tolerance, {"exit": code, **figures}


def inspected(machine: Board, bundle: Bundle, images: Path) -> tuple[bool, dict[str, Any]]:
    """Run a station there over a folder; tell whether each image got its verdict."""
    flags = ("--camera", images, "--good", bundle.labels[0], "--timeout-ms", "60000")
    code, answer = machine.edgecls("run", "--bundle", bundle.path, *flags)
    summary = answer["summary"] if answer else {}
    kept = ("parts", "pass", "fail", "review", "frames_dropped")  # times mean nothing here
    right = code == 0 and summary.get("parts") == len(list(images.iterdir()))
    return right, {"exit": code, **{key: summary.get(key) for key in kept}}


def check(machine: Board, bundle: Bundle, data: Path | None, folder: Path) -> tuple[bool, Any]:
    """Do everything; tell whether all is as it must be, and the figures."""
    code, verified = machine.edgecls("verify", bundle.path)
    good, found = [code == 0], {"processor": machine.processor, "verify": verified}
    right, found["same_bytes"] = same_bytes(machine, bundle, folder)
    good.append(right)
    if verified and verified["variants"]:
        first = verified["variants"][0]["variant"]
        right, found["classify"] = classified(machine, bundle, first)
        good.append(right)
        right, found["run"] = inspected(machine, bundle, folder / "images")
        good.append(right)
    if data is not None:
        code, found["evaluate"] = machine.edgecls("evaluate", bundle.path, data)
        good.append(code == 0)
    return all(good), {"passed": all(good), **found}


def main() -> int:
    """Check one bundle on one processor; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, help="DIR/<label>/<image>, as for edgecls evaluate")
    parser.add_argument("--processor", choices=PROCESSORS, default="cortex-a76")
    parser.add_argument("--debian", choices=DEBIANS, default="bookworm")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser.add_argument("--cache", type=Path, default=Path(home) / "edgecls")
    arguments = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        parser.error(f"{missing[0]}: not found; run: apt-get install qemu-user-static mmdebstrap")
    bundle = Bundle.open(arguments.bundle.resolve())
    root = debian(arguments.cache.resolve(), arguments.debian)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = board(root, DEBIANS[arguments.debian], arguments.processor, folder)
        data = arguments.data.resolve() if arguments.data else None
        passed, found = check(machine, bundle, data, folder)
    print(json.dumps(found, indent=2))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
