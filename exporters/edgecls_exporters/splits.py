"""Which images calibrate, choose and measure: never the same ones, told by their pixels."""

import hashlib
from dataclasses import dataclass

import numpy as np

from edgecls.errors import ExportError
from edgecls.progress import track
from edgecls_runtime.images import Labelled, read_image


@dataclass(frozen=True, slots=True)
class Split:
    """Images, divided.

    Attributes:
        calibrate: Used to find the ranges of activations; in no figure.
        choose: Used to choose between ways of quantizing; in no figure.
        measure: Used for every figure; seen by neither.
        duplicates: Files left out because another file shows the same picture.

    """

    calibrate: list[Labelled]
    choose: list[Labelled]
    measure: list[Labelled]
    duplicates: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many images shall do what.

    Attributes:
        calibrate: For calibration.
        choose: For choosing.
        most: Use no more images than this, of each folder.
        seed: Decides which.

    """

    calibrate: int
    choose: int
    most: int
    seed: int


def split(data: list[Labelled], aside: list[Labelled], wanted: Wanted) -> Split:
    """Divide images, each label in proportion.

    Args:
        data: Files that can be read.
        aside: Files for calibration and choosing alone; empty takes both from ``data``, at most a
            quarter of it for each.
        wanted: How many.

    Raises:
        ExportError: One picture stands under two labels, or in both lists.

    """
    known = _unique(data)
    ordered = _ordered(known, wanted)
    if not aside:
        n, m = (min(n, len(ordered) // 4) for n in (wanted.calibrate, wanted.choose))
        left_out = len(data) - len(known)
        return Split(ordered[:n], ordered[n : n + m], ordered[n + m :], left_out)
    others = _unique(aside)
    for digest in others.keys() & known.keys():
        raise ExportError(
            f"{others[digest].path}: the same picture as {known[digest].path}; an image that "
            f"calibrates must not measure; remove it from --calibration-data or from --data"
        )
    first = _ordered(others, wanted)
    n = min(wanted.calibrate, len(first) // 2)
    left_out = len(data) - len(known) + len(aside) - len(others)
    return Split(first[:n], first[n : n + wanted.choose], ordered, left_out)


def _ordered(known: dict[bytes, Labelled], wanted: Wanted) -> list[Labelled]:
    random = np.random.default_rng(wanted.seed)
    return _interleaved(list(known.values()), random)[: wanted.most]


def _unique(data: list[Labelled]) -> dict[bytes, Labelled]:
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
    return first


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
