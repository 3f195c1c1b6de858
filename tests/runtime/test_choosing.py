"""The choice among measured configurations, as a table of cases."""

from dataclasses import replace

import numpy as np
import pytest

from edgecls.bundle import Bundle
from edgecls.manifest import Resampling
from edgecls_runtime.evaluation import Evaluation
from edgecls_runtime.measuring.choosing import Tried, below_fp32, below_record, choose, equals, why
from edgecls_runtime.measuring.trial_messages import Configuration
from edgecls_runtime.measuring.tuned import Aim, Figures
from parts import INT8, Made

EXACT, HALVING = Resampling.EXACT, Resampling.HALVING


def tried(  # noqa: PLR0913 - a row of the table
    name: str,
    ms: float,
    *,
    accuracy: float | None = 0.9,
    threads: int = 2,
    spinning: bool = False,
    rung: Resampling = HALVING,
    batch: int = 1,
    cpu: float | None = None,
    mb: float | None = None,
) -> Tried:
    provider = {"kind": "cpu", "threads": threads, "spinning": spinning}
    figures = Figures(ms, 2 * ms, 1000 * batch / ms, accuracy, None, cpu, mb)
    return Tried(Configuration(name, provider, rung, batch), figures, 100)


CASES = {
    "the fastest": (Aim.LATENCY, [tried("fp32", 3.0), tried("int8", 2.0, accuracy=0.89)], 1),
    "of equals the more accurate": (
        Aim.LATENCY,
        [tried("int8", 2.0, accuracy=0.89), tried("fp32", 2.09, accuracy=0.9)],
        1,
    ),
    "then the more exact": (
        Aim.LATENCY,
        [tried("fp32", 2.0), tried("fp32", 2.09, rung=EXACT)],
        1,
    ),
    "then the one that does not spin": (
        Aim.LATENCY,
        [tried("fp32", 2.0, spinning=True), tried("fp32", 2.09)],
        1,
    ),
    "then the one with fewer threads": (
        Aim.LATENCY,
        [tried("fp32", 2.0, threads=0), tried("fp32", 2.05, threads=4), tried("fp32", 2.1)],
        2,
    ),
    "what is clearly slower is not equal": (
        Aim.LATENCY,
        [tried("int8", 2.0, accuracy=0.89), tried("fp32", 2.11, accuracy=0.9)],
        0,
    ),
    "most frames a second, in a batch": (
        Aim.THROUGHPUT,
        [tried("fp32", 2.0), tried("fp32", 6.0, batch=4)],
        1,
    ),
    "of equals the smaller batch": (
        Aim.THROUGHPUT,
        [tried("fp32", 7.9, batch=4), tried("fp32", 2.0)],
        1,
    ),
    "least work": (Aim.CPU, [tried("fp32", 1.0, cpu=0.2), tried("fp32", 9.0, cpu=0.1)], 1),
    "what was not measured is not chosen": (
        Aim.CPU,
        [tried("fp32", 1.0), tried("fp32", 9.0, cpu=0.5)],
        1,
    ),
    "least memory": (Aim.MEMORY, [tried("fp32", 1.0, mb=140), tried("int8", 9.0, mb=110)], 1),
    "accuracy that nobody knows": (
        Aim.LATENCY,
        [tried("fp32", 1.0, accuracy=None), tried("int8", 0.9, accuracy=None)],
        1,
    ),
}


@pytest.mark.parametrize(("aim", "rows", "expected"), CASES.values(), ids=CASES.keys())
def test_the_choice(aim: Aim, rows: list[Tried], expected: int) -> None:
    assert choose(rows, aim) == rows[expected]
    assert choose(rows[::-1], aim) == rows[expected]


def test_why_names_the_figure_the_equals_and_the_gain() -> None:
    rows = [tried("int8", 2.0), tried("int4", 2.05, accuracy=0.8), tried("fp32", 3.0)]

    assert len(equals(rows, Aim.LATENCY)) == 2
    assert why(rows[0], rows, rows[2].configuration, Aim.LATENCY) == (
        "latency: 2.00 ms a frame; the more accurate or frugal of 2 within 5 %; 1.50 times as good "
        "as fp32 on cpu threads=2, halving, which runs without tuning (3.00 ms a frame)"
    )
    assert why(rows[2], rows[2:], rows[2].configuration, Aim.LATENCY) == (
        "latency: 3.00 ms a frame; it is what runs without tuning"
    )


def test_a_variant_too_far_below_fp32_is_told_by_how_much(made: Made) -> None:
    bundle = Bundle.open(made.path)
    fp32 = next(v for v in bundle.variants if v.name == "fp32")
    worse = replace(bundle.variant(INT8), accuracy=(fp32.accuracy or 0) - 0.02)
    unlabelled = [
        replace(v, accuracy=None, agreement=1.0 if v.name == "fp32" else 0.97)
        for v in bundle.variants
    ]
    blind = replace(bundle, manifest=replace(bundle.manifest, variants=tuple(unlabelled)))

    assert below_fp32(bundle, worse, 2.0, None, None) == ""
    assert "is 2.00 points below fp32; at most 1 (--max-drop)" in below_fp32(
        bundle, worse, 1.0, None, None
    )
    assert below_fp32(bundle, worse, 1.0, 0.9, 0.905) == ""
    assert below_fp32(blind, blind.variant(INT8), 1.0, None, None) == (
        "agreement 97.00 % is 3.00 points below fp32; at most 1 (--max-drop)"
    )


def test_accuracy_here_below_the_record_is_told_only_beyond_its_interval(made: Made) -> None:
    variant = replace(Bundle.open(made.path).variant(INT8), accuracy=0.95)

    def seen(hits: int) -> Evaluation:
        truth = np.zeros(100, np.intp)
        answers = (np.arange(100) >= hits).astype(np.intp)
        return Evaluation(("good", "scratch"), truth, answers, np.zeros((100, 2), bool), ())

    assert below_record(variant, seen(92)) == ""
    assert below_record(variant, seen(80)) == (
        "accuracy here 80.00 % (71.12 to 86.66 %) is worse than the 95.00 % that the bundle "
        "recorded"
    )
