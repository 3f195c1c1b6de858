"""Verdicts whose images are kept, for tests."""

from dataclasses import replace

import numpy as np

from edgecls.frame import Frame
from edgecls.verdict import Verdict
from output_kinds import verdict
from servers import Image

NOISE: Image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def frame(pixels: Image = NOISE, original: Image | None = None) -> Frame:
    """Return a frame, of noise if nothing is given."""
    return Frame(pixels, 7, 0.0, "fake camera", original=original)


def sized(size: int) -> Frame:
    """Return a frame whose file has so many bytes; it is kept as it is."""
    file = np.zeros(size, np.uint8)
    file[:2] = 0xFF, 0xD8
    return frame(original=file)


def of(counts_as: str, number: int, shown: Frame | None = None, label: str = "ok") -> Verdict:
    """Return the verdict of a part, each a second after the one before."""
    at = f"2026-11-28T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000+00:00"
    told = verdict(counts_as, str(number), label)
    return replace(told, frame=shown or frame(), recorded_at=at, id=f"0a1b2c3d4e5f-{number}")
