"""Measure each variant here, each configuration in a process of its own.

Latency is from a 1080p frame in memory, or from a JPEG file, to its prediction, resize included;
engine is the network alone. Cold start is from the start of the process to the first answer from an
image file. CPU is the work of the process at 10 frames a second, as a share of one core.
Accuracy stands beside every speed: it is the export's, on the images it measured.
--provider, --threads and --batch may be given more than once; every combination is measured.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from edgecls import progress
from edgecls.bundle import Bundle
from edgecls.errors import EdgeclsError, ProviderError
from edgecls.manifest import Variant
from edgecls_runtime import machine
from edgecls_runtime.commands import add_bundle, count, fitting_variants, percent, print_json
from edgecls_runtime.measuring import bench_picture, candidates, tuned
from edgecls_runtime.measuring.bench_picture import Point
from edgecls_runtime.measuring.benchmark import Measured, Wanted, measure
from edgecls_runtime.measuring.environment import environment, load_warning
from edgecls_runtime.measuring.trial_messages import place

COLUMNS = ("p50", "p95", "p99", "p99.9", "JPEG", "engine", "frame/s", "cold s", "MB", "CPU")
Result = tuple[Variant, Measured]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    parser.add_argument("--variant", default="auto", help="one variant (default: each)")
    parser.add_argument(
        "--provider",
        metavar="P",
        action="append",
        default=[],
        help="such as cpu (default: auto: what edgecls tune chose, else cpu)",
    )
    parser.add_argument(
        "--threads", type=count, action="append", default=[], help="(default: the provider's)"
    )
    parser.add_argument(
        "--batch", type=count, action="append", default=[], help="frames in one call (default: 1)"
    )
    parser.add_argument("--frames", type=count, default=100, help="calls timed (default: 100)")
    parser.add_argument(
        "--spinning",
        action=argparse.BooleanOptionalAction,
        help="idle threads wait actively for work, or sleep (default: the provider's)",
    )
    parser.add_argument(
        "--picture", metavar="FILE.svg", type=Path, help="draw accuracy against latency"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    bundle = Bundle.open(arguments.bundle)
    around = environment()
    warnings = [line for line in [load_warning(machine.cores())] if line]
    results = _measured(_wanted(bundle, arguments), bundle, warnings)
    for line in warnings:
        sys.stderr.write(f"{line}\n")
    if arguments.picture is not None:
        arguments.picture.write_text(_picture(bundle, results, warnings), encoding="utf-8")
    if arguments.json:
        table = {"bundle": str(bundle.path), "environment": around, "warnings": warnings}
        print_json({**table, "variants": [_table(*result) for result in results]})
    else:
        sys.stdout.write(_screen(around, results))
    return 0


def _wanted(bundle: Bundle, arguments: argparse.Namespace) -> list[Wanted]:
    """Return every combination that is to be measured; say which variants are not run, and why."""
    wanted = []
    for kind in arguments.provider or ["auto"]:
        choice = tuned.find(bundle) if kind == "auto" else None
        table: dict[str, object] = (
            choice.provider if choice else {"kind": "cpu" if kind == "auto" else kind}
        )
        if arguments.spinning is not None:
            table = {**table, "spinning": arguments.spinning}
        names, not_run = fitting_variants(
            bundle, arguments.variant, candidates.open_provider(table)
        )
        for name, why in not_run.items():
            progress.step(f"{name} on {table['kind']}: not run: {why}")
        tables = [{**table, "threads": n} for n in arguments.threads] or [table]
        wanted += [
            Wanted(
                arguments.bundle,
                name,
                one,
                arguments.frames,
                batch,
                choice.resampling if choice else None,
                whole=True,
            )
            for one in tables
            for batch in arguments.batch or [1]
            for name in names
        ]
    return wanted


def _measured(wanted: list[Wanted], bundle: Bundle, warnings: list[str]) -> list[Result]:
    """Measure all that can be measured; add what disturbed, failed or was wrong to ``warnings``.

    Raises:
        EdgeclsError: Nothing could be measured.

    """
    results: list[Result] = []
    for one in wanted:
        name = _name(one.variant, one.provider, one.batch)
        progress.step(f"{name}: {one.frames} calls")
        try:
            found = measure(one)
        except EdgeclsError as error:
            if len(wanted) == 1:
                raise
            warnings.append(f"not measured: {error}")
            continue
        warnings += [f"{name}: {line}" for line in (found.busy, found.wrong) if line]
        results.append((bundle.variant(one.variant), found))
    if not results:
        raise ProviderError(warnings[-1])
    return results


def _name(variant: str, provider: dict[str, object], batch: int) -> str:
    return f"{variant} on {place(provider)}{f' batch={batch}' if batch > 1 else ''}"


def _table(variant: Variant, found: Measured) -> dict[str, object]:
    accuracy = {"accuracy": variant.accuracy, "agreement": variant.agreement}
    return {**asdict(found), **accuracy}


def _screen(around: dict[str, object], results: list[Result]) -> str:
    named = [_name(found.variant, found.provider, found.batch) for _, found in results]
    width = max(map(len, named))
    head = "".join(f"{column:>9}" for column in COLUMNS)
    lines = [
        "  ".join(f"{key} {_plain(value)}" for key, value in around.items()),
        f"{'':{width}}{head}   accuracy  agreement",
        *(
            f"{name:{width}}{_cells(found)}  {percent(variant.accuracy):>9}  "
            f"{percent(variant.agreement):>9}"
            for name, (variant, found) in zip(named, results, strict=True)
        ),
        *(
            f"{name}: {found.placement_line}"
            for name, (_, found) in zip(named, results, strict=True)
        ),
    ]
    if min(found.frames for _, found in results) < 1000:
        lines.append("p99.9 of fewer than 1000 calls is about the slowest one (--frames 1000)")
    return "\n".join(lines) + "\n"


def _cells(found: Measured) -> str:
    times = (
        found.latency_ms_p50,
        found.latency_ms_p95,
        found.latency_ms_p99,
        found.latency_ms_p99_9,
        found.jpeg_ms_p50,
        found.engine_ms_p50,
    )
    cpu = found.cpu_share_10_hz
    cells = [*("-" if t is None else f"{t:.2f}" for t in times)]
    cells += [f"{found.frames_per_s:.1f}", f"{found.cold_start_s:.2f}"]
    cells += [f"{found.peak_memory_1080p_mb:.0f}", "-" if cpu is None else f"{100 * cpu:.1f} %"]
    return "".join(f"{cell:>9}" for cell in cells)


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _picture(bundle: Bundle, results: list[Result], warnings: list[str]) -> str:
    truth = any(variant.accuracy is not None for variant, _ in results)
    points = [
        Point(
            _name(found.variant, found.provider, found.batch),
            found.latency_ms_p50,
            found.latency_ms_p99,
            variant.accuracy if truth else variant.agreement,
            bool(found.wrong),
        )
        for variant, found in results
    ]
    notes = [f"{machine.device()}; {results[0][1].frames} calls each", *warnings]
    title = f"{bundle.manifest.name} {bundle.manifest.version}"
    return bench_picture.draw(points, title, "accuracy" if truth else "agreement", notes)
