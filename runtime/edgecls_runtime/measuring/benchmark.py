"""How fast a bundle answers here, and what that costs: measured in a process of its own."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.manifest import Resampling
from edgecls.metrics import percentile
from edgecls_runtime import machine
from edgecls_runtime.measuring import environment, scene
from edgecls_runtime.measuring.trial import Trial
from edgecls_runtime.measuring.trial_messages import Ask, Configuration, Told

PACED_FRAMES = 30
BACK_TO_BACK = {"kind": "cpu", "spinning": True}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure.

    Attributes:
        bundle: Path of the bundle.
        variant: Name of a variant.
        provider: A provider's table as in a station file.
        frames: How many calls are timed.
        batch: Frames in each call.
        resampling: A rung of the ladder of resizes; None takes the bundle's own.
        whole: Also from a JPEG file on, the golden samples, and the loop at 10 frames a second.

    """

    bundle: Path
    variant: str
    provider: dict[str, object] = field(default_factory=lambda: dict(BACK_TO_BACK))
    frames: int = 100
    batch: int = 1
    resampling: Resampling | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What one configuration costs here. What was not asked for is None.

    Attributes:
        variant: Its name.
        provider: Where it ran, as in a station file.
        resampling: Rung of the ladder of resizes.
        batch: Frames in each call.
        frames: How many calls were timed.
        latency_ms_p50: From a 1080p frame in memory to its prediction, or from a batch of them to
            its last; likewise the others.
        engine_ms_p50: Of that, the network alone.
        frames_per_s: Frames one after another, from memory.
        cold_start_s: From the start of the process to its first answer from an image file.
        peak_memory_mb: Resident memory up to the first answer, in 2**20 bytes.
        peak_memory_1080p_mb: The same up to the end, with 1080p frames.
        placement: Which node ran where, as a table.
        placement_line: The same for people.
        jpeg_ms_p50: From a 1080p JPEG file to its prediction; likewise the others.
        cpu_share_10_hz: Work of the process at 10 frames a second, as a share of one core.
        wrong: Why the golden samples were not answered rightly here; empty if they were.
        busy: One line where other programs kept the machine at work meanwhile; else empty.

    """

    variant: str
    provider: dict[str, object]
    resampling: Resampling
    batch: int
    frames: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    latency_ms_p99_9: float
    engine_ms_p50: float
    frames_per_s: float
    cold_start_s: float
    peak_memory_mb: float
    peak_memory_1080p_mb: float
    placement: dict[str, object]
    placement_line: str
    jpeg_ms_p50: float | None = None
    jpeg_ms_p95: float | None = None
    jpeg_ms_p99: float | None = None
    jpeg_ms_p99_9: float | None = None
    cpu_share_10_hz: float | None = None
    wrong: str | None = None
    busy: str = ""


def measure(wanted: Wanted) -> Measured:
    """Measure one configuration in a new process.

    Raises:
        DeviceError: The process failed.

    """
    bundle = Bundle.open(wanted.bundle)
    rung = wanted.resampling or bundle.preprocessing.resampling
    configuration = Configuration(wanted.variant, wanted.provider, rung, wanted.batch)
    with tempfile.TemporaryDirectory(prefix="edgecls-") as folder:
        frame = scene.write(bundle, Path(folder))
        with Trial(wanted.bundle, frame, configuration) as trial:
            whole = wanted.whole
            told = trial.ask(Ask(wanted.frames, wanted.batch, jpeg=whole, engine=True))
            paced = trial.ask(Ask(paced=min(wanted.frames, PACED_FRAMES))) if whole else Told()
            wrong = trial.ask(Ask(golden=True)).wrong if whole else None
            return _summed(trial, told, paced, wrong)


def _summed(trial: Trial, told: Told, paced: Told, wrong: str | None) -> Measured:
    configuration, ready = trial.configuration, trial.ready
    return Measured(
        configuration.variant,
        configuration.provider,
        configuration.resampling,
        configuration.batch,
        len(told.frame_s),
        **_percentiles("latency_ms", told.frame_s),
        engine_ms_p50=milliseconds(told.engine_s, 50),
        frames_per_s=frames_per_s(told.frame_s, configuration.batch),
        cold_start_s=ready.cold_start_s,
        peak_memory_mb=ready.peak_memory_mb,
        peak_memory_1080p_mb=told.peak_memory_mb,
        placement=ready.placement,
        placement_line=ready.placement_line,
        **_percentiles("jpeg_ms", told.jpeg_s),
        cpu_share_10_hz=paced.cpu_share,
        wrong=wrong,
        busy=environment.warning(trial.load.others_cores, machine.cores()),
    )


def milliseconds(seconds: Sequence[float], percent: float) -> float:
    """Return a percentile of durations given in seconds, in milliseconds."""
    return round(1000 * percentile(list(seconds), percent), 3)


def frames_per_s(seconds: Sequence[float], batch: int) -> float:
    """Return the frames a second of calls that each took so long for a batch."""
    return round(batch * len(seconds) / math.fsum(seconds), 2)


def _percentiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return p50 to p99.9 under their names; empty where nothing was timed."""
    percents = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9} if seconds else {}
    return {f"{name}_{short}": milliseconds(seconds, p) for short, p in percents.items()}
