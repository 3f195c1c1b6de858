"""Limits of single labels, and what errors cost: as tables, and over whole grids of scores."""

import re
from itertools import product

import numpy as np
import pytest

from edgecls import Outcome, Prediction, Task
from edgecls.errors import ConfigError
from edgecls_runtime.decision.costs import Costs
from edgecls_runtime.decision.rule import Rule

LABELS = ("ok", "scratch", "crack")
P, F, R = Outcome.PASS, Outcome.FAIL, Outcome.REVIEW
STEPS = 20
COSTS = Costs(escape=100, overkill=1, review=0.5)
DEAR_CRACK = Costs(escape=100, overkill=1, review=0.5, labels={"crack": 1000})


def scored(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS)


def labelled(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS, Task.MULTILABEL, (0.5,) * 3)


@pytest.mark.parametrize(
    ("scores", "outcome", "reason"),
    [
        ((0.94, 0.03, 0.03), R, "ok scored 0.940 < 0.95"),
        ((0.96, 0.02, 0.02), P, "ok scored 0.960"),
        ((0.35, 0.65, 0.00), F, "scratch scored 0.650"),
        ((0.41, 0.59, 0.00), R, "scratch scored 0.590 < 0.6"),
        ((0.15, 0.00, 0.85), R, "crack scored 0.850 < 0.9"),
    ],
)
def test_a_label_may_have_a_limit_of_its_own(
    scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    rule = Rule(("ok",), min_scores={"ok": 0.95, "scratch": 0.6})

    verdict = rule(scored(*scores))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_a_label_may_have_a_margin_of_its_own() -> None:
    rule = Rule(("ok",), min_score=0.0, min_margins={"ok": 0.5})

    close_ok, close_scratch = rule(scored(0.6, 0.4, 0.0)), rule(scored(0.35, 0.65, 0.0))

    assert (close_ok.outcome, close_ok.reason) == (R, "ok leads by 0.200 < 0.5")
    assert (close_scratch.outcome, close_scratch.reason) == (F, "scratch scored 0.650")


@pytest.mark.parametrize(
    ("scores", "outcome", "reason"),
    [
        ((0.95, 0.65, 0.01), F, "scratch scored 0.650"),
        ((0.95, 0.65, 0.80), F, "scratch scored 0.650"),
        ((0.95, 0.30, 0.01), R, "scratch scored 0.300 > 0.1"),
        ((0.95, 0.05, 0.01), P, "nothing but ok"),
    ],
    ids=["sure enough for itself", "sure beside an unsure one", "fails sooner", "surely absent"],
)
def test_a_defect_with_a_lower_limit_fails_sooner_and_passes_no_sooner(
    scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    rule = Rule(("ok",), min_scores={"scratch": 0.6})

    verdict = rule(labelled(*scores))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("costs", "scores", "outcome", "reason"),
    [
        # 0.2 % of 100 is less than 0.5 and than 0.998: the defects may hide no deeper.
        (COSTS, (0.998, 0.002, 0.0), P, "ok scored 0.998; {} review 0.5, fail 0.998, pass 0.2"),
        (COSTS, (0.99, 0.01, 0.0), R, "ok scored 0.990; {} review 0.5, fail 0.99, pass 1"),
        (COSTS, (0.4, 0.6, 0.0), F, "scratch scored 0.600; {} review 0.5, fail 0.4, pass 60"),
        (DEAR_CRACK, (0.998, 0.0, 0.002), R, "ok scored 0.998; {} review 0.5, fail 0.998, pass 2"),
        (DEAR_CRACK, (0.3, 0.6, 0.1), F, "crack scored 0.100; {} review 0.5, fail 0.3, pass 160"),
    ],
)
def test_what_is_expected_to_cost_least_is_done_and_the_reason_has_the_costs(
    costs: Costs, scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    verdict = Rule(("ok",), costs=costs)(scored(*scores))

    assert (verdict.outcome, verdict.reason) == (outcome, reason.format("expected costs:"))


def test_where_failing_costs_no_more_than_looking_nothing_goes_to_review() -> None:
    rule = Rule(("ok",), costs=Costs(escape=100, overkill=1, review=5))

    outcomes = {rule(scored(ok / 100, 1 - ok / 100, 0.0)).outcome for ok in range(101)}

    assert outcomes == {P, F}


def test_of_equal_costs_review_is_taken_and_pass_never() -> None:
    rule = Rule(("ok",), costs=Costs(escape=1, overkill=1, review=0.5))

    assert rule(scored(0.5, 0.5, 0.0)).outcome is R
    assert Rule(("ok",), costs=Costs(1, 1, 9))(scored(0.5, 0.5, 0.0)).outcome is F


def test_scores_that_are_no_chances_are_no_ground_for_costs() -> None:
    verdict = Rule(("ok",), costs=COSTS)(scored(0.001, 0.0, 0.0))

    reason = "scores sum to 0.001; costs need chances, which sum to 1"
    assert (verdict.outcome, verdict.reason) == (R, reason)


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ((0.999, 0.001, 0.001), P),
        ((0.999, 0.001, 0.9), F),
        ((0.999, 0.01, 0.001), R),
        ((0.001, 0.001, 0.001), F),
    ],
    ids=["good and nothing else", "a defect", "perhaps a defect", "nothing at all"],
)
def test_of_many_labels_each_defect_costs_its_own(
    scores: tuple[float, ...], outcome: Outcome
) -> None:
    assert Rule(("ok",), costs=COSTS)(labelled(*scores)).outcome is outcome


def rules() -> list[Rule]:
    limits = [Rule(("ok",), s, m, min_scores={"ok": 0.7}) for s, m in product((0, 0.9), (0, 0.2))]
    dear = [Costs(e, 1, r, {"crack": c}) for e, r, c in product((2, 100), (0.1, 5), (2, 1000))]
    return [*limits, *(Rule(("ok",), costs=costs) for costs in dear)]


@pytest.mark.parametrize("rule", rules())
def test_a_part_that_is_surer_to_be_good_never_fares_worse(rule: Rule) -> None:
    """Over all scores in steps: what moves from a defect to ``ok`` never leaves PASS."""
    passing = {
        (ok, scratch)
        for ok in range(STEPS + 1)
        for scratch in range(STEPS + 1 - ok)
        if rule(of_steps(ok, scratch)).outcome is P
    }

    assert (STEPS, 0) in passing
    for ok, scratch in passing:
        assert ok == STEPS or not scratch or (ok + 1, scratch - 1) in passing
        crack = STEPS - ok - scratch
        assert not crack or (ok + 1, scratch) in passing


def of_steps(ok: int, scratch: int) -> Prediction:
    return scored(ok / STEPS, scratch / STEPS, (STEPS - ok - scratch) / STEPS)


def test_costs_are_least_over_all_scores() -> None:
    rule = Rule(("ok",), costs=DEAR_CRACK)

    for ok, scratch in product(range(STEPS + 1), repeat=2):
        if ok + scratch > STEPS:
            continue
        good, scratched = ok / STEPS, scratch / STEPS
        passing = 100 * scratched + 1000 * (1 - good - scratched)
        costs = sorted([(0.5, "review"), (good, "fail"), (passing, "pass")])
        if costs[1][0] - costs[0][0] > 1e-6:
            assert rule(of_steps(ok, scratch)).outcome.value == costs[0][1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"min_scores": {"ok": 95.0}}, "rule.min_scores.ok: 95; expected a score from 0 to 1"),
        ({"min_margins": {"ok": -1.0}}, "rule.min_margins.ok: -1; expected a score from 0 to 1"),
        (
            {"costs": COSTS, "min_score": 0.9},
            "rule.min_score: beside rule.costs, which decide what goes to review; leave one of",
        ),
        ({"costs": COSTS, "min_margins": {"ok": 0.1}}, "rule.min_margins.ok: beside rule.costs"),
    ],
)
def test_limits_that_mean_nothing_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Rule(("ok",), **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
def test_an_error_that_costs_nothing_is_refused_for_it_would_always_be_made(cost: float) -> None:
    with pytest.raises(ConfigError, match=rf"rule.costs.escape: {cost:g}; expected a cost above 0"):
        Costs(cost, 1, 1)


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (Rule(("ok",), min_scores={"dent": 0.5}), "rule.min_scores"),
        (Rule(("ok",), min_margins={"dent": 0.5}), "rule.min_margins"),
        (Rule(("ok",), costs=Costs(1, 1, 1, {"dent": 5})), "rule.costs.labels"),
    ],
)
def test_a_label_that_the_bundle_lacks_is_refused_wherever_it_stands(rule: Rule, key: str) -> None:
    message = f"{key}: 'dent' is no label of the bundle; its labels are ok, scratch, crack"
    with pytest.raises(ConfigError, match=re.escape(message)):
        rule.check(LABELS)
