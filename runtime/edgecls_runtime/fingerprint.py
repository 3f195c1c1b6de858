"""Which pixels a network got, in one line: what a journal keeps, and a replay compares."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def of(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of what the network got, as hexadecimal.

    Args:
        pixels: uint8, shape (height, width, 3), or (n, height, width, 3) of n places in their
            order; one place gives the same in both shapes.

    Raises:
        ValueError: They have another type; its bytes would mean something else.

    """
    if pixels.dtype != np.uint8:
        raise ValueError(f"fingerprint: pixels are {pixels.dtype}; expected uint8")
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
