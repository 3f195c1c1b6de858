"""How a station is, as whoever wires it tells the page."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing of a station is."""

    OK = "ok"
    WARNING = "warning"  # works, and somebody should look after it
    FAULT = "fault"  # does not work


@dataclass(frozen=True, slots=True)
class Health:
    """How one thing is.

    Attributes:
        kind: ``camera``, ``output``, ``disk``, ``provider``, ``journal``, ``trigger``.
        name: Which of them.
        state: In one word.
        text: In one line: the fault, or a figure that shows it is well.

    """

    kind: str
    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of the parts of this run.

    Attributes:
        triggers: Parts that were announced, or frames taken for parts.
        passed: And so on: what they count as.
        waiting: Announced and not yet judged.
        incidents: Things that happened and are no parts.

    """

    triggers: int = 0
    passed: int = 0
    failed: int = 0
    review: int = 0
    missed: int = 0
    error: int = 0
    waiting: int = 0
    incidents: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether every part that was announced is accounted for."""
        judged = self.passed + self.failed + self.review + self.missed + self.error
        return self.triggers == judged + self.waiting

    def table(self) -> dict[str, object]:
        """Return it as JSON knows it, with the words of ``Verdict.counts_as``."""
        return {
            "triggers": self.triggers,
            "pass": self.passed,
            "fail": self.failed,
            "review": self.review,
            "missed": self.missed,
            "error": self.error,
            "waiting": self.waiting,
            "incidents": self.incidents,
            "is_balanced": self.is_balanced,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """How a station is now.

    Attributes:
        station: Its name; empty where it has none.
        started_at: UTC, ISO 8601, when this run began.
        bundle: Name, version and digest of what judges.
        recipe: Name of the recipe that judges; empty where there is one rule.
        labels: Of the bundle, in its order: what a picture may be relabelled as.
        provider: Where it is judged.
        placement: How much of the network runs there.
        balance: What became of the parts.
        health: Of everything the station stands on.

    """

    station: str = ""
    started_at: str = ""
    bundle: str = ""
    recipe: str = ""
    labels: tuple[str, ...] = ()
    provider: str = ""
    placement: str = ""
    balance: Balance = Balance()
    health: tuple[Health, ...] = ()

    @property
    def worst(self) -> State:
        """The state of what is worst."""
        found = {health.state for health in self.health}
        return next((s for s in (State.FAULT, State.WARNING) if s in found), State.OK)

    def table(self) -> dict[str, object]:
        """Return it as JSON knows it."""
        return {**asdict(self), "balance": self.balance.table(), "state": self.worst}
