"""The photos of ``elpv-dataset``, divided into three parts that never meet.

Only cells whose judges were sure are used: defect probability 0 (good) or 1 (defective).

Source:
    S. Deitsch et al., "Segmentation of photovoltaic module cells in uncalibrated
    electroluminescence images", Machine Vision and Applications 32 (2021).
"""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import elpv_dataset
import numpy as np

from edgecls_runtime.images import Labelled

LABELS = ("defective", "good")
TRAINED, HELD_OUT = 1300, 120


@dataclass(frozen=True, slots=True)
class Cells:
    """The photos, by what they are for."""

    train: list[Labelled]
    export: list[Labelled]
    line: list[Labelled]


def cells(seed: int = 0) -> Cells:
    """Return the photos of the installed package, divided."""
    folder = Path(elpv_dataset.__file__).parent / "data"
    sure = []
    for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines():
        file, probability, _ = line.split()
        if float(probability) in (0.0, 1.0):
            sure.append(Labelled(folder / file, "defective" if float(probability) else "good"))
    order = np.random.default_rng(seed).permutation(len(sure))
    shuffled = [sure[i] for i in order]
    return Cells(shuffled[:TRAINED], shuffled[TRAINED:-HELD_OUT], shuffled[-HELD_OUT:])


def lay_out(found: Cells, folder: Path) -> None:
    """Copy photos for the export by label, and those for the line into a flat folder.

    What the line's cells really are is kept apart, in ``truth.csv``.
    """
    for label in LABELS:
        (folder / "photos" / label).mkdir(parents=True)
    (folder / "line").mkdir()
    for cell in found.export:
        shutil.copy(cell.path, folder / "photos" / str(cell.label))
    for cell in found.line:
        shutil.copy(cell.path, folder / "line")
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("part", "label"))
        rows.writerows((cell.path.name, cell.label) for cell in found.line)


def truth(folder: Path) -> dict[str, str]:
    """Return what each part of the line really is."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return {row["part"]: row["label"] for row in csv.DictReader(file)}
