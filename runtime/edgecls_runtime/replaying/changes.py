"""What changed between then and now: counting only."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecls import metrics
from edgecls.verdict import Outcome
from edgecls_runtime.replaying.then import Judge, Then

# The journal keeps six digits of a score.
ALIKE = 1.5e-6


@dataclass(frozen=True, slots=True)
class Pair:
    """One part, judged twice.

    Attributes:
        then: By whom it was then.
        outcome: Now; the others likewise.
        pixels: Whether the network got the pixels of then: None where that cannot be told.
        truth: What a person says that it is; empty where nobody did.
        is_good: Whether that label lets a part pass.
        alone: Whether the frame decided alone then; else with others, which are not kept.

    """

    then: Then
    outcome: Outcome
    label: str
    score: float
    pixels: bool | None = None
    truth: str = ""
    is_good: bool = False
    alone: bool = True

    @property
    def is_flipped(self) -> bool:
        """Whether another thing happens to the part."""
        return self.outcome is not self.then.outcome

    @property
    def is_same(self) -> bool:
        """Whether the very same was answered."""
        close = math.isclose(self.score, self.then.score, rel_tol=0, abs_tol=ALIKE)
        numbers = close or (math.isnan(self.score) and math.isnan(self.then.score))
        outcome = not self.is_flipped or not self.alone
        return outcome and self.label == self.then.label and numbers


@dataclass(frozen=True, slots=True)
class Truth:
    """Against what people said: counts of parts.

    Attributes:
        parts: So many were relabelled or confirmed.
        good: Of those are good; the others are defective.
        escapes: Defective ones that passed: then, and now.
        overkill: Good ones that failed: then, and now.
        right: Good ones that passed and defective ones that failed: then, and now.
        p: Of then and now being right equally often, by McNemar's exact test.

    """

    parts: int
    good: int
    escapes: tuple[int, int]
    overkill: tuple[int, int]
    right: tuple[int, int]
    p: float


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the journal's answers come about again, where the same bundle judges.

    Attributes:
        compared: Images whose pixels can be compared.
        other_pixels: Ids of those that are not what the network got then.
        answers: Verdicts of the same variant, provider and rule.
        other_answers: Ids of those that are answered otherwise.

    """

    compared: int
    other_pixels: tuple[str, ...]
    answers: int
    other_answers: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.other_pixels and not self.other_answers


def outcomes(pairs: Sequence[Pair]) -> Counter[tuple[Outcome, Outcome]]:
    """Count parts by (outcome then, outcome now)."""
    return Counter((pair.then.outcome, pair.outcome) for pair in pairs)


def labels(pairs: Sequence[Pair]) -> dict[str, tuple[int, int, int]]:
    """Return of each label of then: its parts, those flipped, those with another label now."""
    found: dict[str, tuple[int, int, int]] = {}
    for pair in pairs:
        parts, flipped, renamed = found.get(pair.then.label, (0, 0, 0))
        found[pair.then.label] = (
            parts + 1,
            flipped + pair.is_flipped,
            renamed + (pair.label != pair.then.label),
        )
    return dict(sorted(found.items()))


def truth(pairs: Sequence[Pair]) -> Truth | None:
    """Compare with what people said; None where nobody said anything."""
    known = [pair for pair in pairs if pair.truth]
    if not known:
        return None
    good = np.array([pair.is_good for pair in known])
    both = [
        np.array([pair.then.outcome for pair in known]),
        np.array([pair.outcome for pair in known]),
    ]
    right = [np.where(good, some == Outcome.PASS, some == Outcome.FAIL) for some in both]
    escapes = [int((~good & (some == Outcome.PASS)).sum()) for some in both]
    overkill = [int((good & (some == Outcome.FAIL)).sum()) for some in both]
    return Truth(
        len(known),
        int(good.sum()),
        (escapes[0], escapes[1]),
        (overkill[0], overkill[1]),
        (int(right[0].sum()), int(right[1].sum())),
        metrics.mcnemar(right[0], right[1]),
    )


def proof(pairs: Sequence[Pair], judge: Judge, *, other_rule: bool) -> Proof | None:
    """Check the journal against what judges now; None where another bundle judges.

    Args:
        pairs: All of them.
        judge: What judges now.
        other_rule: Whether another rule decides than then.

    """
    same = [pair for pair in pairs if _is_bundle(pair.then.judge, judge)]
    if not same:
        return None
    compared = [pair for pair in same if pair.pixels is not None]
    answered = [] if other_rule else [pair for pair in same if _is_engine(pair.then.judge, judge)]
    return Proof(
        len(compared),
        tuple(pair.then.id for pair in compared if not pair.pixels),
        len(answered),
        tuple(pair.then.id for pair in answered if not pair.is_same),
    )


def _is_bundle(then: Judge, now: Judge) -> bool:
    return bool(then.digest) and now.digest.startswith(then.digest)


def _is_engine(then: Judge, now: Judge) -> bool:
    return (then.variant, then.provider) == (now.variant, now.provider)
