"""Figures of merit of a classifier, and how sure they are: pure numpy.

Truth and answers are indices into the labels, int, shape (n_images,).
"""

import math

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def share(hits: NDArray[np.bool_]) -> float:
    """Return the share of true values, 0..1; NaN when there are none to count."""
    return float(hits.mean()) if hits.size else math.nan


def confusion(truth: Indices, answers: Indices, n_labels: int) -> NDArray[np.intp]:
    """Count images by (true label, answered label): shape (n_labels, n_labels)."""
    table = np.zeros((n_labels, n_labels), np.intp)
    np.add.at(table, (truth, answers), 1)
    return table


def escape_rate(good: NDArray[np.bool_], called_good: NDArray[np.bool_]) -> float:
    """Return the share of defective parts that are called good; NaN without any."""
    return share(called_good[~good])


def overkill_rate(good: NDArray[np.bool_], called_good: NDArray[np.bool_]) -> float:
    """Return the share of good parts that are called defective; NaN without any."""
    return share(~called_good[good])


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval, 0..1, that holds the true share with 95 % confidence.

    Source:
        E. B. Wilson, "Probable inference", JASA 22 (1927), 209-212.
    """
    if total == 0:
        return 0.0, 1.0
    p, z2 = hits / total, z * z / total
    middle = (p + z2 / 2) / (1 + z2)
    half = z / (1 + z2) * math.sqrt(p * (1 - p) / total + z2 / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(a_right: NDArray[np.bool_], b_right: NDArray[np.bool_]) -> float:
    """Return the two-sided p of a and b being equally often right on the same images.

    The exact (binomial) test on the images where just one of them is right.

    Source:
        Q. McNemar, Psychometrika 12 (1947), 153-157; exact form after Fagerland et al. (2013).
    """
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    return min(1.0, float(2 * tail / 2**n))


def paired_drop(
    a_right: NDArray[np.bool_], b_right: NDArray[np.bool_], z: float = 1.96
) -> tuple[float, float]:
    """Return the interval that holds accuracy(a) - accuracy(b), -1..1, with 95 % confidence.

    Both answered the same images, so only those where just one is right count.

    Source:
        D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of
        binomial proportions based on paired data", J. Educ. Behav. Stat. 37 (2012), 479-488.
    """
    total = len(a_right) + 2
    only_a = (int((a_right & ~b_right).sum()) + 1) / total
    only_b = (int((b_right & ~a_right).sum()) + 1) / total
    drop = only_a - only_b
    half = z * math.sqrt((only_a + only_b - drop * drop) / total)
    return max(-1.0, drop - half), min(1.0, drop + half)


def rule_of_three(total: int) -> float:
    """Return the rate, 0..1, below which lies what was seen on none of ``total`` images.

    With 95 % confidence: (1 - r) ** total = 0.05 gives r = 1 - 0.05 ** (1 / total), and 3 / total
    is never below it. A rate of nothing seen on no image may be anything: 1.

    Source:
        J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?",
        JAMA 249 (1983), 1743-1745.
    """
    return min(1.0, 3 / total) if total else 1.0


def images_without_change(rate: float) -> int:
    """Return how many images without a single change prove a rate below ``rate``, above 0..1.

    The rule of three, turned round; with 95 % confidence.
    """
    return math.ceil(round(3 / rate, 6))


def images_for_half_width(found: float, total: int, wanted: float) -> int:
    """Return how many images narrow an interval to ``wanted`` to either side.

    Args:
        found: Half the interval's width on ``total`` images.
        total: How many images that was.
        wanted: Half the width that is wanted, in the unit of ``found``; above 0.

    Source:
        The standard error of a share falls with the square root of the number of images.

    """
    return math.ceil(round(total * (found / wanted) ** 2, 6))


def calibration_error(
    images: NDArray[np.intp], score: NDArray[np.float64], right: NDArray[np.float64]
) -> float:
    """Return the expected calibration error, 0..1; NaN without images.

    Args:
        images: How many have a best score within each bin, shape (n_bins,).
        score: Their mean best score, 0..1.
        right: The share of them that is answered rightly, 0..1.

    Source:
        M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities
        using Bayesian binning", AAAI (2015), 2901-2907.

    """
    total = images.sum()
    return float((images * np.abs(score - right)).sum() / total) if total else math.nan


def percentile(seconds: list[float], percent: float) -> float:
    """Return a percentile of durations, in their unit; NaN without any."""
    return float(np.percentile(seconds, percent)) if seconds else math.nan
