"""What a fault is, and what may come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edgecls_runtime.drill.scene import Scene


class Result(StrEnum):
    """How what was seen compares with what was expected."""

    EXPECTED = "as expected"
    UNEXPECTED = "NOT as expected"
    UNTRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        right: Whether it is what was expected.
        text: It, in one line.

    """

    right: bool
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that befalls a station.

    Attributes:
        name: For ``--only``.
        done: What the drill does.
        expected: What the station should do about it.
        tried: Does it; raises ``Untried`` where it cannot be done here.

    """

    name: str
    done: str
    expected: str
    tried: Callable[[Scene], Seen]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault as it went.

    Attributes:
        fault: Which one.
        result: In one word.
        seen: In one line; of one that was not tried, why.
        tries: How often.
        seconds: All tries together.

    """

    fault: Fault
    result: Result
    seen: str
    tries: int
    seconds: float

    def table(self) -> dict[str, object]:
        """Return it as programs read it."""
        return {
            "fault": self.fault.name,
            "done": self.fault.done,
            "expected": self.fault.expected,
            "seen": self.seen,
            "result": self.result.value,
            "tries": self.tries,
            "seconds": round(self.seconds, 1),
        }
