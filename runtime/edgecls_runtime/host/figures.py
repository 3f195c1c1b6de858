"""Figures of the machine, for programs."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class HostFigures:
    """Figures of the machine; None where it does not tell.

    Attributes:
        memory_available_mb: Of the machine, or of the service where that may have less, MiB.
        memory_total_mb: Of the same.
        memory_pressure_percent: Share of the last 10 s in which some process waited for memory.
        temperature_c: Of the warmest place.
        speed_share: Share of its highest frequency that the slowest core may have, 0..1.
        clock_jumped_s: By how much the wall clock was set since the start; back is negative.
        asleep_s: How long the machine slept since the start.
        disk_free_mb: For each path, MiB.

    """

    memory_available_mb: float | None = None
    memory_total_mb: float | None = None
    memory_pressure_percent: float | None = None
    temperature_c: float | None = None
    speed_share: float | None = None
    clock_jumped_s: float = 0.0
    asleep_s: float = 0.0
    disk_free_mb: dict[str, float] = field(default_factory=dict)

    def table(self) -> dict[str, object]:
        """Return it as programs read it."""
        return asdict(self)
