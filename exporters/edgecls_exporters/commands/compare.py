"""Do two ways to answer agree, and if not, why?

    edgecls compare bolt.bundle timm:tf_efficientnet_lite0 --weights-b bolt.pth --data photos
    edgecls compare bolt.bundle:fp32 bolt.bundle:int8 --data photos

A and B are each a bundle, BUNDLE:VARIANT, an ONNX file, or a SOURCE as edgecls export takes it.
Exit code 1 when they disagree beyond a limit. Where a classic fault of preprocessing explains the
difference, such as swapped colours or a wrong crop, it is named.
"""

import argparse
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls.metrics import wilson
from edgecls.prediction import Task
from edgecls_exporters.commands.preprocessing_flags import add_preprocessing, overrides
from edgecls_exporters.compare import Comparison, Job, compare
from edgecls_exporters.label_file import read_labels
from edgecls_exporters.ledger import Flip, Row
from edgecls_exporters.sides import Known, Wanted
from edgecls_runtime.commands import add_json, count, percent, print_json

SHOWN = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("a", metavar="A", help="the reference")
    parser.add_argument("b", metavar="B", help="what is compared with it")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=True, help="DIR/<label>/<image>, or flat"
    )
    parser.add_argument(
        "--limit",
        metavar="PERCENT",
        type=float,
        default=99.0,
        help="agree on at least so many images (default: 99)",
    )
    parser.add_argument(
        "--max-difference", metavar="SCORE", type=float, help="no score may differ by more, 0..1"
    )
    parser.add_argument("--max-images", metavar="N", type=count, default=2000, help="of --data")
    parser.add_argument("--no-explain", action="store_true", help="do not look for the fault")
    add_json(parser)
    group = parser.add_argument_group("where A or B is a SOURCE")
    for side in "ab":
        group.add_argument(
            f"--weights-{side}", metavar="FILE", type=Path, help=".pth, .pt or .safetensors"
        )
    group.add_argument("--labels", metavar="FILE", type=Path, help="a line each, in logit order")
    group.add_argument("--task", type=Task, choices=list(Task), default=Task.MULTICLASS)
    group.add_argument("--threshold", type=float, action="append", help="binary, or one a label")
    add_preprocessing(parser, "preprocessing, where a SOURCE does not know it")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print the ledger."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not 0 <= arguments.limit <= 100:
        raise ConfigError(f"--limit: {arguments.limit:g}; expected 0 to 100 %")
    if arguments.max_difference is not None and not 0 <= arguments.max_difference <= 1:
        raise ConfigError(f"--max-difference: {arguments.max_difference:g}; expected 0 to 1")
    comparison = compare(
        Job(
            a=Wanted("A", arguments.a, arguments.weights_a),
            b=Wanted("B", arguments.b, arguments.weights_b),
            data=arguments.data,
            known=Known(
                labels=read_labels(arguments.labels) if arguments.labels else None,
                task=arguments.task,
                thresholds=tuple(arguments.threshold) if arguments.threshold else None,
                overrides=overrides(arguments),
            ),
            limit=arguments.limit / 100,
            max_difference=arguments.max_difference,
            max_images=arguments.max_images,
            explain=not arguments.no_explain,
        )
    )
    for message in comparison.skipped:
        sys.stderr.write(f"skipped: {message}\n")
    if arguments.json:
        print_json({"agrees": comparison.agrees, **asdict(comparison)})
    else:
        sys.stdout.write(_screen(comparison))
    return 0 if comparison.agrees else 1


def _screen(found: Comparison) -> str:
    a, b = found.rows
    lines = [
        f"A  {found.a}",
        f"B  {found.b}",
        f"{b.images} images, {len(found.skipped)} unreadable files left out",
        "",
        f"agreement           {percent(b.agreement)}, {len(found.flips)} images flipped",
        f"largest difference  {b.largest_difference:.2g} of a score",
        *_accuracy(a, b),
        *_recalls(a, b),
        *_flips(found.flips),
        "",
        *(f"fault: {explanation.message}" for explanation in found.explanations),
    ]
    if found.sought and not found.explanations:
        lines.append("no known fault of preprocessing explains the difference")
    lines += [f"they disagree: {text}" for text in found.disagreements] or ["they agree"]
    return "\n".join(lines) + "\n"


def _accuracy(a: Row, b: Row) -> list[str]:
    if a.accuracy is None or b.accuracy is None or b.drop_interval is None:
        return []
    lines = []
    for name, row, accuracy in (("A", a, a.accuracy), ("B", b, b.accuracy)):
        low, high = wilson(round(accuracy * row.images), row.images)
        interval = f"95 % interval {percent(low)} to {percent(high)}"
        lines.append(f"top-1 of {name}          {percent(accuracy)}   {interval}")
    low, high = b.drop_interval
    lines.append(
        f"B loses             {b.drop:.2f} points   95 % interval {low:.2f} to {high:.2f}, "
        f"p {b.drop_p:.2g} (exact McNemar)"
    )
    return lines


def _recalls(a: Row, b: Row) -> list[str]:
    changed = [label for label in a.recall if a.recall[label] != b.recall[label]]
    if not changed:
        return []
    changed.sort(key=lambda label: b.recall[label] - a.recall[label])
    lines = ["", "recall, where it differs"]
    for label in changed[:SHOWN]:
        pair = f"{percent(a.recall[label])} -> {percent(b.recall[label])}"
        lines.append(f"  {pair:22}  {label}")
    return [*lines, *_more(len(changed))]


def _flips(flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    lines = ["", "flipped images"]
    for flip in flips[:SHOWN]:
        truth = "" if flip.label is None else f", is {flip.label}"
        lines.append(f"  {flip.file}: A {flip.original}, B {flip.answers['B']}{truth}")
    return [*lines, *_more(len(flips))]


def _more(total: int) -> list[str]:
    return [f"  ... {total - SHOWN} more: --json has all"] if total > SHOWN else []
