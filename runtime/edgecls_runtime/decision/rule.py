"""When a prediction is good enough to act on: the only file that turns scores into a PASS."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgecls.errors import ConfigError
from edgecls.prediction import Prediction
from edgecls.verdict import Look, Verdict
from edgecls_runtime.decision import several
from edgecls_runtime.decision.answers import NO_SCORES, Answer, is_valid, unsure
from edgecls_runtime.decision.costs import Costs
from edgecls_runtime.decision.several import Places
from edgecls_runtime.decision.sureness import Sureness
from edgecls_runtime.views.place import Place, Seen

MIN_SCORE, MIN_MARGIN = 0.9, 0.2


@dataclass(frozen=True, slots=True)
class Rule:
    """When a prediction is good enough to act on.

    Multilabel: a part passes when every label outside ``good`` is surely absent, and some good one
    is surely present (if ``good`` names any); it fails when one outside ``good`` is surely present.

    Attributes:
        good: The labels that let a part pass.
        min_score: Lowest score of the answer, 0..1, that is acted on; below it the part goes to
            review. For an absent multilabel label, one less its score. None is 0.9; with ``costs``
            there is none.
        min_margin: Smallest lead over the second label, 0..1, that is acted on. Not for multilabel.
            None is 0.2; with ``costs`` there is none.
        places: Where several places of a frame are looked at: whether all must pass, or any.
        most_bad: So many of them may be bad where all are looked at; a part with more fails.
        min_scores: Instead of ``min_score`` where one of these labels is the answer. A multilabel
            defect with a lower one fails sooner, but must be as surely absent as any.
        min_margins: Instead of ``min_margin`` where one of these labels is the answer.
        costs: Decide by what errors cost instead of by limits.

    """

    good: tuple[str, ...]
    min_score: float | None = None
    min_margin: float | None = None
    places: Places = Places.ALL
    most_bad: int = 0
    min_scores: dict[str, float] = field(default_factory=dict)
    min_margins: dict[str, float] = field(default_factory=dict)
    costs: Costs | None = None

    def __post_init__(self) -> None:
        """Refuse limits that can never be met, or always are."""
        if isinstance(self.good, str):  # a part of that text would count as good
            raise ConfigError(f"rule.good: {self.good!r} is one text; expected a list of labels")
        self._settle_limits()
        for key, value in self._limits():
            if not 0 <= value <= 1:
                raise ConfigError(f"rule.{key}: {value:g}; expected a score from 0 to 1")
        if self.most_bad < 0:
            raise ConfigError(f"rule.most_bad: {self.most_bad}; expected 0 or more places")
        if self.most_bad and self.places is Places.ANY:
            raise ConfigError(
                f"rule.most_bad: {self.most_bad} with places = 'any', where one place that passes "
                f"is enough; leave it out"
            )

    def check(self, labels: tuple[str, ...], where: str = "rule") -> None:
        """Raise ConfigError for a label that the bundle does not know.

        Args:
            labels: Of the bundle.
            where: The rule's table in its file, for the message.

        """
        named = {
            "good": self.good,
            "min_scores": self.min_scores,
            "min_margins": self.min_margins,
            "costs.labels": self.costs.labels if self.costs else (),
        }
        for key, found in named.items():
            for label in found:
                if label not in labels:
                    raise ConfigError(
                        f"{where}.{key}: {label!r} is no label of the bundle; "
                        f"its labels are {', '.join(labels)}"
                    )

    def __call__(self, prediction: Prediction) -> Verdict:
        """Judge one prediction."""
        answer = self.answer(prediction)
        return Verdict(answer.outcome, answer.reason, prediction)

    def judge_places(self, seen: Sequence[Seen]) -> Verdict:
        """Judge the places of one frame, each by itself and then together (``several.outcome``)."""
        answers = [self._for(one.place).answer(one.prediction) for one in seen]
        outcome = several.outcome(answers, self.places, self.most_bad)
        decided = several.deciding(answers, outcome, self.places)
        looks = tuple(
            Look(one.place.name, one.place.outline, answer.outcome, answer.label, answer.score)
            for one, answer in zip(seen, answers, strict=True)
        )
        others = several.counted(answers, "places")
        reason = f"{looks[decided].name}: {answers[decided].reason}{others}"
        return Verdict(outcome, reason, seen[decided].prediction, looks=looks)

    def answer(self, prediction: Prediction) -> Answer:
        """Decide about one prediction, and say which label did."""
        if not is_valid(prediction):
            return unsure(prediction, NO_SCORES, valid=False)
        if self.costs is not None:
            return self.costs.answer(prediction, self.good)
        sureness = Sureness(
            MIN_SCORE if self.min_score is None else self.min_score,
            MIN_MARGIN if self.min_margin is None else self.min_margin,
            self.min_scores,
            self.min_margins,
        )
        return sureness.answer(prediction, self.good)

    def _for(self, place: Place) -> "Rule":
        return self if place.good is None else replace(self, good=place.good)

    def _settle_limits(self) -> None:
        """Give limits their defaults; refuse them beside costs, which say the same."""
        if self.costs is None:
            for key, value in (("min_score", MIN_SCORE), ("min_margin", MIN_MARGIN)):
                if getattr(self, key) is None:
                    object.__setattr__(self, key, value)
        elif limits := self._limits():
            raise ConfigError(
                f"rule.{limits[0][0]}: beside rule.costs, which decide what goes to review; "
                f"leave one of both out"
            )

    def _limits(self) -> list[tuple[str, float]]:
        """Return each limit that is set, with its key."""
        single = (("min_score", self.min_score), ("min_margin", self.min_margin))
        return [
            *((key, value) for key, value in single if value is not None),
            *((f"min_scores.{label}", value) for label, value in self.min_scores.items()),
            *((f"min_margins.{label}", value) for label, value in self.min_margins.items()),
        ]
