"""Export a trained model to a bundle, and prove what was done.

    edgecls export timm:tf_efficientnet_lite0 --weights bolt.pth --data photos --to bolt.bundle

SOURCE is timm:NAME, torchvision:NAME, open_clip:NAME, package.module:factory (a function without
arguments that returns the nn.Module), a torch.export FILE.pt2 or somebody's FILE.onnx. Labels come
from --labels, from the model itself, or from the folders of --data, sorted. The bundle is written
whole or not at all. Exit code 1: a variant that was asked for (--precision, --target) broke the
budget and is not in the bundle; report.html says why.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from edgecls.errors import ConfigError
from edgecls.manifest import Precision, Resampling
from edgecls.prediction import Task
from edgecls_exporters import targets
from edgecls_exporters.commands.preprocessing_flags import add_preprocessing, overrides
from edgecls_exporters.export import export
from edgecls_exporters.inputs import INTEGER, Job
from edgecls_runtime.commands import add_json, count, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--to", metavar="BUNDLE", type=Path, required=True)
    parser.add_argument("--weights", metavar="FILE", type=Path, help=".pth, .pt or .safetensors")
    parser.add_argument("--random-weights", action="store_true", help="untrained: for speed only")
    parser.add_argument("--labels", metavar="FILE", type=Path, help="a line each, in logit order")
    parser.add_argument("--data", metavar="DIR", type=Path, help="DIR/<label>/<image>, or flat")
    parser.add_argument("--task", type=Task, choices=list(Task), default=Task.MULTICLASS)
    parser.add_argument(
        "--calibration-data",
        metavar="DIR",
        type=Path,
        help="images that calibrate and choose (default: half of --data)",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", *Precision],
        default="auto",
        help="auto: fp32, and int8 where it keeps to the budget (default)",
    )
    parser.add_argument(
        "--target",
        metavar="NAME",
        action="append",
        help=f"kernels to make a variant for, more than once (default: {', '.join(INTEGER)}); "
        f"known: {', '.join(targets.names())}",
    )
    _configure_budget(parser.add_argument_group("what a variant may lose"))
    parser.add_argument("--threshold", type=float, action="append", help="binary, or one a label")
    parser.add_argument("--calibration-images", metavar="N", type=count, default=128)
    parser.add_argument("--choosing-images", metavar="N", type=count, default=128)
    parser.add_argument("--max-images", metavar="N", type=count, default=2000, help="of --data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="of the classifier (default: the bundle's)")
    parser.add_argument("--version", default="1", help="of the classifier (default: 1)")
    parser.add_argument("--force", action="store_true", help="replace a bundle at --to")
    add_json(parser)
    add_preprocessing(parser, "preprocessing, where SOURCE does not know")
    parser.add_argument(
        "--resampling",
        choices=["auto", *Resampling],
        default="auto",
        help="auto: the fastest resize that leaves the answers alone (default)",
    )


def _configure_budget(group: Any) -> None:  # noqa: ANN401 - argparse keeps its group type private
    group.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=float,
        default=1.0,
        help="points of top-1; unlabelled: %% of changed answers (default: 1)",
    )
    group.add_argument("--max-label-drop", metavar="POINTS", type=float, help="of any one recall")
    group.add_argument("--good", metavar="LABEL", action="append", help="lets a part pass")
    group.add_argument(
        "--max-escapes",
        metavar="N",
        type=int,
        default=0,
        help="with --good: defects that the original stops and a variant passes (default: 0)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export and print the proof."""
    # Being asked to stop is Ctrl-C by another name: nothing half-written may stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    job = _job(arguments)
    report = export(job)
    for message in report.skipped:
        sys.stderr.write(f"skipped: {message}\n")
    for message in report.suspicions:
        sys.stderr.write(f"suspicious: {message}\n")
    if arguments.json:
        print_json({"bundle": str(arguments.to), **report.data()})
    else:
        sys.stdout.write(report.text() + f"wrote {arguments.to}\n")
    return 1 if job.asked and report.left_out else 0


def _job(arguments: argparse.Namespace) -> Job:
    if arguments.seed < 0:
        raise ConfigError(f"--seed: {arguments.seed}; expected 0 or more")
    for flag in ("max_drop", "max_label_drop", "max_escapes"):
        value = getattr(arguments, flag)
        if value is not None and not value >= 0:
            raise ConfigError(f"--{flag.replace('_', '-')}: {value:g}; expected 0 or more")
    if arguments.calibration_data and not arguments.data:
        raise ConfigError("--calibration-data: nothing to measure on; give --data DIR too")
    return Job(
        source=arguments.source,
        target=arguments.to,
        weights=arguments.weights,
        random_weights=arguments.random_weights,
        labels=arguments.labels,
        data=arguments.data,
        task=arguments.task,
        calibration_data=arguments.calibration_data,
        precision=None if arguments.precision == "auto" else Precision(arguments.precision),
        targets=tuple(dict.fromkeys(arguments.target)) if arguments.target else None,
        max_drop=arguments.max_drop,
        max_label_drop=arguments.max_label_drop,
        good=tuple(arguments.good or ()),
        max_escapes=arguments.max_escapes,
        thresholds=tuple(arguments.threshold) if arguments.threshold else None,
        overrides=overrides(arguments),
        resampling=None if arguments.resampling == "auto" else Resampling(arguments.resampling),
        calibration_images=arguments.calibration_images,
        choosing_images=arguments.choosing_images,
        max_images=arguments.max_images,
        seed=arguments.seed,
        name=arguments.name,
        version=arguments.version,
        force=arguments.force,
    )
