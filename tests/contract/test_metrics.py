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
