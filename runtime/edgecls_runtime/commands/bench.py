"""Measure each variant here, each in a process of its own.

Latency is from a 1080p frame in memory to its prediction, resize included; engine is the network
alone. Cold start is from the start of the process to the first answer from an image file.
Accuracy stands beside every speed: it is the export's, on the images it measured.
"""

import argparse
import sys
from dataclasses import asdict

from edgecls import progress
from edgecls.bundle import Bundle
from edgecls.manifest import Variant
from edgecls_runtime.benchmark import Measured, Wanted, environment, measure
from edgecls_runtime.commands import add_bundle, count, fitting_variants, percent, print_json
from edgecls_runtime.providers import open_provider


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    parser.add_argument("--variant", default="auto", help="one variant (default: each)")
    parser.add_argument("--threads", type=count, help="default: one per physical core")
    parser.add_argument("--frames", type=count, default=100, help="frames timed (default: 100)")
    parser.add_argument(
        "--no-spinning",
        action="store_true",
        help="idle threads sleep, as in a station that waits for its camera",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    bundle = Bundle.open(arguments.bundle)
    results = []
    names, not_run = fitting_variants(bundle, arguments.variant, open_provider("cpu"))
    for name, why in not_run.items():
        progress.step(f"{name}: not run: {why}")
    for name in names:
        progress.step(f"{name}: {arguments.frames} frames")
        wanted = Wanted(
            bundle.path, name, arguments.threads or 0, not arguments.no_spinning, arguments.frames
        )
        results.append((bundle.variant(name), measure(wanted)))
    around = environment()
    if arguments.json:
        variants = [
            {**asdict(measured), "accuracy": variant.accuracy, "agreement": variant.agreement}
            for variant, measured in results
        ]
        print_json({"bundle": str(bundle.path), "environment": around, "variants": variants})
        return 0
    sys.stdout.write("  ".join(f"{key} {value}" for key, value in around.items()) + "\n")
    width = max(len("variant"), *map(len, names))
    sys.stdout.write(
        f"{'variant':{width}}   p50 ms   p95 ms   p99 ms  engine ms  cold s  memory MB  accuracy  "
        f"agreement\n"
    )
    sys.stdout.writelines(_line(variant, measured, width) for variant, measured in results)
    return 0


def _line(variant: Variant, found: Measured, width: int) -> str:
    return (
        f"{variant.name:{width}}  {found.latency_ms_p50:7.2f}  {found.latency_ms_p95:7.2f}  "
        f"{found.latency_ms_p99:7.2f}  {found.engine_ms_p50:9.2f}  {found.cold_start_s:6.2f}  "
        f"{found.peak_memory_1080p_mb:9.1f}  {percent(variant.accuracy):>8}  "
        f"{percent(variant.agreement):>9}\n"
    )
