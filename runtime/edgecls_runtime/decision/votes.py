"""Several frames of one part vote: its verdict is theirs together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecls.errors import ConfigError
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.decision import several
from edgecls_runtime.decision.answers import is_valid, of_verdict
from edgecls_runtime.decision.several import Places

# Each holds an image in memory until its part is judged: 6 MB of 1080p.
MOST_FRAMES = 16
LONGEST_RUN = 1000


@dataclass(frozen=True, slots=True)
class Vote:
    """The ``[vote]`` table of a station file: frames that must agree.

    With a trigger each part has ``frames``. Without one every frame is a part, and ``consecutive``
    steadies what is told.

    Attributes:
        frames: Frames of each announced part.
        need: So many of them must pass for the part to pass; None is all of them.
        tolerate: So many may fail; with more the part fails.
        consecutive: So many frames in a row must agree before the outcome changes.
        to_fail: The same, of a change to fail; None is ``consecutive``.
        to_pass: The same, of a change to pass; None is ``consecutive``.

    """

    frames: int = 1
    need: int | None = None
    tolerate: int = 0
    consecutive: int = 1
    to_fail: int | None = None
    to_pass: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that can never be met, or contradict each other."""
        most = self.frames - self.needed
        _require("frames", self.frames, 1, MOST_FRAMES, "frames")
        _require("need", self.needed, 1, self.frames, "of the frames")
        _require("tolerate", self.tolerate, 0, most, "of the frames that are not needed")
        for key in ("consecutive", "to_fail", "to_pass"):
            value = getattr(self, key)
            _require(key, 1 if value is None else value, 1, LONGEST_RUN, "frames in a row")
        if self.frames > 1 and self.is_steadied:
            raise ConfigError(
                f"vote.frames: {self.frames} beside consecutive, to_fail or to_pass; frames are "
                f"of announced parts, the others of a camera that nothing triggers"
            )

    @property
    def needed(self) -> int:
        """How many frames must pass."""
        return self.frames if self.need is None else self.need

    @property
    def is_steadied(self) -> bool:
        """Whether frames in a row must agree."""
        return max(self.in_a_row(outcome) for outcome in Outcome) > 1

    def in_a_row(self, outcome: Outcome) -> int:
        """Return how many frames in a row change the outcome to this one."""
        own = {Outcome.FAIL: self.to_fail, Outcome.PASS: self.to_pass}.get(outcome)
        return self.consecutive if own is None else own


def voted(verdicts: Sequence[Verdict], vote: Vote) -> Verdict:
    """Return the verdict of a part from those of its frames, in the order in which they came.

    FAIL when more than ``tolerate`` fail; PASS when no more do and ``need`` pass; else REVIEW. A
    frame that is missing, and one in review, helps neither; scores that are no numbers let no part
    pass. What the frame had that is named, the verdict has, too.

    Args:
        verdicts: One a frame, at most ``vote.frames``; one without an image, or that the engine did
            not answer for, says so by its cause.
        vote: How many are needed.

    """
    answers = [of_verdict(verdict) for verdict in verdicts]
    seen = [i for i, verdict in enumerate(verdicts) if verdict.cause is Cause.JUDGED]
    if not seen:
        return verdicts[0] if verdicts else Verdict(Outcome.REVIEW, "no frame", cause=Cause.MISSED)
    count = Counter(answers[i].outcome for i in seen)
    broken = any(one.prediction and not is_valid(one.prediction) for one in verdicts)
    if count[Outcome.FAIL] > vote.tolerate:
        outcome = Outcome.FAIL
    else:
        passes = count[Outcome.PASS] >= vote.needed and not broken
        outcome = Outcome.PASS if passes else Outcome.REVIEW
    decided = several.deciding(answers, outcome, Places.ALL)
    shown = decided if decided in seen else seen[0]
    others = several.counted([answers[i] for i in seen], "frames", vote.frames - len(seen))
    reason = f"frame {decided + 1}: {verdicts[decided].reason}{others}"
    return replace(verdicts[shown], outcome=outcome, reason=reason)


def _require(key: str, value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise ConfigError(f"vote.{key}: {value}; expected {least} to {most} {what}")
