"""Measure on this device what runs a bundle best, and remember it.

Tries each variant on each provider, with threads, spinning, batches, and the rungs of the resize
that the bundle allows. What answers the golden samples wrongly, or is more than --max-drop points
less accurate than fp32, is out. The choice is kept in $XDG_CACHE_HOME/edgecls/tune (~/.cache) for
this bundle, device and these package versions; --provider auto, the default elsewhere, uses it.
Ctrl-C ends the measuring: the choice among what was measured is kept if everything was looked at.
"""

import argparse
import math
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import ProviderError
from edgecls_runtime import machine
from edgecls_runtime.commands import add_bundle, percent, print_json
from edgecls_runtime.evaluation import check_labels
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.images import find_labelled
from edgecls_runtime.measuring import candidates, environment, tuned, versions
from edgecls_runtime.measuring.choosing import Tried
from edgecls_runtime.measuring.tuned import Aim, Choice, Record
from edgecls_runtime.measuring.tuning import Job, Outcome, tune

SHOWN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    parser.add_argument(
        "--aim", type=Aim, choices=list(Aim), default=Aim.LATENCY, help="(default: latency)"
    )
    parser.add_argument(
        "--budget-s", type=_positive, default=60.0, help="seconds to measure (default: 60)"
    )
    parser.add_argument(
        "--provider",
        metavar="P",
        action="append",
        default=[],
        help="may be given more than once (default: each that works here)",
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="measure accuracy here on DIR/<label>/<image>"
    )
    parser.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=_positive,
        default=1.0,
        help="points of accuracy a variant may lie below fp32 (default: 1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, choose, store, and say why."""
    bundle = Bundle.open(arguments.bundle)
    job = _job(bundle, arguments)
    _, stale = tuned.look(bundle)
    if stale:
        _say(f"{stale}; measuring again")
    busy = environment.load_warning(job.cores)
    if busy:
        _say(busy)
    outcome = tune(job, _say)
    if busy and outcome.chosen:
        outcome = replace(outcome, why=f"{outcome.why}; {busy}: tune again on a quiet machine")
    if outcome.nothing_loads:
        raise ProviderError("; ".join(outcome.dropped))
    record = None if outcome.chosen is None else _record(bundle, outcome, job.aim)
    path = None if record is None else tuned.store(record, bundle)
    if arguments.json:
        print_json(_table(outcome, record, path, busy))
    else:
        sys.stdout.write(_screen(outcome, path))
    if outcome.interrupted:
        return 130
    return 0 if record else 1


def _job(bundle: Bundle, arguments: argparse.Namespace) -> Job:
    data = None
    if arguments.data is not None:
        data = find_labelled(arguments.data)
        check_labels(data, bundle.labels, str(arguments.data))
    for kind in arguments.provider:
        candidates.open_provider({"kind": kind})  # an unknown one is a mistake, not a result
    kinds = tuple(dict.fromkeys(arguments.provider)) or candidates.kinds()
    return Job(
        bundle, arguments.aim, arguments.budget_s, kinds, arguments.max_drop, machine.cores(), data
    )


def _record(bundle: Bundle, outcome: Outcome, aim: Aim) -> Record:
    assert outcome.chosen is not None  # noqa: S101 - the caller asked
    chosen = outcome.chosen.configuration
    choice = Choice(
        chosen.provider,
        chosen.variant,
        chosen.resampling,
        chosen.batch,
        aim,
        outcome.chosen.figures,
        outcome.why,
    )
    kinds = {str(one.configuration.provider["kind"]) for one in outcome.tried}
    opened = [candidates.open_provider({"kind": kind}) for kind in kinds]
    packages = {one.package for one in opened if isinstance(one, ExecutionProvider)}
    return Record(
        bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
        digest=bundle.digest,
        device=machine.device(),
        versions=versions.here(packages - {"onnxruntime"}),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        choice=choice,
        configurations=tuple(map(_row, outcome.tried)),
    )


def _row(one: Tried) -> dict[str, object]:
    return {**asdict(one.configuration), **asdict(one.figures), "calls": one.calls}


def _table(
    outcome: Outcome, record: Record | None, path: Path | None, busy: str
) -> dict[str, object]:
    return {
        "choice": asdict(record.choice) if record else None,
        "file": str(path) if path else None,
        "measured": [_row(one) for one in outcome.tried],
        "dropped": outcome.dropped,
        "not_measured": outcome.unseen,
        "interrupted": outcome.interrupted,
        "environment": environment.environment(),
        "warnings": [busy] if busy else [],
    }


def _screen(outcome: Outcome, path: Path | None) -> str:
    shown = list(outcome.tried[:SHOWN])
    if outcome.chosen and outcome.chosen not in shown:
        shown.append(outcome.chosen)
    width = max((len(str(one.configuration)) for one in shown), default=0)
    head = f"  {'':{width}}   p50 ms   p99 ms  frame/s      MB    CPU   accuracy  agreement  calls"
    lines = [head] if shown else []
    for one in shown:
        mark = "*" if one == outcome.chosen else " "
        lines.append(f"{mark} {one.configuration!s:{width}}{_cells(one)}")
    if hidden := len(outcome.tried) - len(shown):
        lines.append(f"  ... {hidden} slower ones (--json)")
    if outcome.unseen:
        lines.append(f"{outcome.unseen} configurations not looked at: too little time (--budget-s)")
    lines += outcome.dropped
    if outcome.chosen and path:
        lines += [f"chosen: {outcome.chosen.configuration}", outcome.why, f"stored: {path}"]
    else:
        lines.append("nothing is stored: " + _why_nothing(outcome))
    return "\n".join(lines) + "\n"


def _why_nothing(outcome: Outcome) -> str:
    if outcome.interrupted:
        return "interrupted before every configuration was looked at"
    return "no configuration is left that runs and answers rightly here"


def _cells(one: Tried) -> str:
    figures = one.figures
    memory, cpu = figures.memory_mb, figures.cpu_share
    return (
        f"  {figures.latency_ms_p50:7.2f}  {figures.latency_ms_p99:7.2f}  "
        f"{figures.frames_per_s:7.1f}  {'-' if memory is None else f'{memory:.0f}':>6} "
        f"{'-' if cpu is None else f'{100 * cpu:.1f} %':>6}  {percent(figures.accuracy):>9}  "
        f"{percent(figures.agreement):>9}  {one.calls:5}"
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:  # NaN compares false
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return number


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
