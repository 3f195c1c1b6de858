"""What a replay found, as one screen and as JSON."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from edgecls.verdict import Outcome
from edgecls_runtime.replaying import changes
from edgecls_runtime.replaying.changes import Pair, Proof
from edgecls_runtime.replaying.then import Judge

MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Report:
    """What came of judging kept images again.

    Attributes:
        bundle: Name, version and digest of what judged now.
        judge: Likewise, with variant and provider.
        kept: Images that were looked at.
        not_judged: Of those no rule decided then: not fit, too old, an engine that failed.
        left_out: Why others could not be judged, and lines of relabels that are none.
        pairs: All others.
        proof: Of the journal; None where another bundle judged then.
        interrupted: Whether the rest was not waited for.

    """

    bundle: str
    judge: Judge
    kept: int
    not_judged: int
    left_out: tuple[str, ...]
    pairs: tuple[Pair, ...]
    proof: Proof | None
    interrupted: bool

    @property
    def flipped(self) -> tuple[Pair, ...]:
        """Parts that another thing happens to, in the order of time."""
        return tuple(pair for pair in self.pairs if pair.is_flipped)

    def table(self) -> dict[str, object]:
        """Return it as programs read it; JSON knows it all."""
        counts, truth = changes.outcomes(self.pairs), changes.truth(self.pairs)
        labels = changes.labels(self.pairs)
        return {
            "bundle": self.bundle,
            "variant": self.judge.variant,
            "provider": self.judge.provider,
            "interrupted": self.interrupted,
            "images": self.kept,
            "judged": len(self.pairs),
            "not_judged_then": self.not_judged,
            "left_out": list(self.left_out),
            "changed": len(self.flipped),
            "of_several_frames": sum(not pair.alone for pair in self.pairs),
            "outcomes": {a: {b: counts[a, b] for b in Outcome} for a in Outcome},
            "labels": {
                label: {"images": images, "changed": flipped, "other_label": renamed}
                for label, (images, flipped, renamed) in labels.items()
            },
            "truth": None if truth is None else asdict(truth),
            "proof": None
            if self.proof is None
            else {"holds": self.proof.holds} | asdict(self.proof),
            "parts": [_row(pair) for pair in self.flipped],
        }

    def screen(self) -> str:
        """Return it as people read it."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        judged, changed = len(self.pairs), len(self.flipped)
        share = f" ({100 * changed / judged:.2f} %)" if judged else ""
        stopped = "; interrupted before the rest" if self.interrupted else ""
        yield f"bundle    {self.bundle}, {self.judge.variant} on {self.judge.provider}"
        yield (
            f"images    {judged} of {self.kept} judged again; {self.not_judged} were not judged "
            f"then, {len(self.left_out)} left out{stopped}"
        )
        yield f"changed   {changed}{share}"
        if several := sum(not pair.alone for pair in self.pairs):
            yield f"mind      {several} were judged by several frames then, here by the one kept"
        yield from self._truth()
        yield from self._proof()
        yield from self._outcomes()
        yield from self._labels()
        yield from self._parts()

    def _truth(self) -> Iterator[str]:
        truth = changes.truth(self.pairs)
        if truth is None:
            return
        bad = truth.parts - truth.good
        yield f"relabels  {truth.parts} parts: {truth.good} good, {bad} defective"
        yield "escapes   {} -> {} of {} defective parts passed".format(*truth.escapes, bad)
        yield "overkill  {} -> {} of {} good parts failed".format(*truth.overkill, truth.good)
        yield "right     {} -> {}; McNemar p = {:.3g}".format(*truth.right, truth.p)

    def _proof(self) -> Iterator[str]:
        if self.proof is None:
            return
        compared, answers = self.proof.compared, self.proof.answers
        alike = compared - len(self.proof.other_pixels)
        same = answers - len(self.proof.other_answers)
        word = "holds" if self.proof.holds else "FAILED"
        yield (
            f"proof     {word}: this bundle judged then; pixels of {alike} of {compared} images "
            f"and answers of {same} of {answers} are those of then"
        )
        for what, ids in (
            ("pixels", self.proof.other_pixels),
            ("answer", self.proof.other_answers),
        ):
            yield from (f"  other {what}  {one}" for one in ids[:MOST_LISTED])

    def _outcomes(self) -> Iterator[str]:
        counts = changes.outcomes(self.pairs)
        yield ""
        yield "then \\ now " + "".join(f"{now.upper():>8}" for now in Outcome)
        for before in Outcome:
            row = "".join(f"{counts[before, now]:8}" for now in Outcome)
            yield f"{before.upper():11}{row}"

    def _labels(self) -> Iterator[str]:
        found = changes.labels(self.pairs)
        wide = max([len("label then"), *map(len, found)])
        yield ""
        yield f"{'label then':{wide}}  images  changed  other label"
        for label, (images, flipped, renamed) in found.items():
            yield f"{label:{wide}}  {images:6}  {flipped:7}  {renamed:11}"

    def _parts(self) -> Iterator[str]:
        if not self.flipped:
            return
        yield ""
        for pair in self.flipped[:MOST_LISTED]:
            before, at = pair.then, pair.then.kept.key[:21].replace("/", " ")
            truth = f"  is {pair.truth}" if pair.truth else ""
            yield (
                f"{at}  {before.outcome.upper()} -> {pair.outcome.upper()}  "
                f"{before.label} {before.score:.3f} -> {pair.label} {pair.score:.3f}  "
                f"{before.part}  {before.id}{truth}"
            )
        if len(self.flipped) > MOST_LISTED:
            yield f"... {len(self.flipped) - MOST_LISTED} more; --json lists all"


def _row(pair: Pair) -> dict[str, object]:
    before = pair.then
    return {
        "id": before.id,
        "part": before.part,
        "image": str(before.kept.path),
        "outcome_then": before.outcome,
        "outcome_now": pair.outcome,
        "label_then": before.label,
        "label_now": pair.label,
        "score_then": _number(before.score),
        "score_now": _number(pair.score),
        "truth": pair.truth or None,
    }


def _number(score: float) -> float | None:
    return round(score, 6) if math.isfinite(score) else None
