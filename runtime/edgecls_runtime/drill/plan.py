"""What a drill puts in the place of a station's camera, trigger, journal and outputs."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edgecls import schema
from edgecls_runtime.config import JournalSettings, Settings

# Of a station file with a longer one: a drill would take as many times longer.
LONGEST_TIMEOUT_MS = 2000.0
RATE_HZ = 20.0


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """The camera that stands in for one of the station's.

    Attributes:
        images: Folder of what it shows, in turn.
        state: Keeps its place in the script, over the end of its process too.
        script: As of the kind ``fake``, as is ``repeat``.
        live: As of the camera that it stands for, as is ``fires``.
        rate_hz: Frames a second.

    """

    images: Path
    state: Path
    script: tuple[str, ...]
    repeat: bool = False
    live: bool = True
    fires: bool = False
    rate_hz: float = RATE_HZ

    @property
    def table(self) -> dict[str, object]:
        """Return it as a station file has it."""
        return {"kind": "fake", **json.loads(json.dumps(asdict(self), default=str))}


@dataclass(frozen=True, slots=True)
class Plan:
    """A station for one fault.

    Attributes:
        station: The user's file.
        scratch: Folder that nothing is written outside of.
        cameras: What stands in for each camera, by its name.
        journal: Where the journal is kept; None where the station keeps none.
        reserve_mb: Of the journal.
        port: Where parts are announced; None where nothing announces any.
        with_outputs: Whether the station's own outputs are told, too.

    """

    station: Path
    scratch: Path
    cameras: dict[str, CameraPlan] = field(default_factory=dict)
    journal: Path | None = None
    reserve_mb: float = 1.0
    port: int | None = None
    with_outputs: bool = False

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read a plan that ``write`` wrote."""
        return schema.call(cls, json.loads(path.read_text(encoding="utf-8")), str(path))

    def write(self) -> Path:
        """Write the plan for the process that opens its station; return the file."""
        path = self.scratch / "plan.json"
        table = {key: value for key, value in asdict(self).items() if value is not None}
        path.write_text(json.dumps(table, default=str), encoding="utf-8")
        return path

    @property
    def told(self) -> Path:
        """Where an output that is told everything writes it."""
        return self.scratch / "told" / "verdicts.jsonl"

    def applied(self, settings: Settings) -> Settings:
        """Return the settings of a station file, with what the drill puts in their place."""
        tables = {name: one.table for name, one in self.cameras.items()}
        alone = tables.get("")
        return replace(
            settings,
            camera=alone or {},
            cameras={} if alone else tables,
            trigger=None if self.port is None else {"kind": "http", "port": self.port},
            capture=replace(settings.capture, delay_ms=0.0),
            journal=None
            if self.journal is None
            else JournalSettings(self.journal, reserve_mb=self.reserve_mb),
            outputs=self._outputs(settings),
            web=None,
            timeout_ms=min(settings.timeout_ms, LONGEST_TIMEOUT_MS),
        )

    def _outputs(self, settings: Settings) -> tuple[dict[str, object], ...]:
        own: list[dict[str, object]] = [{"kind": "terminal", "json": True, "name": "drill lines"}]
        if self.journal is not None:
            own.append({"kind": "file", "path": str(self.told), "name": "drill file"})
        if self.with_outputs:
            # stdout is the drill's.
            own += [one for one in settings.outputs if one.get("kind") != "terminal"]
        return tuple(own)
