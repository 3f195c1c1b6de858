"""Make a data set of what people said about kept images.

    edgecls evidence export evidence --to dataset

Each image that somebody relabelled or confirmed is copied to DATASET/<label>/, as edgecls export
and edgecls evaluate take it. One that was exported under another label before is moved: the last
word holds. The evidence stays as it is.
"""

import argparse
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.errors import ConfigError, DeviceError, ImageError
from edgecls.progress import track
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.evidence import relabels
from edgecls_runtime.evidence.names import safe_id
from edgecls_runtime.evidence.reading import Evidence, Kept
from edgecls_runtime.replaying.again import image_table, pixels_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("action", choices=("export",), help="what to do")
    parser.add_argument("evidence", metavar="DIR", type=Path, help="the path of an image output")
    parser.add_argument(
        "--to", metavar="DATASET", type=Path, required=True, help="made if it is not there"
    )
    add_json(parser)


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it.

    Attributes:
        labels: Images by label that are in the data set now.
        gone: Relabelled parts whose image is not kept any more.
        left_out: Why others were not copied.

    """

    labels: Counter[str] = field(default_factory=Counter)
    gone: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> int:
    """Copy the images; say how many of each label."""
    if not arguments.evidence.is_dir():
        raise ConfigError(
            f"evidence {arguments.evidence}: no such folder; expected the path of an image output"
        )
    exported = Exported()
    said = relabels.read(arguments.evidence, exported.left_out)
    kept = Evidence(arguments.evidence).all()
    for verdict_id, word in track(said.items(), "copying", len(said)):
        one = kept.get(safe_id(verdict_id))
        if one is None:
            exported.gone.append(verdict_id)
            continue
        try:
            _copy(one, word.label, arguments.to)
            exported.labels[word.label] += 1
        except (ImageError, ConfigError) as error:
            exported.left_out.append(str(error))
        except OSError as error:
            raise DeviceError(f"--to {arguments.to}: {error.strerror or error}") from error
    for message in exported.left_out:
        sys.stderr.write(f"left out: {message}\n")
    if arguments.json:
        print_json(
            {
                "labels": dict(sorted(exported.labels.items())),
                "gone": exported.gone,
                "left_out": exported.left_out,
            }
        )
        return 0
    for label, count in sorted(exported.labels.items()):
        sys.stdout.write(f"{count:6}  {label}\n")
    sys.stdout.write(f"{len(exported.gone):6}  relabelled, and not kept any more\n")
    return 0


def _copy(one: Kept, label: str, to: Path) -> None:
    """Copy a whole image to the folder of its label; take it from that of another one.

    Raises:
        ConfigError: No folder can have the name of the label.
        ImageError: The image is damaged, or would be seen otherwise than it was judged.

    """
    if label in ("", ".", "..") or any(character in label for character in "/\\\0"):
        raise ConfigError(f"{one.path}: label {label!r} is no name of a folder; relabel it")
    if not image_table(one).get("upright", True):
        raise ImageError(f"{one.path}: was judged as it lay, and asks to be turned; not copied")
    pixels_of(one)
    for other in to.glob(f"*/{one.path.name}"):
        if other.parent.name != label:
            other.unlink()
    folder = to / label
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{one.path.name}"
    shutil.copyfile(one.path, unfinished)
    unfinished.rename(folder / one.path.name)
