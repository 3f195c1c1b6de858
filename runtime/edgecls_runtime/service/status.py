"""What became of a station's service."""

from dataclasses import asdict, dataclass
from pathlib import Path

from edgecls_runtime.service import installing, systemd, unit

PROPERTIES = (
    "ActiveState", "SubState", "Result", "NRestarts", "MainPID", "StatusText", "UnitFileState",
    "ExecMainStatus", "MemoryCurrent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Status:
    """How a service stands.

    Attributes:
        name: Of the station.
        state: As systemd says it: ``active``, ``activating``, ``failed``, ``inactive`` ...
        detail: More of it, such as ``running`` or ``auto-restart``.
        enabled: Whether it starts with the machine.
        restarts: How often it was started again by itself.
        result: Why it ended last: ``success``, ``watchdog``, ``signal``, ``exit-code`` ...
        exit_code: Of its last end.
        pid: Of its process; 0 where there is none.
        memory_mb: Of all its processes, MiB; None where that is not counted.
        said: What the station says that it does.
        ours: Whether the unit is as it was written.

    """

    name: str
    state: str
    detail: str
    enabled: bool
    restarts: int
    result: str
    exit_code: int
    pid: int
    memory_mb: float | None
    said: str
    ours: bool

    def table(self) -> dict[str, object]:
        """Return it as programs read it."""
        return asdict(self)

    def __str__(self) -> str:
        """Return one line."""
        words = [f"{self.name}: {self.state} ({self.detail})"]
        if self.pid:
            words.append(f"process {self.pid}")
        if self.memory_mb is not None:
            words.append(f"{self.memory_mb:.0f} MB")
        words.append(f"{self.restarts} restarts")
        if self.result != "success":
            words.append(f"last end: {self.result}, exit code {self.exit_code}")
        if not self.enabled:
            words.append("does not start with the machine")
        if not self.ours:
            words.append("its unit was changed by hand")
        return "; ".join([*words, *([self.said] if self.said else [])])


def of(name: str, folder: Path = systemd.UNITS) -> Status:
    """Ask systemd for a station's service.

    Raises:
        ConfigError: There is none.
        DeviceError: systemd does not answer.

    """
    text = installing.found(name, folder)
    said = systemd.shown(unit.unit_of(name), *PROPERTIES)
    used = said.get("MemoryCurrent", "")
    return Status(
        name=name,
        state=said.get("ActiveState", "unknown"),
        detail=said.get("SubState", "unknown"),
        enabled=said.get("UnitFileState") == "enabled",
        restarts=_number(said.get("NRestarts", "")),
        result=said.get("Result", "unknown"),
        exit_code=_number(said.get("ExecMainStatus", "")),
        pid=_number(said.get("MainPID", "")),
        # Not counted is the largest number that there is.
        memory_mb=round(int(used) / 2**20, 1) if used.isdecimal() and int(used) < 2**60 else None,
        said=said.get("StatusText", ""),
        ours=unit.is_ours(text),
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
