"""Which configuration suits an aim, given what was measured: pure, so that it can be read and told.

Speeds closer than ``TIE`` are taken for equal: measuring again might turn them round. Of equals the
one that costs nothing but speed is chosen: the more accurate, the more exact, the more frugal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgecls.bundle import Bundle
from edgecls.manifest import Precision, Resampling, Variant
from edgecls_runtime.evaluation import Evaluation
from edgecls_runtime.measuring.trial_messages import Configuration
from edgecls_runtime.measuring.tuned import Aim, Figures

TIE = 0.05


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration, what was measured of it, and over how many calls."""

    configuration: Configuration
    figures: Figures
    calls: int


def cost(figures: Figures, aim: Aim) -> float:
    """Return what an aim wants little of; infinite where it was not measured."""
    costs = {
        Aim.LATENCY: figures.latency_ms_p50,
        Aim.THROUGHPUT: 1 / figures.frames_per_s,
        Aim.CPU: figures.cpu_share,
        Aim.MEMORY: figures.memory_mb,
    }
    found = costs[aim]
    return float("inf") if found is None else found


def ranked(tried: Sequence[Tried], aim: Aim) -> list[Tried]:
    """Return what was tried, the best for an aim first; equals keep their order."""
    return sorted(tried, key=lambda one: cost(one.figures, aim))


def equals(tried: Sequence[Tried], aim: Aim) -> list[Tried]:
    """Return the best for an aim and all that cannot be told from it."""
    least = min(cost(one.figures, aim) for one in tried)
    return [one for one in tried if cost(one.figures, aim) <= least * (1 + TIE)]


def choose(tried: Sequence[Tried], aim: Aim) -> Tried:
    """Return the configuration to run; ``tried`` holds one or more."""
    return min(equals(tried, aim), key=lambda one: (*_price(one), cost(one.figures, aim)))


def _price(one: Tried) -> tuple[float, ...]:
    """Return what a configuration costs besides its aim, the weightiest first."""
    provider = one.configuration.provider
    threads = provider.get("threads") or 0
    return (
        -(one.figures.accuracy or 0.0),
        -(one.figures.agreement or 0.0),
        list(Resampling).index(one.configuration.resampling),
        bool(provider.get("bfloat16")),
        bool(provider.get("spinning")),
        threads if isinstance(threads, int) and threads else float("inf"),
        one.configuration.batch,
    )


def why(chosen: Tried, tried: Sequence[Tried], default: Configuration | None, aim: Aim) -> str:
    """Return one sentence: the figure, how many are equal, and what it gains over the default."""
    same = len(equals(tried, aim)) - 1
    parts = [f"{aim}: {told(chosen.figures, aim)}"]
    if same:
        parts.append(f"the more accurate or frugal of {same + 1} within {100 * TIE:g} %")
    before = [one for one in tried if one.configuration == default]
    if chosen.configuration == default:
        parts.append("it is what runs without tuning")
    elif before and (now := cost(chosen.figures, aim)):
        gain = cost(before[0].figures, aim) / now
        had = told(before[0].figures, aim)
        parts.append(f"{gain:.2f} times as good as {default}, which runs without tuning ({had})")
    return "; ".join(parts)


def told(figures: Figures, aim: Aim) -> str:
    """Return an aim's figure with its unit."""
    if aim is Aim.LATENCY:
        return f"{figures.latency_ms_p50:.2f} ms a frame"
    if aim is Aim.THROUGHPUT:
        return f"{figures.frames_per_s:.1f} frames a second"
    if aim is Aim.CPU:
        share = figures.cpu_share
        return "not measured" if share is None else f"{100 * share:.1f} % of a core at 10 Hz"
    return "not measured" if figures.memory_mb is None else f"{figures.memory_mb:.0f} MB"


def below_fp32(
    bundle: Bundle, variant: Variant, max_drop: float, here: float | None, fp32_here: float | None
) -> str:
    """Return why a variant answers too much worse than the bundle's fp32; empty if it does not.

    Args:
        bundle: Holds what the export recorded.
        variant: One of it.
        max_drop: Points of top-1 that it may lie below; where the export had no labels, points
            of agreement, of which at most as many are lost answers.
        here: Its accuracy on this device, 0..1; None if not measured.
        fp32_here: That of fp32 on the same images; None if not measured.

    """
    if here is not None and fp32_here is not None:
        return _dropped("accuracy here", here, fp32_here, max_drop)
    for reference in bundle.variants:
        if reference.precision is not Precision.FP32:
            continue
        if variant.accuracy is not None and reference.accuracy is not None:
            return _dropped("accuracy", variant.accuracy, reference.accuracy, max_drop)
        if variant.agreement is not None and reference.agreement is not None:
            return _dropped("agreement", variant.agreement, reference.agreement, max_drop)
    return ""


def below_record(variant: Variant, here: Evaluation) -> str:
    """Return why accuracy on this device contradicts the export's; empty if it does not."""
    low, high = here.top1_interval
    if variant.accuracy is None or high >= variant.accuracy:
        return ""
    return (
        f"accuracy here {100 * here.top1:.2f} % ({100 * low:.2f} to {100 * high:.2f} %) is worse "
        f"than the {100 * variant.accuracy:.2f} % that the bundle recorded"
    )


def _dropped(what: str, found: float, reference: float, max_drop: float) -> str:
    lost = 100 * (reference - found)
    if lost <= max_drop + 1e-9:  # 1 point in floating point may be a little more
        return ""
    return (
        f"{what} {100 * found:.2f} % is {lost:.2f} points below fp32; "
        f"at most {max_drop:g} (--max-drop)"
    )
