"""Looking at several places of a frame: one batch, one call of the engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls.manifest import Preprocessing
from edgecls_runtime.capture.ahead import PreparedFrame
from edgecls_runtime.failover import Failover
from edgecls_runtime.preprocessing import MOST_PLANS, Preparer
from edgecls_runtime.views.cut import MOST_PLACES, Cut, Rgb, cut
from edgecls_runtime.views.place import Place, Seen
from edgecls_runtime.views.settings import View

Image = NDArray[np.uint8]

# Of frames of so many sizes what was worked out is kept: a camera has one, a folder perhaps many.
MOST_SIZES = 4


@dataclass(frozen=True, slots=True)
class _Plan:
    """All views on frames of one size, with buffers for each thread that is in them.

    Attributes:
        places: In the order of the views, tiles row by row.
        cuts: One for each view.

    """

    places: tuple[Place, ...]
    cuts: tuple[Cut, ...]
    _free: list[tuple[Image | None, ...]] = field(default_factory=list)

    @contextmanager
    def pictures(self, image: Image) -> Iterator[Iterator[Image]]:
        """Lend the pixels of each place, one after the other."""
        try:
            buffers = self._free.pop()  # atomic, as append is
        except IndexError:
            buffers = tuple(one.buffer() for one in self.cuts)
        try:
            pairs = zip(self.cuts, buffers, strict=True)
            yield chain.from_iterable(one.pictures(image, buffer) for one, buffer in pairs)
        finally:
            self._free.append(buffers)


class Looking:
    """Classifies the places of a frame: what a station calls, and what prepares its frames ahead.

    Several threads may share it.
    """

    def __init__(
        self, views: Sequence[View], frame_px: tuple[int, int] | None, classify: Failover
    ) -> None:
        """Keep where to look.

        Args:
            views: One or more, of one camera.
            frame_px: Width and height of the frames that they are measured in, px; None where
                frames of any size will do.
            classify: Answers for all places at once.

        Raises:
            ConfigError: The views do not fit ``frame_px``, or name labels that are not there.

        """
        self._views, self._frame_px, self._classify = tuple(views), frame_px, classify
        bundle = classify.classifier.bundle
        for view in self._views:
            view.check(bundle.labels)
        self._prepare = self._preparer(bundle.preprocessing)
        red, green, blue = (round(255 * mean) for mean in bundle.preprocessing.mean)
        self._fill: Rgb = (red, green, blue)
        self._size = bundle.preprocessing.size
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._lock = Lock()
        self._free: list[Image] = []
        if frame_px is not None:
            self.places((frame_px[1], frame_px[0]))

    def places(self, size: tuple[int, ...]) -> tuple[Place, ...]:
        """Return where is looked in frames of one size.

        Args:
            size: (height, width), px.

        Raises:
            ConfigError: The views were measured in frames of another size, or do not fit.

        """
        return self._plan(size).places

    def prepare(self, image: Image, out: Image | None = None) -> Image:
        """Cut a frame and prepare each place.

        Args:
            image: uint8, shape (height, width, 3), RGB.
            out: uint8, shape (n, *size, 3), that the result is written to if it has as many places.

        Returns:
            uint8, shape (n, *size, 3), in the order of ``places``.

        Raises:
            ConfigError: As of ``places``.
            ValueError: The image has another dtype or shape.

        """
        plan = self._plan(image.shape[:2])
        if out is None or len(out) != len(plan.places):
            out = np.empty((len(plan.places), *self._size, 3), np.uint8)
        # As the classifier that answers now wants it: after a loss it may be another one.
        wanted, prepare = self._classify.classifier.bundle.preprocessing, self._prepare
        if prepare.wanted is not wanted:
            prepare = self._prepare = self._preparer(wanted)
        with plan.pictures(image) as pictures:
            for picture, row in zip(pictures, out, strict=True):
                prepare(picture, row)
        return out

    def __call__(self, frame: Frame) -> tuple[Seen, ...]:
        """Classify the places of one frame, in one call of the engine.

        Raises:
            ConfigError: As of ``places``: a frame of another size is not cropped somewhere.
            ValueError: The image has another dtype or shape.
            ProviderError: The engine failed.

        """
        places = self.places(frame.image.shape[:2])
        if isinstance(frame, PreparedFrame):
            return self._seen(places, frame.prepared)
        try:
            spare = self._free.pop()  # atomic, as append is
        except IndexError:
            spare = None
        rows = self.prepare(frame.image, spare)
        try:
            return self._seen(places, rows)
        finally:
            self._free.append(rows)

    def _preparer(self, wanted: Preprocessing) -> Preparer:
        # Not the classifier's own: it keeps too few buffers for many views of different shapes.
        return Preparer(wanted, MOST_PLANS * len(self._views))

    def _seen(self, places: tuple[Place, ...], rows: Image) -> tuple[Seen, ...]:
        predictions = self._classify.run(lambda classifier: classifier.scored(rows))
        return tuple(map(Seen, places, predictions))

    def _plan(self, size: tuple[int, ...]) -> _Plan:
        plan = self._plans.get(size)
        if plan is not None:
            return plan
        with self._lock:
            plan = self._plans[size] = self._planned(size)
            while len(self._plans) > MOST_SIZES:
                self._plans.pop(next(iter(self._plans)))
        return plan

    def _planned(self, size: tuple[int, ...]) -> _Plan:
        height, width = size
        if self._frame_px is not None and (width, height) != self._frame_px:
            wanted_width, wanted_height = self._frame_px
            raise ConfigError(
                f"frame of {width} x {height} px; the views were measured in "
                f"{wanted_width} x {wanted_height} (frame_px); measure them again, or set the "
                f"camera to that size"
            )
        cuts = tuple(cut(view, (width, height), self._fill) for view in self._views)
        count = sum(len(one.places) for one in cuts)
        if count > MOST_PLACES:
            raise ConfigError(
                f"views: {count} places in a frame of {width} x {height} px; expected at most "
                f"{MOST_PLACES}; make the tiles larger"
            )
        return _Plan(tuple(place for one in cuts for place in one.places), cuts)
