"""Parts between the camera and the gate, in their order: a shift register. No clock, no pins.

What is not known to be good is rejected: a part whose verdict has not come when it is at the gate,
and parts too near to each other to be told apart there. Positions are seconds or an encoder's
counts: whatever grows as the belt moves.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, replace
from math import inf

# A belt on which more parts lie is none: something chatters.
MOST = 10_000
# Of parts whose verdict has still to come, so long remembered.
MOST_GONE = 1000


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of parts.

    Attributes:
        arrived: Parts that came to the gate.
        rejected: Those of them that were to be rejected.
        late: Those of them whose verdict had not come.
        crowded: Parts that lay too near to another one to be told from it: rejected too.
        taken_along: Good parts that came while the gate was still open for one before.
        lost: Parts whose place on the belt was lost.
        unseen: Parts that were beyond the gate before anything was known of them.

    """

    arrived: int = 0
    rejected: int = 0
    late: int = 0
    crowded: int = 0
    taken_along: int = 0
    lost: int = 0
    unseen: int = 0


@dataclass(slots=True)
class Part:
    """One part on the belt.

    Attributes:
        name: Its id.
        gate: Position of the belt when it is at the gate.
        rejects: What its verdict says; None before there is one.
        is_crowded: Whether it lies too near to another.
        trust: How often trust was lost before its verdict came.

    """

    name: str
    gate: float
    rejects: bool | None = None
    is_crowded: bool = False
    trust: int = -1

    @property
    def is_rejected(self) -> bool:
        """Whether the gate opens for it."""
        return self.is_crowded or self.rejects is not False


@dataclass(frozen=True, slots=True)
class Late:
    """A verdict came when its part was no longer before the gate.

    Attributes:
        by: How far the part is beyond the gate, in positions.
        was: What became of it: "rejected", "lost", or "unseen".

    """

    by: float
    was: str


class PartsInFlight:
    """The register; one thread at a time."""

    def __init__(self, least_gap: float = 0.0, most: int = MOST) -> None:
        """Begin with an empty belt of which nothing is known.

        Args:
            least_gap: Parts nearer to each other than this cannot be told apart at the gate; those
                at the very same position are one part, seen by several.
            most: Parts at most.

        """
        self._least_gap, self._most = least_gap, most
        self._belt: list[Part] = []
        self._gone: deque[tuple[Part, str]] = deque(maxlen=MOST_GONE)
        self._latest = -inf
        self._losses = 0
        self.is_trusted = False
        self.tally = Tally()

    @property
    def next(self) -> float:
        """Position at which the next part comes to the gate; infinite where there is none."""
        return self._belt[0].gate if self._belt else inf

    def __len__(self) -> int:
        return len(self._belt)

    def expect(self, name: str, gate: float) -> None:
        """Enter a part whose verdict will follow."""
        self._enter(Part(name, gate))

    def judge(self, name: str, gate: float, now: float, *, rejects: bool) -> Late | None:
        """Fill in what becomes of a part; one that was not announced is entered.

        Args:
            name: Its id; of several parts of one id the first that has no verdict.
            gate: Where it is at the gate, if it was not announced.
            now: Where the belt is.
            rejects: What its verdict says.

        """
        for gone in self._gone:
            part, was = gone
            if part.name == name:
                self._gone.remove(gone)
                return Late(now - part.gate, was)
        found = next((one for one in self._belt if one.name == name and one.rejects is None), None)
        if found is None:
            if gate <= now:
                self.tally = replace(self.tally, unseen=self.tally.unseen + 1)
                return Late(now - gate, "unseen")
            found = Part(name, gate)
            self._enter(found)
        found.rejects, found.trust = rejects, self._losses
        return None

    def arrive(self, position: float) -> list[Part]:
        """Return the parts that have come to the gate, in their order, and take them off.

        Trust comes back with the first of them that was judged after it was lost: what is before
        that one on the belt may never have been seen.
        """
        found = []
        while self._belt and self._belt[0].gate <= position:
            part = self._belt.pop(0)
            self._latest = part.gate
            if part.trust == self._losses:
                self.is_trusted = True
            if part.rejects is None:
                self._gone.append((part, "rejected"))
            self.tally = replace(
                self.tally,
                arrived=self.tally.arrived + 1,
                rejected=self.tally.rejected + part.is_rejected,
                late=self.tally.late + (part.rejects is None),
            )
            found.append(part)
        return found

    def take_along(self) -> None:
        """Count a good part that was rejected with the one before."""
        self.tally = replace(self.tally, taken_along=self.tally.taken_along + 1)

    def distrust(self) -> None:
        """Take note that parts may lie on the belt of which nothing is known."""
        self._losses += 1
        self.is_trusted = False

    def lose(self) -> None:
        """Forget where the parts are, as after lost counts."""
        self.distrust()
        self.tally = replace(self.tally, lost=self.tally.lost + len(self._belt))
        self._gone.extend((part, "lost") for part in self._belt if part.rejects is None)
        self._belt.clear()

    def _enter(self, part: Part) -> None:
        if len(self._belt) >= self._most:
            self.distrust()
            return
        near = [one for one in self._belt if self._is_near(one.gate, part.gate)]
        part.is_crowded = bool(near) or self._is_near(part.gate, self._latest)
        newly = part.is_crowded + sum(not one.is_crowded for one in near)
        for one in near:
            one.is_crowded = True
        self.tally = replace(self.tally, crowded=self.tally.crowded + newly)
        insort(self._belt, part, key=lambda one: one.gate)

    def _is_near(self, one: float, other: float) -> bool:
        return 0 < abs(one - other) < self._least_gap
