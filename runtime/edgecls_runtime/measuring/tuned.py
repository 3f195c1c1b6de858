"""What ``edgecls tune`` chose for a bundle on this device, kept in the user's cache.

A choice holds for one bundle, one device and the versions of the packages that it was measured
with. Anything else here, and it is not used: a line says so, and nothing worse happens.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from edgecls import plugins, schema
from edgecls.bundle import Bundle
from edgecls.errors import ConfigError, DeviceError, EdgeclsError
from edgecls.manifest import Resampling
from edgecls.progress import tell
from edgecls_runtime import user_cache
from edgecls_runtime.machine import Device, device
from edgecls_runtime.measuring import rungs, versions
from edgecls_runtime.protocols import Provider

FORMAT = 1
PROVIDERS = "edgecls_runtime.providers"


class Aim(StrEnum):
    """What a device is tuned for."""

    LATENCY = "latency"
    """Least time from one frame to its prediction."""
    THROUGHPUT = "throughput"
    """Most frames a second."""
    CPU = "cpu"
    """Least work of the processor in a loop of 10 frames a second: energy, and room for others."""
    MEMORY = "memory"
    """Least peak memory of the process."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one configuration on this device.

    Attributes:
        latency_ms_p50: From a 1080p frame in memory to its prediction; of a batch, to its last.
        latency_ms_p99: The same, where one of a hundred is slower.
        frames_per_s: Frames one after another without a pause.
        accuracy: Share of images answered rightly, 0..1: measured here or as the bundle recorded.
        agreement: Share with the original's answer, 0..1, as the bundle recorded.
        cpu_share: Work of the process at 10 frames a second, as a share of one core; None where
            it was not measured.
        memory_mb: Peak memory of the process with 1080p frames, 2**20 bytes; None likewise.

    """

    latency_ms_p50: float
    latency_ms_p99: float
    frames_per_s: float
    accuracy: float | None = None
    agreement: float | None = None
    cpu_share: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How a bundle runs best on this device.

    Attributes:
        provider: A provider's table as in a station file: ``kind`` and its settings.
        variant: Name of the variant.
        resampling: How much of a large image the filter reads; never a faster rung than the
            bundle's own.
        batch: Frames in one call of the engine for who has several at once.
        aim: What it is best at.
        figures: What was measured of it.
        why: One sentence for people.

    """

    provider: dict[str, object]
    variant: str
    resampling: Resampling
    batch: int
    aim: Aim
    figures: Figures
    why: str

    def applied(self, bundle: Bundle) -> Bundle:
        """Return the bundle as it shall be run: with this choice's rung of resampling."""
        return rungs.at(bundle, self.resampling)

    def open_provider(self) -> Provider:
        """Open the provider with its settings.

        Raises:
            EdgeclsError: It is not to be had here, or the table is wrong.

        """
        provider: Provider = plugins.open_table(PROVIDERS, self.provider, "choice.provider")
        return provider


@dataclass(frozen=True, slots=True)
class Record:
    """A tune file: a choice, and what it holds for.

    Attributes:
        bundle: Name and version, for people.
        digest: The bundle's.
        device: Where it was measured.
        versions: Of each package and driver that its speed depends on.
        measured_at: Time, ISO 8601 with zone.
        choice: What was chosen.
        configurations: Everything that was measured, for people.
        format: Version of this layout.

    """

    bundle: str
    digest: str
    device: Device
    versions: dict[str, str]
    measured_at: str
    choice: Choice
    configurations: tuple[dict[str, object], ...] = field(default=())
    format: int = FORMAT


def find(bundle: Bundle, say: Callable[[str], object] | None = None) -> Choice | None:
    """Return what was chosen for a bundle on this device, or None.

    Args:
        bundle: Opened.
        say: Takes a line where a choice is there and cannot be used; by default stderr's.

    """
    choice, fault = look(bundle)
    if fault:
        (say or tell)(f"{fault}; not used; run: edgecls tune {bundle.path}")
    return choice


def look(bundle: Bundle) -> tuple[Choice | None, str]:
    """Return the stored choice, or why there is none to use: empty where nothing was stored."""
    try:
        path = file(bundle)
        if not path.exists():
            return None, _elsewhere(path, bundle)
        found = _read(path)
        fault = _stale(found) or _unfit(found.choice, bundle)
    except EdgeclsError as error:
        return None, str(error)
    return (None, f"{path}: {fault}") if fault else (found.choice, "")


def store(record: Record, bundle: Bundle) -> Path:
    """Write a tune file whole, or not at all; return its path.

    Raises:
        DeviceError: It cannot be written.

    """
    path = file(bundle)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tune-", dir=path.parent) as beside:
            whole = Path(beside) / path.name
            whole.write_text(
                json.dumps(asdict(record), indent=1, allow_nan=False) + "\n", encoding="utf-8"
            )
            whole.replace(path)
    except OSError as error:
        raise DeviceError(
            f"{path}: {error.strerror or error}; the choice is not stored; "
            f"set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return path


def file(bundle: Bundle) -> Path:
    """Return where the choice for a bundle on this device is kept.

    Raises:
        DeviceError: This user has no home.

    """
    facts = json.dumps(asdict(device()), sort_keys=True)
    return (
        user_cache.folder("tune")
        / f"{bundle.digest[:16]}-{sha256(facts.encode()).hexdigest()[:8]}.json"
    )


def _read(path: Path) -> Record:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: damaged: {error}") from error
    found = table.get("format") if isinstance(table, Mapping) else None
    if found != FORMAT:
        raise ConfigError(f"{path}: format {found!r}; this edgecls reads format {FORMAT}")
    return schema.call(Record, table, str(path))


def _stale(found: Record) -> str:
    here = versions.of(found.versions)
    changed = [
        f"{name} {then}, here is {here[name]}"
        for name, then in found.versions.items()
        if here[name] != then
    ]
    return f"measured with {'; '.join(changed)}" if changed else ""


def _elsewhere(path: Path, bundle: Bundle) -> str:
    """Return a line where the same bundle was tuned on a device that is not quite this one."""
    others = sorted(path.parent.glob(f"{bundle.digest[:16]}-*.json"))
    if not others:
        return ""
    then = _read(others[-1]).device
    return f"{others[-1]}: measured on {then}; this is {device()}"


def _unfit(choice: Choice, bundle: Bundle) -> str:
    """Return why a choice is not one that ``edgecls tune`` would have made; empty if it may be."""
    names = [variant.name for variant in bundle.variants]
    if choice.variant not in names:
        return f"variant {choice.variant!r}; the bundle has {', '.join(names)}"
    if choice.batch < 1:
        return f"batch {choice.batch}; expected 1 or more"
    try:
        choice.applied(bundle)
        choice.open_provider()
    except EdgeclsError as error:
        return str(error)
    return ""
