"""Do the whole job on real photos of solar cells, in a few minutes on two cores.

Trains a classifier (the part that is yours, normally), exports it, verifies it, and lets a station
judge cells that neither training nor export has seen. Every edgecls command is shown as it is run.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2

from edgecls import cli
from edgecls.errors import EdgeclsError, ExportError
from edgecls.verdict import Outcome
from edgecls_exporters.demo import contact_sheet, solar_cells, training
from edgecls_runtime.commands import count

STATION = """\
format = 1
bundle = "solar.bundle"

[camera]
kind = "folder"
path = "line"

[rule]
good = ["good"]
min_score = 0.8
min_margin = 0.2

[journal]
path = "verdicts.db"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--to", metavar="DIR", type=Path, default=Path("demo"), help="new folder (default: demo)"
    )
    parser.add_argument("--epochs", type=count, default=training.EPOCHS, help="of training")


def run(arguments: argparse.Namespace) -> int:
    """Train, export, verify, run, draw."""
    folder: Path = arguments.to
    if folder.exists():
        raise ExportError(f"{folder}: exists; remove it or choose another --to")
    photos = solar_cells.cells()
    solar_cells.lay_out(photos, folder)
    checkpoint = folder / "solar.pth"
    _say(f"training on {len(photos.train)} photos of solar cells")
    training.fit(photos.train, checkpoint, epochs=arguments.epochs)
    bundle, station = folder / "solar.bundle", folder / "station.toml"
    station.write_text(STATION, encoding="utf-8")
    source = f"timm:{training.ARCHITECTURE}"
    weights, data = f"--weights={checkpoint}", f"--data={folder / 'photos'}"
    _edgecls("export", source, weights, data, f"--to={bundle}")
    _edgecls("verify", str(bundle))
    _edgecls("run", str(station))
    sheet = folder / "verdicts.png"
    parts = contact_sheet.judged(folder / "verdicts.db")
    truth = solar_cells.truth(folder)
    picture = contact_sheet.draw(parts, folder / "line", truth, "good")
    cv2.imwrite(str(sheet), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    _say(_tally(parts, truth))
    _say(
        f"look at:\n"
        f"  {sheet}            every judged cell with its verdict and score\n"
        f"  {bundle / 'report.html'}  the proof of the export\n"
        f"  {folder / 'verdicts.db'}             the journal (SQLite)\n"
        f"  {station}            the station file; run it again with: edgecls run {station}"
    )
    return 0


def _edgecls(*arguments: str) -> None:
    """Run a command as a user would, in this process; stop the demo when it fails."""
    _say(f"$ edgecls {' '.join(arguments)}")
    if code := cli.main(arguments):
        raise _Stopped(code, arguments[0])


class _Stopped(EdgeclsError):  # noqa: N818 - reads as the event it is
    """A step of the demo has failed and has said why."""

    def __init__(self, code: int, command: str) -> None:
        super().__init__(f"stopped after edgecls {command}")
        self.exit_code = code


def _say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


def _tally(parts: list[contact_sheet.Part], truth: dict[str, str]) -> str:
    """Compare the verdicts with what the cells really are."""
    seen = Counter((truth[part.name], part.outcome) for part in parts)
    lines = [f"of {len(parts)} cells that were in no other step:"]
    for label in ("good", "defective"):
        counts = ", ".join(f"{seen[label, outcome]} {outcome.upper()}" for outcome in Outcome)
        lines.append(f"  {label:9} {counts}")
    return "\n".join(lines)
