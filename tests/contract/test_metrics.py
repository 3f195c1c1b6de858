"""Figures of merit, checked against counts by hand and published tables."""

import math

import numpy as np
import pytest

from edgecls import metrics

TRUTH = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_counts_by_true_then_answered_label() -> None:
    assert metrics.confusion(TRUTH, SAID, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_an_escape_is_a_defect_called_good_and_overkill_a_good_part_called_defective() -> None:
    assert metrics.escape_rate(TRUTH == 0, SAID == 0) == pytest.approx(1 / 3)
    assert metrics.overkill_rate(TRUTH == 0, SAID == 0) == pytest.approx(1 / 3)


def test_a_rate_of_nothing_is_not_a_number() -> None:
    assert math.isnan(metrics.escape_rate(np.array([True]), np.array([True])))


@pytest.mark.parametrize(
    ("hits", "total", "interval"),
    [(0, 10, (0.0, 0.278)), (5, 10, (0.237, 0.763)), (95, 100, (0.888, 0.978)), (0, 0, (0.0, 1.0))],
)
def test_the_wilson_interval_agrees_with_published_values(
    hits: int, total: int, interval: tuple[float, float]
) -> None:
    assert metrics.wilson(hits, total) == pytest.approx(interval, abs=5e-4)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (3, 3, 1.0), (0, 5, 0.0625), (1, 9, 0.021484), (10, 2, 0.038574)],
)
def test_mcnemar_is_the_exact_binomial_test_on_the_images_they_differ_on(
    only_a: int, only_b: int, p: float
) -> None:
    a = np.array([True] * only_a + [False] * only_b + [True] * 7)
    b = np.array([False] * only_a + [True] * only_b + [True] * 7)

    assert metrics.mcnemar(a, b) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(
    ("total", "rate"), [(372, 0.00806), (1000, 0.003), (3, 1.0), (1, 1.0), (0, 1.0)]
)
def test_what_was_seen_on_no_image_is_rarer_than_three_in_their_number(
    total: int, rate: float
) -> None:
    assert metrics.rule_of_three(total) == pytest.approx(rate, abs=1e-5)


@pytest.mark.parametrize("total", [10, 30, 372, 10_000])
def test_the_rule_of_three_never_promises_more_than_the_exact_bound(total: int) -> None:
    exact = 1 - 0.05 ** (1 / total)

    assert exact <= metrics.rule_of_three(total) <= 1.2 * exact


@pytest.mark.parametrize(("rate", "images"), [(0.01, 300), (0.003, 1000), (0.001, 3000), (0.7, 5)])
def test_a_rate_is_proven_by_enough_images_without_a_change(rate: float, images: int) -> None:
    assert metrics.images_without_change(rate) == images
    assert metrics.rule_of_three(images) <= rate + 1e-12


def test_an_interval_half_as_wide_wants_four_times_the_images() -> None:
    assert metrics.images_for_half_width(1.2, 372, 0.6) == 4 * 372
    assert metrics.images_for_half_width(0.0, 372, 0.6) == 0


def test_more_images_narrow_the_interval_of_a_drop_as_foretold() -> None:
    random = np.random.default_rng(0)
    a, b = random.random((2, 500)) < 0.9

    low, high = metrics.paired_drop(a, b)
    wanted = metrics.images_for_half_width((high - low) / 2, 500, (high - low) / 4)
    narrow = metrics.paired_drop(np.tile(a, wanted // 500), np.tile(b, wanted // 500))

    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 2, rel=0.02)


def test_the_calibration_error_is_the_mean_gap_between_score_and_share_of_right_answers() -> None:
    images = np.array([30, 10])

    error = metrics.calibration_error(images, np.array([0.9, 0.5]), np.array([0.8, 0.5]))

    assert error == pytest.approx(0.075)
    assert math.isnan(metrics.calibration_error(np.array([], int), np.array([]), np.array([])))
