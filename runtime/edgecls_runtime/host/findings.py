"""What of the machine's figures is bad, and what is well again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecls_runtime.host import readings
from edgecls_runtime.host.settings import HostSettings

# What begins at a limit is over only when it is clearly below: else it would come and go.
COOLER_C = 5.0
RELIEF = 1.5
SLOW, FULL_SPEED = 0.95, 0.99


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at one thing; between ``bad`` and ``well`` it stays what it was."""

    name: str
    bad: bool
    well: bool
    text: str
    over: str


def memory(found: readings.Memory, settings: HostSettings) -> Finding:
    """Return whether memory is low."""
    least = settings.memory_free_percent
    said = f"memory: {found.available_mb:.0f} of {found.total_mb:.0f} MB of the {found.whose}"
    return Finding(
        "memory",
        found.free_percent < least,
        found.free_percent >= RELIEF * least,
        f"{said} left; expected {least:g} % or more; end what else runs here",
        f"{said} left again",
    )


def pressure(percent: float, settings: HostSettings) -> Finding:
    """Return whether processes wait for memory, at percent of the time."""
    most = settings.pressure_percent
    return Finding(
        "memory pressure",
        percent > most,
        percent <= most / RELIEF,
        f"memory pressure: processes wait for memory {percent:.0f} % of the time; expected at "
        f"most {most:g} %; end what else runs here",
        f"memory pressure: {percent:.0f} % of the time, over",
    )


def heat(zone: readings.Zone, settings: HostSettings) -> Finding:
    """Return whether a place is hot."""
    limit = settings.temperature_c
    limit = zone.limit if limit is None else limit
    return Finding(
        f"temperature {zone.name}",
        zone.celsius >= limit,
        zone.celsius <= limit - COOLER_C,
        f"temperature {zone.name}: {zone.celsius:.0f} C; expected less than {limit:.0f}; the "
        f"processor is slowed down: cool it",
        f"temperature {zone.name}: {zone.celsius:.0f} C, cool again",
    )


def disk(path: Path, free_mb: float, settings: HostSettings) -> Finding:
    """Return whether a disk is filling up."""
    least = settings.disk_free_mb
    return Finding(
        f"disk {path}",
        free_mb < least,
        free_mb >= RELIEF * least,
        f"disk {path}: {free_mb:.0f} MB left; expected {least:g} or more; free space",
        f"disk {path}: {free_mb:.0f} MB left again",
    )


def speed(share: float) -> Finding:
    """Return whether the processor may not run at its full frequency."""
    return Finding(
        "speed",
        share < SLOW,
        share >= FULL_SPEED,
        f"speed: the processor may run at {100 * share:.0f} % of its frequency; expected 100; "
        f"verdicts take longer; is it hot, short of power, or set so?",
        "speed: the processor may run at its full frequency again",
    )


def board(flags: int) -> Iterator[Finding]:
    """Return what the firmware of a Raspberry Pi says."""
    low = bool(flags & readings.UNDER_VOLTAGE)
    slow = bool(flags & (readings.CAPPED | readings.THROTTLING | readings.SOFT_LIMIT))
    yield Finding(
        "power",
        low,
        not low,
        "power: the supply's voltage is too low; expected 5 V under load; use the board's own "
        "supply and a short cable",
        "power: the supply's voltage is right again",
    )
    yield Finding(
        "board",
        slow,
        not slow,
        f"board: its firmware slows the processor down (get_throttled {flags:#x}); expected 0x0; "
        f"verdicts take longer: cool it, and see to its power",
        "board: the processor is not slowed down any more",
    )
