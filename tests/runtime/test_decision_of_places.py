"""The rule over several places of a frame, as a table: who decides, and what that makes."""

import re

import numpy as np
import pytest

from edgecls import Outcome, Prediction, Task
from edgecls.errors import ConfigError
from edgecls_runtime.decision import Places, Rule
from edgecls_runtime.views.place import Place, Seen

LABELS = ("ok", "scratch", "dent")
OUTLINE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
ALL = Rule(("ok",))
ONE_BAD, TWO_BAD = Rule(("ok",), most_bad=1), Rule(("ok",), most_bad=2)
ANY = Rule(("ok",), places=Places.ANY)
P, F, R = Outcome.PASS, Outcome.FAIL, Outcome.REVIEW

# Of each kind two that differ in how sure they are; "n" is no number.
SCORES = {
    "P": (0.99, 0.01, 0.0),
    "p": (0.93, 0.07, 0.0),
    "F": (0.02, 0.98, 0.0),
    "f": (0.05, 0.0, 0.95),
    "R": (0.6, 0.3, 0.1),
    "r": (0.4, 0.35, 0.25),
    "n": (float("nan"), 0.5, 0.5),
}
TEXTS = {
    "P": "ok scored 0.990",
    "p": "ok scored 0.930",
    "F": "scratch scored 0.980",
    "f": "dent scored 0.950",
    "R": "ok scored 0.600 < 0.9",
    "r": "ok scored 0.400 < 0.9",
    "n": "the model answered with no valid scores",
}


def scored(*scores: float) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS)


def seen(kinds: str, good: tuple[str, ...] | None = None) -> list[Seen]:
    """Return places ``0``, ``1`` ... with these predictions."""
    return [
        Seen(Place(str(number), OUTLINE, good), scored(*SCORES[kind]))
        for number, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("rule", "kinds", "outcome", "decided", "counts"),
    [
        (ALL, "P", P, 0, ""),
        (ALL, "F", F, 0, ""),
        (ALL, "R", R, 0, ""),
        (ALL, "PpP", P, 1, "3 of 3 places pass"),
        (ALL, "PfF", F, 2, "1 of 3 places pass, 2 fail"),
        (ALL, "RFP", F, 1, "1 of 3 places pass, 1 fail, 1 review"),
        (ALL, "PRr", R, 2, "1 of 3 places pass, 2 review"),
        (ALL, "PRn", R, 2, "1 of 3 places pass, 2 review"),
        (ALL, "nF", F, 1, "0 of 2 places pass, 1 fail, 1 review"),
        # Some may be bad: as many, and no more; an unsure one counts as bad.
        (ONE_BAD, "PpF", P, 1, "2 of 3 places pass, 1 fail"),
        (ONE_BAD, "PpR", P, 1, "2 of 3 places pass, 1 review"),
        (ONE_BAD, "PFR", R, 2, "1 of 3 places pass, 1 fail, 1 review"),
        (ONE_BAD, "PRr", R, 2, "1 of 3 places pass, 2 review"),
        (ONE_BAD, "PFf", F, 1, "1 of 3 places pass, 2 fail"),
        (TWO_BAD, "PFR", P, 0, "1 of 3 places pass, 1 fail, 1 review"),
        # What is no number is no bad place that may be, but a model that is out of order.
        (TWO_BAD, "PPn", R, 2, "2 of 3 places pass, 1 review"),
        # Without a place that passes there is no pass, whatever is allowed.
        (TWO_BAD, "fF", R, 1, "0 of 2 places pass, 2 fail"),
        (TWO_BAD, "R", R, 0, ""),
        (ANY, "P", P, 0, ""),
        (ANY, "F", F, 0, ""),
        (ANY, "FpP", P, 2, "2 of 3 places pass, 1 fail"),
        (ANY, "RFP", P, 2, "1 of 3 places pass, 1 fail, 1 review"),
        (ANY, "fFf", F, 1, "0 of 3 places pass, 3 fail"),
        (ANY, "FrR", R, 2, "0 of 3 places pass, 1 fail, 2 review"),
        (ANY, "Pn", R, 1, "1 of 2 places pass, 1 review"),
        (ANY, "Fn", R, 1, "0 of 2 places pass, 1 fail, 1 review"),
    ],
)
def test_places_make_one_verdict_that_names_who_decided(
    rule: Rule, kinds: str, outcome: Outcome, decided: int, counts: str
) -> None:
    given = seen(kinds)

    verdict = rule.judge_places(given)

    reason = f"{decided}: {TEXTS[kinds[decided]]}" + (f"; {counts}" if counts else "")
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.prediction is given[decided].prediction


def test_every_place_is_kept_with_what_was_decided_about_it_alone() -> None:
    verdict = Rule(("ok",)).judge_places(seen("PFR"))

    assert [(one.name, one.outcome, one.label) for one in verdict.looks] == [
        ("0", P, "ok"),
        ("1", F, "scratch"),
        ("2", R, "ok"),
    ]
    assert np.allclose([one.score for one in verdict.looks], [0.99, 0.98, 0.6])
    assert {one.outline for one in verdict.looks} == {OUTLINE}


def test_a_view_may_have_labels_of_its_own_that_pass() -> None:
    lid, body = seen("f", good=("dent",))[0], seen("P")[0]

    verdict = Rule(("ok",)).judge_places([lid, body])

    assert [one.outcome for one in verdict.looks] == [P, P]
    assert verdict.outcome is P
    assert Rule(("ok",)).judge_places([*seen("P", good=("dent",)), body]).outcome is F


def test_of_many_labels_the_one_that_decided_is_named() -> None:
    prediction = Prediction(
        np.array([0.97, 0.93, 0.1], np.float32), LABELS, Task.MULTILABEL, (0.5,) * 3
    )

    verdict = Rule(("ok",)).judge_places([Seen(Place("lid", OUTLINE), prediction)])

    (look,) = verdict.looks
    assert (verdict.outcome, verdict.reason) == (F, "lid: scratch scored 0.930")
    assert (look.label, round(look.score, 3)) == ("scratch", 0.93)


def test_a_score_that_is_no_number_is_none_for_programs() -> None:
    (look,) = Rule(("ok",)).judge_places(seen("n")).looks

    assert look.table() == {
        "name": "0",
        "outcome": "review",
        "label": "ok",
        "score": None,
        "outline": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    }


@pytest.mark.parametrize(
    ("places", "most_bad", "message"),
    [
        (Places.ALL, -1, "rule.most_bad: -1; expected 0 or more places"),
        (Places.ANY, 2, "rule.most_bad: 2 with places = 'any', where one place that passes is eno"),
    ],
)
def test_a_number_of_bad_places_that_means_nothing_is_refused(
    places: Places, most_bad: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Rule(("ok",), places=places, most_bad=most_bad)
