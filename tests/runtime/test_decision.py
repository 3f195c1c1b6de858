"""The rule, specified as a line operator would ask for it."""

import numpy as np
import pytest

from edgecls import Outcome, Prediction, Task
from edgecls.errors import ConfigError
from edgecls_runtime import Rule

LABELS = ("ok", "scratch", "dent")


def scored(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS)


def labelled(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS, Task.MULTILABEL, (0.5,) * 3)


@pytest.mark.parametrize(
    ("scores", "outcome", "reason"),
    [
        ((0.97, 0.02, 0.01), Outcome.PASS, "ok scored 0.970"),
        ((0.02, 0.97, 0.01), Outcome.FAIL, "scratch scored 0.970"),
        ((0.60, 0.30, 0.10), Outcome.REVIEW, "ok scored 0.600 < 0.9"),
        ((np.nan, 0.1, 0.1), Outcome.REVIEW, "the model answered with no valid scores"),
    ],
    ids=["clearly good", "clearly scratched", "unsure", "not a number"],
)
def test_a_part_is_judged_by_its_best_label(
    scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    verdict = Rule(("ok",))(scored(*scores))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_a_close_call_goes_to_review_even_where_any_score_would_do() -> None:
    verdict = Rule(("ok",), min_score=0.0, min_margin=0.2)(scored(0.51, 0.45, 0.04))

    assert (verdict.outcome, verdict.reason) == (Outcome.REVIEW, "ok leads by 0.060 < 0.2")


@pytest.mark.parametrize(
    ("scores", "outcome", "reason"),
    [
        ((0.95, 0.02, 0.03), Outcome.PASS, "nothing but ok"),
        ((0.95, 0.96, 0.03), Outcome.FAIL, "scratch scored 0.960"),
        ((0.95, 0.60, 0.03), Outcome.REVIEW, "scratch scored 0.600 < 0.9"),
        ((0.95, 0.20, 0.03), Outcome.REVIEW, "scratch scored 0.200 > 0.1"),
        ((0.60, 0.02, 0.03), Outcome.REVIEW, "no good label is surely present"),
    ],
    ids=["only good", "sure defect", "unsure defect", "perhaps a defect", "perhaps nothing"],
)
def test_a_multilabel_part_passes_only_when_every_defect_is_surely_absent(
    scores: tuple[float, ...], outcome: Outcome, reason: str
) -> None:
    verdict = Rule(("ok",))(labelled(*scores))

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_without_good_labels_a_multilabel_part_passes_when_nothing_is_found() -> None:
    assert Rule(())(labelled(0.01, 0.02, 0.03)).outcome is Outcome.PASS


def test_a_good_label_that_the_bundle_lacks_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'okay' is no label of the bundle; its labels are ok, s"):
        Rule(("okay",)).check(LABELS)


def test_a_text_in_place_of_a_list_is_refused_for_its_parts_would_count_as_good() -> None:
    with pytest.raises(ConfigError, match="'not_defective' is one text; expected a list of labels"):
        Rule("not_defective")  # type: ignore[arg-type]


def test_a_multilabel_part_without_any_label_is_no_pass_where_a_good_one_is_wanted() -> None:
    verdict = Rule(("ok",), min_score=0.0)(labelled(0.1, 0.2, 0.0))

    assert verdict.outcome is Outcome.REVIEW


def test_a_limit_outside_of_scores_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rule.min_score: 90; expected a score from 0 to 1"):
        Rule(("ok",), min_score=90)
