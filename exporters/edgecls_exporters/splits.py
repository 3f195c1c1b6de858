"""Which images calibrate, and which measure: never the same ones, told by their pixels."""

import hashlib
from dataclasses import dataclass

import numpy as np

from edgecls.errors import ExportError
from edgecls.progress import track
from edgecls_runtime.images import Labelled, read_image


@dataclass(frozen=True, slots=True)
class Split:
    """A data folder, divided.

    Attributes:
        calibrate: Used to find the ranges of activations; in no figure.
        measure: Used for every figure; never seen in calibration.
        duplicates: Files left out because another file shows the same picture.

    """

    calibrate: list[Labelled]
    measure: list[Labelled]
    duplicates: int


def split(data: list[Labelled], n_calibrate: int, most: int, seed: int) -> Split:
    """Divide a data folder, each label in proportion.

    Args:
        data: Files that can be read.
        n_calibrate: Wanted for calibration; at most half of the images are taken.
        most: Use no more images than this.
        seed: Decides which.

    Raises:
        ExportError: One picture stands under two labels.

    """
    unique = _unique(data)
    ordered = _interleaved(unique, np.random.default_rng(seed))[:most]
    n_calibrate = min(n_calibrate, len(ordered) // 2)
    duplicates = len(data) - len(unique)
    return Split(ordered[:n_calibrate], ordered[n_calibrate:], duplicates)


def _unique(data: list[Labelled]) -> list[Labelled]:
    """Keep one file of each picture, told by its pixels: a copy may be saved in another format."""
    first: dict[bytes, Labelled] = {}
    for item in track(data, "data: comparing", len(data)) if data else ():
        image = read_image(item.path)
        known = first.setdefault(
            hashlib.sha256(f"{image.shape}".encode() + image.data).digest(), item
        )
        if known.label != item.label:
            raise ExportError(
                f"{item.path}: the same picture as {known.path}, under another label; keep one"
            )
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
