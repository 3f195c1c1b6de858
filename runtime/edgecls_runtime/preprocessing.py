"""The only image -> tensor code in the project: exporter, evaluation and station all call it."""

import math
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls_runtime.resizing.filters import Span
from edgecls_runtime.resizing.resampling import Resampler

Image = NDArray[np.uint8]

# How many times the wanted height and width an image must keep through a further halving.
# docs/preprocessing.md has what was measured at 1, 2 and 3.
KEPT = {Resampling.HALVING: 2, Resampling.COARSE: 1}
# So many sets of buffers are kept, and for so many pixels of images in all: those of an image of
# 1080 x 1920 take 2 to 6 MB. The newest are kept in any case.
MOST_PLANS, MOST_PIXELS = 16, 1 << 24


def prepare(image: Image, wanted: Preprocessing) -> Image:
    """Scale and crop one image to the network's input; normalisation is in the graph.

    For one image, or many of many shapes. For a camera's, a ``Preparer`` is faster.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        wanted: The bundle's declaration.

    Returns:
        uint8, shape (*wanted.size, 3), C-contiguous.

    Raises:
        ValueError: The image has another dtype or shape.

    """
    return Preparer(wanted)(image)


class Preparer:
    """Scales and crops images to the network's input, in buffers that it keeps between calls.

    The bytes are those of ``prepare``. A result is the caller's and never one of the buffers, so it
    stays as it is. Several threads may share one: calls at the same time use buffers of their own.
    """

    __slots__ = ("_idle", "_lock", "_most", "wanted")

    def __init__(self, wanted: Preprocessing, most: int = MOST_PLANS) -> None:
        """Keep the bundle's declaration; buffers are made for each shape of image as it comes.

        Args:
            wanted: The declaration.
            most: Sets of buffers that are kept; each thread needs one for each shape that recurs.

        """
        self.wanted, self._most = wanted, most
        self._idle: list[_Plan] = []  # the newest last
        self._lock = Lock()

    def __call__(self, image: Image, out: Image | None = None) -> Image:
        """Scale and crop one image.

        Args:
            image: uint8, shape (height, width, 3), RGB; read only.
            out: Where the result goes, so that nothing is allocated: uint8, shape
                (*wanted.size, 3), C-contiguous, such as one image of a batch.

        Returns:
            ``out``, or a new array of that kind; it is the caller's.

        Raises:
            ValueError: The image or ``out`` has another dtype or shape.

        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(
                f"image: {image.dtype} of shape {image.shape}; "
                f"expected uint8 (height, width, 3), RGB"
            )
        if out is None:
            out = np.empty((*self.wanted.size, 3), np.uint8)
        elif not _fits(out, self.wanted.size):
            raise ValueError(
                f"out: {out.dtype} of shape {out.shape}, strides {out.strides}; "
                f"expected uint8 {(*self.wanted.size, 3)}, C-contiguous and writable"
            )
        plan = self._taken(image.shape[:2])
        plan.carry_out(image, out, self.wanted.fill)
        self._give_back(plan)
        return out

    def _taken(self, size: tuple[int, ...]) -> "_Plan":
        """Return a plan that no other thread has meanwhile: an idle one, or a new one."""
        with self._lock:
            same = [i for i, plan in enumerate(self._idle) if plan.size == size]
            if same:
                return self._idle.pop(same[-1])
        return _plan(size, self.wanted)

    def _give_back(self, plan: "_Plan") -> None:
        """Put a plan back as the newest; those that were not used for longest may have to go."""
        with self._lock:
            self._idle.append(plan)
            while len(self._idle) > 1 and (
                len(self._idle) > self._most
                or sum(math.prod(plan.size) for plan in self._idle) > MOST_PIXELS
            ):
                self._idle.pop(0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done with each image of one shape.

    Attributes:
        size: The image's (height, width), px.
        resampler: Makes the pixels that are seen.
        inside: The (rows, columns) of the result that they fill.
        around: The rest, as rectangles.

    """

    size: tuple[int, int]
    resampler: Resampler
    inside: tuple[slice, slice]
    around: tuple[tuple[slice, slice], ...]

    def carry_out(self, image: Image, out: Image, fill: tuple[int, int, int]) -> None:
        for border in self.around:
            out[border] = fill
        self.resampler(image, out[self.inside])


def _plan(size: tuple[int, ...], wanted: Preprocessing) -> _Plan:
    height, width = size
    scaled = scaled_size(size, wanted)
    rows = _window(scaled[0], wanted.size[0])
    columns = _window(scaled[1], wanted.size[1])
    halved = halvings(size, wanted)
    resampler = Resampler((height, width), rows, columns, wanted.interpolation, halved)
    top, left = (wanted.size[0] - rows.count) // 2, (wanted.size[1] - columns.count) // 2
    tall, wide = slice(top, top + rows.count), slice(left, left + columns.count)
    borders = (
        (slice(top), slice(None)),
        (slice(tall.stop, None), slice(None)),
        (tall, slice(left)),
        (tall, slice(wide.stop, None)),
    )
    around = borders if (rows.count, columns.count) != wanted.size else ()
    return _Plan((height, width), resampler, (tall, wide), around)


def _fits(out: Image, size: tuple[int, int]) -> bool:
    flags = out.flags
    return (
        out.dtype == np.uint8 and out.shape == (*size, 3) and flags.c_contiguous and flags.writeable
    )


def scaled_size(size: tuple[int, ...], wanted: Preprocessing) -> tuple[int, int]:
    """Return the (height, width), px, that an image of ``size`` is scaled to before the crop.

    Source:
        torchvision ``Resize(int)`` cuts the long side's fraction off; timm ``ResizeKeepRatio``,
        used for letterboxes and for networks that are not square, rounds it (half to even).
    """
    height, width = size
    tall, wide = wanted.resize_size
    if wanted.resize is Resize.STRETCH:
        return tall, wide
    if wanted.resize is Resize.SHORTEST and tall == wide:
        if width <= height:
            return math.floor(tall * height / width), tall
        return tall, math.floor(tall * width / height)
    bound = min if wanted.resize is Resize.SHORTEST else max
    ratio = bound(height / tall, width / wide)
    # A thread of an image may round to nothing; one pixel is the least that can be shown.
    return max(round(height / ratio), 1), max(round(width / ratio), 1)


def halvings(size: tuple[int, ...], wanted: Preprocessing) -> int:
    """Return how often an image of ``size`` (height, width), px, is halved before the filter.

    Both sides are halved as often: one that needs it less, in a ``stretch``, decides.
    """
    if wanted.resampling is Resampling.EXACT or wanted.interpolation is Interpolation.NEAREST:
        return 0
    wanted_size = scaled_size(size, wanted)
    spare = min(have // want for have, want in zip(size, wanted_size, strict=True))
    return max((spare // KEPT[wanted.resampling]).bit_length() - 1, 0)


def _window(scaled: int, size: int) -> Span:
    """Return the centre ``size`` pixels of an axis, or all of it when it is shorter.

    Source:
        torchvision ``center_crop`` begins at ``int(round((scaled - size) / 2.0))``.
    """
    if scaled <= size:
        return Span(scaled, 0, scaled)
    return Span(scaled, round((scaled - size) / 2.0), size)
