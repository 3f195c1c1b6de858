"""Export a trained model to a bundle, and prove what was done.

    edgecls export timm:tf_efficientnet_lite0 --weights bolt.pth --data photos --to bolt.bundle

SOURCE is timm:NAME, torchvision:NAME or package.module:factory (a function without arguments that
returns the nn.Module). Labels come from --labels, from the checkpoint, or from the folders of
--data, sorted. The bundle is written whole or not at all.
"""

import argparse
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecls.errors import ConfigError
from edgecls.manifest import Interpolation, Precision, Resize
from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
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
        "--precision",
        choices=["auto", Precision.FP32, Precision.INT8],
        default="auto",
        help="auto: fp32, and int8 where it keeps to --max-drop (default)",
    )
    parser.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=float,
        default=1.0,
        help="points of top-1 that int8 may lose; unlabelled: %% of changed answers (default: 1)",
    )
    parser.add_argument("--threshold", type=float, action="append", help="binary, or one a label")
    parser.add_argument("--calibration-images", metavar="N", type=count, default=128)
    parser.add_argument("--max-images", metavar="N", type=count, default=2000, help="of --data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="of the classifier (default: the bundle's)")
    parser.add_argument("--version", default="1", help="of the classifier (default: 1)")
    parser.add_argument("--force", action="store_true", help="replace a bundle at --to")
    add_json(parser)
    _configure_preprocessing(parser.add_argument_group("preprocessing, where SOURCE does not know"))


def _configure_preprocessing(group: Any) -> None:  # noqa: ANN401 - argparse keeps its group type private
    group.add_argument("--size", metavar="PX", type=int, nargs="+", help="side, or height width")
    group.add_argument("--resize-size", metavar="PX", type=int, nargs="+", help="before the crop")
    group.add_argument("--resize", type=Resize, choices=list(Resize))
    group.add_argument("--interpolation", type=Interpolation, choices=list(Interpolation))
    group.add_argument("--mean", type=float, nargs=3, help="of 0..1 RGB, as in training")
    group.add_argument("--std", type=float, nargs=3, help="of 0..1 RGB, as in training")


def run(arguments: argparse.Namespace) -> int:
    """Export and print the proof."""
    # Being asked to stop is Ctrl-C by another name: nothing half-written may stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    precisions = {
        "auto": None,
        Precision.FP32: (Precision.FP32,),
        Precision.INT8: (Precision.FP32, Precision.INT8),
    }
    if arguments.seed < 0:
        raise ConfigError(f"--seed: {arguments.seed}; expected 0 or more")
    if not arguments.max_drop >= 0:
        raise ConfigError(f"--max-drop: {arguments.max_drop:g}; expected 0 or more points")
    report = export(
        Job(
            source=arguments.source,
            target=arguments.to,
            weights=arguments.weights,
            random_weights=arguments.random_weights,
            labels=arguments.labels,
            data=arguments.data,
            task=arguments.task,
            precisions=precisions[arguments.precision],
            max_drop=arguments.max_drop,
            thresholds=tuple(arguments.threshold) if arguments.threshold else None,
            overrides=_overrides(arguments),
            calibration_images=arguments.calibration_images,
            max_images=arguments.max_images,
            seed=arguments.seed,
            name=arguments.name,
            version=arguments.version,
            force=arguments.force,
        )
    )
    for message in report.skipped:
        sys.stderr.write(f"skipped: {message}\n")
    if arguments.json:
        print_json({"bundle": str(arguments.to), **asdict(report)})
    else:
        sys.stdout.write(report.text() + f"wrote {arguments.to}\n")
    return 0


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {key: getattr(arguments, key) for key in ("size", "resize_size", "mean", "std")}
    given |= {key: getattr(arguments, key) for key in ("resize", "interpolation")}
    overrides = {}
    for key, value in given.items():
        if value is None:
            continue
        if key in ("size", "resize_size"):
            if len(value) > 2 or min(value) < 1:
                raise ConfigError(
                    f"--{key.replace('_', '-')}: {value}; expected one or two lengths"
                )
            value = (value * 2)[:2]  # noqa: PLW2901 - a side stands for both
        overrides[key] = tuple(value) if isinstance(value, list) else value
    return overrides
