"""What is wrong with the machine now: said once when it begins, once when it is over."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecls.progress import Level, tell
from edgecls_runtime.host import findings, readings
from edgecls_runtime.host.clocks import Clocks, ClockWatch
from edgecls_runtime.host.figures import HostFigures
from edgecls_runtime.host.findings import Finding
from edgecls_runtime.host.settings import HostSettings

Say = Callable[[str, Level], object]

# So long is shown what is over as soon as it has happened: a jump, a sleep, a throttling.
SHOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is not as it should be.

    Attributes:
        name: Always the same for the same thing, such as ``memory`` or ``disk /var/lib``.
        text: For people: what was found, what was expected, what to do.
        since: Monotonic seconds.

    """

    name: str
    text: str
    since: float


class Conditions:
    """Looks at the machine when it is asked to; it has no thread.

    A look reads some dozen small files, and asks the disks, which takes as long as they take: it
    belongs in no thread that judges parts. It may be asked by several.

    Attributes:
        figures: As of the last look.

    """

    def __init__(
        self,
        settings: HostSettings | None = None,
        disks: Sequence[Path] = (),
        say: Say = tell,
        root: Path = Path("/"),
        clocks: Clocks | None = None,
    ) -> None:
        """Begin; nothing is looked at yet but the clocks.

        Args:
            settings: From where on something is said.
            disks: Files or folders whose disks must not fill up.
            say: Told of each change, once: when something begins, and when it is over.
            root: Where ``proc`` and ``sys`` are.
            clocks: The machine's.

        """
        self.figures = HostFigures()
        self._settings, self._disks, self._root = settings or HostSettings(), tuple(disks), root
        self._say = say
        self._clocks = clocks or Clocks()
        self._watch = ClockWatch(self._clocks)
        self._now: dict[str, Condition] = {}
        self._shown_until: dict[str, float] = {}
        self._throttlings = readings.throttlings(root)
        self._lock = threading.Lock()

    @property
    def now(self) -> tuple[Condition, ...]:
        """What was wrong at the last look, oldest first."""
        return tuple(self._now.values())

    def sample(self) -> tuple[Condition, ...]:
        """Look, say what has changed, and return what is wrong.

        While another thread looks, its last answer is returned.
        """
        if not self._lock.acquire(blocking=False):
            return self.now
        try:
            for finding in self._looked():
                self._note(finding)
            self._happened()
            return self.now
        finally:
            self._lock.release()

    def _note(self, finding: Finding) -> None:
        known = self._now.get(finding.name)
        if known is not None and finding.well:
            self._now = {n: one for n, one in self._now.items() if n != finding.name}
            self._say(finding.over, Level.INFO)
        elif known is not None:
            self._now[finding.name] = replace(known, text=finding.text)
        elif finding.bad:
            self._begin(finding.name, finding.text)

    def _begin(self, name: str, text: str) -> None:
        self._now = {**self._now, name: Condition(name, text, self._clocks.monotonic())}
        self._say(text, Level.WARNING)

    def _looked(self) -> Iterator[Finding]:
        """Look at all that has a state."""
        memory, pressure = readings.memory(self._root), readings.pressure(self._root)
        zones, speed = readings.zones(self._root), readings.speed(self._root)
        free = {path: readings.disk_free_mb(path) for path in self._disks}
        self.figures = HostFigures(
            memory_available_mb=None if memory is None else round(memory.available_mb, 1),
            memory_total_mb=None if memory is None else round(memory.total_mb, 1),
            memory_pressure_percent=pressure,
            temperature_c=max((zone.celsius for zone in zones), default=None),
            speed_share=None if speed is None else round(speed, 3),
            clock_jumped_s=round(self._watch.jumped, 3),
            asleep_s=round(self._watch.slept, 3),
            disk_free_mb={str(p): round(mb, 1) for p, mb in free.items() if mb is not None},
        )
        if memory is not None:
            yield findings.memory(memory, self._settings)
        if pressure is not None:
            yield findings.pressure(pressure, self._settings)
        yield from (findings.heat(zone, self._settings) for zone in zones)
        if speed is not None:
            yield findings.speed(speed)
        if (flags := readings.flags(self._root)) is not None:
            yield from findings.board(flags)
        for path, free_mb in free.items():
            if free_mb is not None:
                yield findings.disk(path, free_mb, self._settings)

    def _happened(self) -> None:
        """Look at what has no state: it is shown for a while, and said each time."""
        now = self._clocks.monotonic()
        jump, sleep = self._watch.look()
        self.figures = replace(
            self.figures,
            clock_jumped_s=round(self._watch.jumped, 3),
            asleep_s=round(self._watch.slept, 3),
        )
        happened = {}
        if jump:
            way = "forward" if jump > 0 else "back"
            happened["clock"] = (
                f"clock: set {way} by {abs(jump):.1f} s; verdicts before it are dated by the old "
                f"time, their order and times between them hold"
            )
        if sleep:
            happened["sleep"] = (
                f"sleep: this machine was asleep for {sleep:.1f} s; parts that came meanwhile were "
                f"not seen; forbid it: systemctl mask sleep.target"
            )
        if (count := self._throttled()) > 0:
            happened["throttling"] = (
                f"throttling: heat slowed the processor down {count} times since the last look; "
                f"verdicts take longer: cool it"
            )
        for name, text in happened.items():
            again = name in self._now and name == "throttling"
            self._shown_until[name] = now + SHOWN_S
            if again:
                self._now[name] = replace(self._now[name], text=text)
            else:
                self._begin(name, text)
        for name, until in [*self._shown_until.items()]:
            if now >= until:
                del self._shown_until[name]
                self._now = {n: one for n, one in self._now.items() if n != name}

    def _throttled(self) -> int:
        """Return how often heat slowed the processor down since the last look."""
        before, self._throttlings = self._throttlings, readings.throttlings(self._root)
        if before is None or self._throttlings is None:
            return 0
        return max(self._throttlings - before, 0)
