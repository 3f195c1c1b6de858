"""The budget: every limit, exact at the limit, and a fault that says what to do."""

import math
from typing import Any

import numpy as np
import pytest

from edgecls_exporters.budget import Budget
from edgecls_exporters.ledger import Row

ORIGINAL = Row("pytorch", None, 200, 1.0, 0, 0.0, 0.9, 0.0, recall={"good": 0.95, "scratch": 0.8})


def row(**given: Any) -> Row:  # noqa: ANN401 - fields of a row
    known = {"name": "int8-arm", "after": "fp32", "images": 200, "agreement": 1.0, "changed": 0}
    return Row(**{**known, "largest_difference": 0.01, **given})


def test_nothing_lost_is_no_fault() -> None:
    assert (
        Budget(0.0, 0.0, 0).fault(row(drop=0.0, recall=ORIGINAL.recall, escapes=0), ORIGINAL) == ""
    )


@pytest.mark.parametrize(
    ("drop", "text"),
    [
        (-3.0, ""),
        (0.5, ""),
        (0.504, ""),  # the table shows 0.50
        (0.51, "0.51 points of top-1 lost on 200 images; the budget is 0.5 (--max-drop)"),
        (12.0, "12.00 points of top-1 lost on 200 images; the budget is 0.5 (--max-drop)"),
    ],
)
def test_points_of_top_1_are_limited(drop: float, text: str) -> None:
    assert Budget(0.5).fault(row(drop=drop, agreement=0.5), ORIGINAL) == text


@pytest.mark.parametrize("changed", [0, 1, 2, 3])
def test_without_labels_every_changed_answer_counts(changed: int) -> None:
    agreement = 1 - changed / 200

    fault = Budget(1.0).fault(row(agreement=agreement, changed=changed), ORIGINAL)

    wanted = "1.50 % of answers changed on 200 images; the budget is 1 (--max-drop)"
    assert fault == (wanted if changed == 3 else "")


def test_where_a_folder_tells_one_of_several_labels_agreement_counts_and_not_top_1() -> None:
    found = row(drop=0.0, agreement=0.9)

    assert Budget(1.0).fault(found, ORIGINAL) == ""
    assert Budget(1.0, by_truth=False).fault(found, ORIGINAL) == (
        "10.00 % of answers changed on 200 images; the budget is 1 (--max-drop)"
    )


@pytest.mark.parametrize(
    ("recall", "kept"), [(0.8, True), (0.75, True), (0.7499, False), (1, True)]
)
def test_points_of_any_label_s_recall_are_limited(recall: float, *, kept: bool) -> None:
    found = row(drop=0.0, recall={"good": 0.95, "scratch": recall})

    fault = Budget(1.0, label_points=5.0).fault(found, ORIGINAL)

    wanted = "5.01 points of scratch's recall lost; the budget is 5 (--max-label-drop)"
    assert fault == ("" if kept else wanted)


def test_the_label_that_lost_most_is_named() -> None:
    found = row(drop=0.0, recall={"good": 0.85, "scratch": 0.6})

    fault = Budget(1.0, label_points=2.5).fault(found, ORIGINAL)

    assert fault == "20.00 points of scratch's recall lost; the budget is 2.5 (--max-label-drop)"


def test_without_labels_no_recall_can_be_lost() -> None:
    assert Budget(1.0, label_points=0.0).fault(row(), ORIGINAL) == ""


def test_without_a_limit_on_labels_none_is_looked_at() -> None:
    assert Budget(1.0).fault(row(drop=0.0, recall={"good": 0.0, "scratch": 0.0}), ORIGINAL) == ""


@pytest.mark.parametrize(("escapes", "most"), [(0, 0), (2, 2), (3, None), (None, 0)])
def test_escapes_within_the_limit_or_uncounted_are_no_fault(
    escapes: int | None, most: int | None
) -> None:
    assert Budget(1.0, escapes=most).fault(row(drop=0.0, escapes=escapes), ORIGINAL) == ""


def test_one_escape_too_many_is_told() -> None:
    fault = Budget(1.0, escapes=2).fault(row(drop=0.0, escapes=3), ORIGINAL)

    assert fault == (
        "3 defective parts pass that the original stops; the budget is 2 (--max-escapes)"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_numbers_are_a_fault_whatever_the_budget(value: float) -> None:
    fault = Budget(100.0).fault(row(drop=0.0, largest_difference=value), ORIGINAL)

    assert fault == "answers with scores that are not numbers"


def test_the_first_limit_that_is_broken_is_the_one_that_is_told() -> None:
    found = row(drop=9.0, recall={"good": 0.1, "scratch": 0.1}, escapes=9)

    fault = Budget(1.0, 1.0, 0).fault(found, ORIGINAL)

    assert fault.startswith("9.00 points of top-1 lost")


@pytest.mark.parametrize("images", [100, 200, 700, 1000])
def test_exactly_as_many_changed_answers_as_the_budget_are_tight(images: int) -> None:
    for points in (1.0, 2.0, 3.0, 7.0):
        most = round(images * points / 100)
        inside, outside = (
            row(agreement=float(np.mean(np.arange(images) >= changed)))
            for changed in (most, most + 1)
        )
        assert Budget(points).tight(inside)
        assert not Budget(points).tight(outside)


@pytest.mark.parametrize(
    ("points", "needed"), [(1.0, 100), (0.5, 200), (0.3, 334), (100, 1), (0, 1)]
)
def test_so_many_images_are_needed_that_one_answer_stays_within_the_budget(
    points: float, needed: int
) -> None:
    assert Budget(points).images_needed == needed
