"""Label image files.

A file that cannot be read is named on stderr; the others are still labelled.
"""

import argparse
import sys
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import ImageError
from edgecls.prediction import Prediction
from edgecls_runtime.commands import add_bundle, add_engine, count, print_json
from edgecls_runtime.images import read_image
from edgecls_runtime.opening import Allowed, open_classifier


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="image files")
    parser.add_argument(
        "--top", metavar="K", type=count, default=3, help="labels shown (default: 3)"
    )
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Classify every image; the exit code is that of the last one that could not be read, or 0."""
    allowed = Allowed(({"kind": arguments.provider},), arguments.variant)
    classify = open_classifier(Bundle.open(arguments.bundle), allowed)
    code, table = 0, []
    for path in arguments.images:
        try:
            prediction = classify(read_image(path))
        except ImageError as error:
            sys.stderr.write(f"edgecls classify: {error}\n")
            code = error.exit_code
            continue
        if arguments.json:
            table.append({"image": str(path), **_table(prediction, arguments.top)})
        else:
            sys.stdout.write(f"{path}: {_line(prediction, arguments.top)}\n")
    if arguments.json:
        print_json(table)
    return code


def _line(prediction: Prediction, top: int) -> str:
    """Read as ``dog 94 %  wolf 4 %  cat 2 %``."""
    return "  ".join(f"{label} {100 * score:.0f} %" for label, score in prediction.top(top))


def _table(prediction: Prediction, top: int) -> dict[str, object]:
    return {
        "label": prediction.label,
        "score": prediction.score,
        "margin": prediction.margin,
        "present": prediction.present,
        "top": [{"label": label, "score": score} for label, score in prediction.top(top)],
    }
