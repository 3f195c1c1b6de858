"""Several cameras look at one part: its verdict is theirs together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edgecls.errors import ConfigError
from edgecls.verdict import Cause, Look, Outline, Verdict
from edgecls_runtime.decision import several
from edgecls_runtime.decision.answers import of_verdict
from edgecls_runtime.decision.several import Places

LONGEST_MS = 86_400_000
NOWHERE: Outline = ((0.0, 0.0),) * 4


class Cameras(StrEnum):
    """What the cameras of a station look at."""

    EACH = "each"  # at parts of their own
    TOGETHER = "together"  # all at the same part


@dataclass(frozen=True, slots=True)
class Parts:
    """The ``[parts]`` table of a station file: what is one part.

    Attributes:
        cameras: Whether each camera has parts of its own.
        must_pass: Which of several cameras that look at one part must pass it.
        most_bad: So many of them may be bad where all must pass; a part with more fails.
        wait_ms: How long after the first camera's verdict the others are waited for; None is
            ``timeout_ms`` and a second more.

    """

    cameras: Cameras = Cameras.EACH
    must_pass: Places = Places.ALL
    most_bad: int = 0
    wait_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        given = self.must_pass is not Places.ALL or self.most_bad or self.wait_ms is not None
        if self.cameras is Cameras.EACH and given:
            raise ConfigError(
                "parts: must_pass, most_bad or wait_ms with cameras = 'each', where each camera "
                "has parts of its own; set cameras = 'together', or leave them out"
            )
        if self.most_bad < 0:
            raise ConfigError(f"parts.most_bad: {self.most_bad}; expected 0 or more cameras")
        if self.most_bad and self.must_pass is Places.ANY:
            raise ConfigError(
                f"parts.most_bad: {self.most_bad} with must_pass = 'any', where one camera that "
                f"passes is enough; leave it out"
            )
        if self.wait_ms is not None and not 0 < self.wait_ms <= LONGEST_MS:
            raise ConfigError(
                f"parts.wait_ms: {self.wait_ms:g}; expected milliseconds above 0, at most a day"
            )


def together(verdicts: Mapping[str, Verdict], parts: Parts) -> Verdict:
    """Return the verdict of a part from those of its cameras (``several.outcome``).

    A camera that has not judged it, whatever the reason, lets no part pass. The verdict has what
    the camera had that is named; ``looks`` has every place of every camera. Its latency is that
    from the first of the frames to the last of the verdicts.

    Args:
        verdicts: By the camera's name, in the order of the station file; one that has no frame says
            so by its cause. At least one.
        parts: Which of them must pass.

    """
    names, given = list(verdicts), list(verdicts.values())
    answers = [of_verdict(verdict) for verdict in given]
    seen = [i for i, verdict in enumerate(given) if verdict.cause is Cause.JUDGED]
    outcome = several.outcome(answers, parts.must_pass, parts.most_bad)
    decided = several.deciding(answers, outcome, parts.must_pass)
    shown = given[decided if decided in seen or not seen else seen[0]]
    others = several.counted([answers[i] for i in seen], "cameras", len(given) - len(seen))
    arrived = [one.captured_at for one in given if one.captured_at is not None]
    return replace(
        shown,
        outcome=outcome,
        reason=f"{names[decided]}: {given[decided].reason}{others}",
        captured_at=min(arrived, default=None),
        decided_at=max(one.decided_at for one in given),
        announced_at=next((a for one in given if (a := one.announced_at) is not None), None),
        looks=tuple(look for name in names for look in _looks(name, verdicts[name])),
    )


def _looks(camera: str, verdict: Verdict) -> tuple[Look, ...]:
    """Return the places of one camera's frame, by its name; the frame is one where it has none."""
    if verdict.looks:
        return tuple(replace(look, name=f"{camera}: {look.name}") for look in verdict.looks)
    outline = NOWHERE
    if verdict.frame is not None:
        height, width = map(float, verdict.frame.image.shape[:2])
        outline = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    prediction = verdict.prediction
    label, score = (prediction.label, prediction.score) if prediction else ("", float("nan"))
    return (Look(camera, outline, verdict.outcome, label, score),)
