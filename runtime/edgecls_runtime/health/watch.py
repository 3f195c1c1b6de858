"""One camera's health: each of its frames measured, held to limits, and compared with the last."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls_runtime.capture.ahead import PreparedFrame
from edgecls_runtime.health.frozen import Frozen, Repeats
from edgecls_runtime.health.limits import Limits
from edgecls_runtime.health.measures import Figures, measured
from edgecls_runtime.health.view import Reference

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Expected:
    """What frames of a camera shall be like.

    Attributes:
        limits: Of their figures.
        reference: The view that they shall show; None where it may be any.
        frozen: When the camera is frozen; None where it may repeat itself.
        size: Height and width, px, that the limits were learned at; None: any.
        source: The file that says so, for messages.

    """

    limits: Limits = field(default_factory=Limits)
    reference: Reference | None = None
    frozen: Frozen | None = None
    size: tuple[int, int] | None = None
    source: str = ""


class Watch:
    """Says of each frame of one camera what is wrong with it."""

    def __init__(self, expected: Expected) -> None:
        """Begin with no frame seen."""
        self._expected = expected
        self._repeats = Repeats(expected.frozen) if expected.frozen else None
        self._first = True

    def measured(self, image: Image) -> Figures:
        """Measure a frame; any thread may, before ``fault`` is asked."""
        return measured(image, self._expected.reference)

    @property
    def is_idle(self) -> bool:
        """Whether frames may be like anything, and none needs to be measured."""
        return self._expected == Expected()

    def fault(self, frame: Frame) -> str:
        """Return what is wrong with a frame, in one line; empty for one that may be judged.

        Args:
            frame: The next one of the camera; it is measured here unless it was before.

        Raises:
            ConfigError: The first frame has another size than the limits are for.

        """
        if self.is_idle:
            return ""
        known = frame.health if isinstance(frame, PreparedFrame) else None
        try:
            figures = known or self.measured(frame.image)
        except MemoryError:
            return f"{frame.camera}: not enough memory to measure its frame"
        first, self._first = self._first, False
        if wrong := self._wrong_size(figures, frame.camera):
            if first:
                raise ConfigError(wrong)
            return wrong
        broken = self._expected.limits.broken(figures)
        repeated = self._repeats and self._repeats.fault(figures.sample, frame.captured_at)
        fault = broken or repeated
        return f"{frame.camera}: {fault}" if fault else ""

    def _wrong_size(self, figures: Figures, camera: str) -> str:
        expected = self._expected.size
        if expected is None or figures.size == expected:
            return ""
        found, wanted = (f"{width} x {height}" for height, width in (figures.size, expected))
        return (
            f"{self._expected.source}: limits for frames of {wanted}; {camera} delivers {found}; "
            f"set it to {wanted}, or run edgecls calibrate again"
        )
