"""Run a bundle through providers whose packages exclude each other, each in its own environment.

    edgecls export timm:tf_efficientnet_lite0 --weights W --data DIR --labels FILE \
        --target qnn --target openvino --target webgpu --to lite0.bundle
    python scripts/check_providers.py lite0.bundle [--only qnn ...] [--folder DIR]

Makes the environments with pip (versions as below; 1 GB, kept in --folder and used again), runs
``edgecls verify`` with --provider in each, and prints a table: golden samples and placement. Three
have no hardware here: QNN runs on the simulator in its package (x86-64 Linux), WebGPU on a software
Vulkan (Debian's chromium), and OpenVINO's plug-in, which takes Intel's processors only, on an
emulated one (qemu-user-static) where this processor is another. CUDA and TensorRT are to be refused
in one line: where there is a card, leave them out. Exit code 1 where something is not as expected.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.progress import step
from edgecls_runtime import machine

ROOT = Path(__file__).parent.parent
COMMON = ("opencv-python-headless==5.0.0.93", "numpy==2.4.6")
PLUGGED = "onnxruntime==1.32.0"
CARD = "onnxruntime-gpu==1.31.1"
QEMU = "qemu-x86_64-static"
SOFTWARE_VULKAN = {
    "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1",
    "VK_ICD_FILENAMES": "/usr/lib/chromium/vk_swiftshader_icd.json",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One provider in one environment.

    Attributes:
        provider: As given to ``--provider``.
        packages: What pip installs, with versions.
        variants: Run, one after the other; empty where a refusal is wanted.
        environment: Variables for the run.
        emulated: What to run Python with, on a processor that is not Intel's.

    """

    provider: str
    packages: tuple[str, ...]
    variants: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    emulated: tuple[str, ...] = ()


CASES = {
    "qnn": Case("qnn", (PLUGGED, "onnxruntime-qnn==2.7.0"), ("int8-qnn",)),
    # fp16-webgpu needs shader-f16, which this software Vulkan has not.
    "webgpu": Case("webgpu", (PLUGGED, "onnxruntime-ep-webgpu==0.4.0"), ("fp32",), SOFTWARE_VULKAN),
    "openvino-classic": Case(
        "openvino", ("onnxruntime-openvino==1.24.1",), ("int8-openvino", "fp32")
    ),
    # int8-openvino is off by 0.054 (allowed 0.05) on a processor without VNNI, as the emulated one
    # is, in both packages: docs/providers.md.
    "openvino-plugin": Case(
        "openvino",
        (PLUGGED, "onnxruntime-ep-openvino==1.8.1"),
        ("fp32",),
        emulated=(QEMU, "-cpu", "Skylake-Client"),
    ),
    "cuda": Case("cuda", (CARD,), ()),
    "tensorrt": Case("tensorrt", (CARD,), ()),
}


def python_of(folder: Path, packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with exactly these packages; make it if need be."""
    name = "-".join(package.replace("==", "-") for package in packages)
    python = folder / name / "bin" / "python"
    if not python.is_file():
        step(f"installing {' '.join(packages)}")
        venv.create(folder / name, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", *packages, *COMMON]
        if subprocess.run(pip, check=False).returncode:
            shutil.rmtree(folder / name)
            sys.exit(f"check_providers: {' '.join(packages)}: pip failed")
    return python


def verify(
    case: Case, python: Path, bundle: Path, variant: str
) -> subprocess.CompletedProcess[str]:
    """Run ``edgecls verify`` of this checkout."""
    before = () if "Intel" in machine.processor() else case.emulated
    command = [*before, str(python), "-m", "edgecls", "verify", str(bundle)]
    command += ["--provider", case.provider, "--variant", variant, "--json"]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "runtime")))
    around = os.environ | case.environment | {"PYTHONPATH": paths}
    return subprocess.run(command, env=around, capture_output=True, text=True, check=False)


def refused(case: Case, python: Path, bundle: Path) -> tuple[bool, str]:
    """Tell whether a provider is refused in one line, with exit code 5; and the line."""
    done = verify(case, python, bundle, "fp32")
    lines = done.stderr.splitlines()
    return done.returncode == 5 and len(lines) == 1 and not done.stdout, "; ".join(lines)


def answered(case: Case, python: Path, bundle: Path, variant: str) -> tuple[bool, str]:
    """Tell whether all golden samples pass with all arithmetic placed there; and the figures."""
    done = verify(case, python, bundle, variant)
    if done.returncode not in (0, 1):
        last = (done.stderr.splitlines() or ["no message"])[-1]
        return False, f"exit code {done.returncode}: {last}"
    (found,) = json.loads(done.stdout)["variants"]
    text = (
        f"{found['samples']} golden samples {'right' if found['passed'] else 'WRONG'}, within "
        f"{found['largest_difference']:.2g} (allowed {found['tolerance']:.2g}); "
        f"{found['placement']}"
    )
    return bool(found["passed"] and found["flops_share"] == 1.0), text


def main() -> int:
    """Check each case and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/edgecls/environments")
    arguments = parser.parse_args()
    whole = True
    for name in arguments.only:
        case = CASES[name]
        python = python_of(arguments.folder, case.packages)
        for variant in case.variants or ("-",):
            ask = answered(case, python, arguments.bundle, variant) if case.variants else None
            good, text = ask or refused(case, python, arguments.bundle)
            whole &= good
            print(f"{name:17}  {variant:14}  {'ok ' if good else 'NOT'}  {text}", flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
