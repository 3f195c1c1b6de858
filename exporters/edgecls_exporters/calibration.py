"""Which images calibrate, and which measure: never the same ones, told by content, not by name."""

from dataclasses import dataclass

import numpy as np

from edgecls.bundle import sha256
from edgecls.progress import track
from edgecls_runtime.images import Labelled


@dataclass(frozen=True, slots=True)
class Split:
    """A data folder, divided.

    Attributes:
        calibrate: Used to find the ranges of activations; in no figure.
        measure: Used for every figure; never seen in calibration.
        duplicates: Files left out because another file has the same content.
        labelled: Whether every image has a label.

    """

    calibrate: list[Labelled]
    measure: list[Labelled]
    duplicates: int
    labelled: bool


def split(data: list[Labelled], n_calibrate: int, most: int, seed: int) -> Split:
    """Divide a data folder, each label in proportion.

    Args:
        data: All files.
        n_calibrate: Wanted for calibration; at most half of the images are taken.
        most: Use no more images than this.
        seed: Decides which.

    """
    unique = _unique(data)
    ordered = _interleaved(unique, np.random.default_rng(seed))[:most]
    n_calibrate = min(n_calibrate, len(ordered) // 2)
    labelled = bool(ordered) and all(item.label is not None for item in ordered)
    duplicates = len(data) - len(unique)
    return Split(ordered[:n_calibrate], ordered[n_calibrate:], duplicates, labelled)


def _unique(data: list[Labelled]) -> list[Labelled]:
    first: dict[str, Labelled] = {}
    for item in track(data, "data: reading", len(data)):
        first.setdefault(sha256(item.path), item)
    return list(first.values())


def _interleaved(data: list[Labelled], random: np.random.Generator) -> list[Labelled]:
    """Shuffle, then spread the labels evenly, so that any beginning of the list is a fair sample.

    An image takes the place (its rank within its label) / (its label's size): a label of 500 and
    one of 50 keep their proportion in every beginning.
    """
    groups: dict[str | None, list[Labelled]] = {}
    for i in random.permutation(len(data)):
        groups.setdefault(data[i].label, []).append(data[i])
    placed = [
        ((rank + random.random()) / len(group), item)
        for group in groups.values()
        for rank, item in enumerate(group)
    ]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]
