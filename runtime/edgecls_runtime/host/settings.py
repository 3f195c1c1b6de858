"""The ``[host]`` table of a station file."""

from dataclasses import dataclass

from edgecls.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HostSettings:
    """From where on something is said of the machine.

    Attributes:
        memory_free_percent: Less of it is low.
        pressure_percent: Processes wait for memory for a larger share of the time (PSI, 10 s).
        disk_free_mb: Less on the disk of the journal or the evidence is low, MiB.
        temperature_c: Warmer is hot; None takes what the kernel slows down at, 80 where it does not
            say.

    """

    memory_free_percent: float = 5.0
    pressure_percent: float = 20.0
    disk_free_mb: float = 500.0
    temperature_c: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no machine can be."""
        for key in ("memory_free_percent", "pressure_percent"):
            if not 0 <= getattr(self, key) <= 100:  # NaN compares false
                raise ConfigError(f"host.{key}: {getattr(self, key):g}; expected 0 to 100")
        if not self.disk_free_mb >= 0:
            raise ConfigError(f"host.disk_free_mb: {self.disk_free_mb:g}; expected 0 or more")
        if self.temperature_c is not None and not 0 < self.temperature_c <= 150:
            raise ConfigError(
                f"host.temperature_c: {self.temperature_c:g}; expected above 0, at most 150"
            )
