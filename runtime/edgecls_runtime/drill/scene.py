"""Where faults are tried: a station file, what its cameras show, and a scratch folder."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgecls_runtime.config import Settings
from edgecls_runtime.drill import feeding
from edgecls_runtime.drill.account import Account, account
from edgecls_runtime.drill.pictures import Shown
from edgecls_runtime.drill.plan import RATE_HZ, CameraPlan, Plan
from edgecls_runtime.drill.running import Running, Told, started

# Parts a second that are announced, where something announces them.
FEED_HZ = 10.0
# From the start of a process to its first verdict: large networks are built for minutes.
START_S = 300.0
ENDLESS = "frame*1000000000"


class Untried(Exception):  # noqa: N818 - no error: it is said why, and not counted
    """A fault cannot be tried here; the message says why."""


class Broken(Exception):  # noqa: N818 - what was seen
    """The station did not do what every fault needs; the message says what was seen."""


@dataclass
class Trial:
    """A station that runs for one fault.

    Attributes:
        running: It.
        plan: What it runs with.
        stations: Names of the stations in it; faults of a camera befall the first.
        feeder: What announces parts; None where nothing does.

    """

    running: Running
    plan: Plan
    stations: tuple[str, ...]
    feeder: feeding.Feeder | None

    def first(self) -> Told:
        """Wait for the first part that the network has judged.

        Raises:
            Broken: None came.

        """
        found = self.running.until_told(lambda told: told.is_judged, START_S)
        if found is None:
            raise Broken(f"nothing was judged: {self.why}")
        return found

    def more(self, count: int, seconds: float) -> float:
        """Wait for so many more verdicts; return for how long, s.

        Raises:
            Broken: They did not come in time.

        """
        began, wanted = time.monotonic(), len(self.running.told) + count
        if not self.running.until(lambda: len(self.running.told) >= wanted, seconds):
            raise Broken(f"no more verdicts: {self.why}")
        return time.monotonic() - began

    @property
    def why(self) -> str:
        """What it is doing instead of what is waited for."""
        if self.running.has_ended:
            return f"the station ended: {self.running.last_words}"
        told = self.running.told
        return f"last verdict: {told[-1].table['reason']}" if told else "there was no verdict"

    def own(self) -> list[Told]:
        """Return the verdicts of the station that faults of a camera befall."""
        return [told for told in self.running.told if told.table["camera"] == self.stations[0]]

    def ended(self) -> Account:
        """Stop the station, and compare its journal with who was told.

        Raises:
            Broken: It did not end well.

        """
        if self.feeder is not None:
            self.feeder.stop()
        code = self.running.stop()
        if code:
            raise Broken(f"it ended with exit code {code}: {self.running.last_words}")
        return self.account()

    def account(self) -> Account:
        """Compare the journal of a station that has ended with who was told."""
        if self.plan.journal is None:
            return Account()
        taken = self.feeder.acknowledged if self.feeder else []
        told = [told.table for told in self.running.told]
        return account(self.plan.journal, told, taken, self.stations)


@dataclass
class Scene:
    """What all faults of a drill are tried with.

    Attributes:
        station: The user's file.
        settings: Read from it.
        shown: What each camera shows, by its name.
        scratch: Folder that nothing is written outside of.
        with_outputs: Whether the station's own outputs are told, too.
        trouble: Why nothing is judged also without a fault; empty where it is.
        judged_hz: Parts a second that one camera's station judges without a fault.
        start_s: From the start of its process to its first verdict.

    """

    station: Path
    settings: Settings
    shown: dict[str, Shown]
    scratch: Path
    with_outputs: bool = False
    trouble: str = ""
    judged_hz: float = FEED_HZ
    start_s: float = 0.0
    _count: int = field(default=0)

    @property
    def camera(self) -> str:
        """The camera that faults of cameras befall."""
        return next(iter(self.shown))

    @property
    def pace_hz(self) -> float:
        """Frames a second of that camera."""
        return FEED_HZ if self._fires(self.shown[self.camera]) else RATE_HZ

    @property
    def is_announced(self) -> bool:
        """Whether something announces parts."""
        return self.settings.trigger is not None

    def require(self, *, live: bool = False, journal: bool = False, judges: bool = True) -> None:
        """Say what a fault needs.

        Raises:
            Untried: That is not so here.

        """
        if judges and self.trouble:
            raise Untried(f"without any fault, too: {self.trouble}")
        if live and not self.shown[self.camera].live:
            kind = self.settings.all_cameras[self.camera]["kind"]
            raise Untried(f"the camera is a {kind}: what lies there is no camera to lose")
        if journal and self.settings.journal is None:
            raise Untried("the station keeps no journal; expected [journal] with its path")

    def frames(self, seconds: float) -> int:
        """Return how many frames of the camera that faults befall are so many seconds."""
        return round(seconds * self.pace_hz)

    def plan(self, script: tuple[str, ...] = (), journal: Path | None = None) -> Plan:
        """Return a plan in a place of its own, whose camera plays a script first.

        Args:
            script: What befalls the camera; afterwards it shows frames without end.
            journal: Where the journal is, instead of in that place.

        """
        self._count += 1
        scratch = self.scratch / f"{self._count}"
        scratch.mkdir()
        cameras = {
            name: CameraPlan(
                images=shown.folder,
                state=scratch / f"place {number}",
                script=(*(script if self._befalls(name) else ()), ENDLESS),
                live=shown.live,
                fires=self._fires(shown),
            )
            for number, (name, shown) in enumerate(self.shown.items())
        }
        kept = (journal or scratch / "journal" / "verdicts.db") if self.settings.journal else None
        port = feeding.free_port() if self.is_announced else None
        return Plan(
            self.station.absolute(), scratch, cameras, kept, port=port,
            with_outputs=self.with_outputs,
        )  # fmt: skip

    @contextmanager
    def trial(self, plan: Plan, feed_hz: float = FEED_HZ) -> Iterator[Trial]:
        """Run the station of a plan; it ends with the block, whatever happens."""
        stations = self.settings.stations
        with (
            started(plan) as running,
            feeding.fed(plan.port, feed_hz, lambda: len(running.told) // len(stations)) as feeder,
        ):
            yield Trial(running, plan, stations, feeder)

    def _befalls(self, camera: str) -> bool:
        """Tell whether faults of a camera befall this one: all, where they look at one part."""
        return camera == self.camera or self.settings.together

    def _fires(self, shown: Shown) -> bool:
        return shown.fires and self.is_announced
