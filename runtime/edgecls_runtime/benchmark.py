"""How fast a bundle answers here, and what that costs: measured in a process of its own.

``python -m edgecls_runtime.benchmark`` is that process: memory and cold start are figures of a
whole process, and a process that measured one variant is no longer cold for the next.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgecls.bundle import Bundle
from edgecls.errors import DeviceError
from edgecls.metrics import percentile
from edgecls_runtime import machine, session
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import read_image
from edgecls_runtime.providers import cpu

FULL_HD = (1080, 1920, 3)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure: a variant, on a number of threads, over a number of frames."""

    bundle: Path
    variant: str
    threads: int = 0
    spinning: bool = True
    frames: int = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What a variant costs here.

    Attributes:
        variant: Its name.
        frames: How many were timed.
        latency_ms_p50: From a 1080p frame in memory to its prediction; likewise the others.
        engine_ms_p50: Of that, the network alone.
        cold_start_s: From the start of the process to its first answer from an image file.
        peak_memory_mb: Resident memory up to the first answer, in 2**20 bytes.
        peak_memory_1080p_mb: The same up to the end, with 1080p frames.

    """

    variant: str
    frames: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    latency_ms_p99_9: float
    engine_ms_p50: float
    cold_start_s: float
    peak_memory_mb: float
    peak_memory_1080p_mb: float


def measure(wanted: Wanted) -> Measured:
    """Measure one variant in a new process.

    Raises:
        DeviceError: The process failed.

    """
    command = [
        sys.executable,
        "-P",  # a file of the user's in this folder must not stand in for a module
        "-m",
        "edgecls_runtime.benchmark",
        str(wanted.bundle),
        wanted.variant,
        f"--threads={wanted.threads}",
        f"--frames={wanted.frames}",
        *(["--spinning"] if wanted.spinning else []),
        f"--started={time.monotonic()}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise DeviceError(f"bench of {wanted.variant}: {last}")
    return Measured(**json.loads(done.stdout))


def environment() -> dict[str, object]:
    """Return what a figure depends on besides the bundle."""
    return {
        "machine": platform.machine(),
        "processor": machine.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "engine": session.engine(),
        "numpy": np.__version__,
    }


def _main() -> None:
    arguments = _arguments()
    provider = cpu.open(threads=arguments.threads, spinning=arguments.spinning)
    classify = Classifier(arguments.bundle, provider, arguments.variant)
    classify(read_image(arguments.bundle / golden_image(classify.bundle)))
    cold, first = time.monotonic() - arguments.started, _peak_mb()
    whole, engine = _latencies(classify, arguments.frames)
    measured = Measured(
        variant=classify.variant.name,
        frames=arguments.frames,
        latency_ms_p50=_ms(whole, 50),
        latency_ms_p95=_ms(whole, 95),
        latency_ms_p99=_ms(whole, 99),
        latency_ms_p99_9=_ms(whole, 99.9),
        engine_ms_p50=_ms(engine, 50),
        cold_start_s=round(cold, 3),
        peak_memory_mb=first,
        peak_memory_1080p_mb=_peak_mb(),
    )
    sys.stdout.write(json.dumps(asdict(measured)))


def golden_image(bundle: Bundle) -> str:
    """Return the name of a camera-size image in a bundle."""
    return next(name for name in bundle.manifest.files if name.endswith(".png"))


def _peak_mb() -> float:
    """Return the peak of resident memory, in 2**20 bytes.

    From the kernel's own counter of this program: that of ``getrusage`` begins with what the
    process that started this one had in memory.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    lines = status.read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return round(int(peak) / 1024, 1)


def _latencies(classify: Classifier, frames: int) -> tuple[list[float], list[float]]:
    image = np.random.default_rng(0).integers(0, 256, FULL_HD, dtype=np.uint8)
    prepared = np.zeros((1, *classify.bundle.preprocessing.size, 3), np.uint8)
    whole, engine = [], []
    for _ in range(5):
        classify(image)
    for _ in range(frames):
        started = time.perf_counter()
        classify(image)
        middle = time.perf_counter()
        classify.scored(prepared)
        whole.append(middle - started)
        engine.append(time.perf_counter() - middle)
    return whole, engine


def _ms(seconds: list[float], percent: float) -> float:
    return round(1000 * percentile(seconds, percent), 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("variant")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--spinning", action="store_true")
    parser.add_argument("--started", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    _main()
