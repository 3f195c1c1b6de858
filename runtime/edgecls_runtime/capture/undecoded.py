"""Frames that have arrived and are not decoded yet: who needs one decodes it, in its own thread.

A live camera sends more frames than are judged, and decoding is most of what a frame costs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded
from edgecls_runtime.protocols import Camera, Deferring


@dataclass(frozen=True, slots=True)
class Undecoded:
    """One frame as the camera delivered it.

    Attributes:
        decode: Returns its image, uint8 (height, width, 3), RGB, or raises ImageError.
        number: As of ``Frame``; likewise those after it.
        original: Returns the frame's ``original`` once it was decoded; None where it has none.

    """

    decode: Callable[[], NDArray[np.uint8]]
    number: int
    captured_at: float
    camera: str
    part: str | None = None
    announced_at: float | None = None
    original: Callable[[], NDArray[np.uint8] | None] | None = None

    def __post_init__(self) -> None:
        """Find the original where the decoder has it; whoever wraps that one need not care."""
        if self.original is None and isinstance(self.decode, Coded):
            object.__setattr__(self, "original", self.decode.original)

    def decoded(self) -> Frame:
        """Return the frame with its image.

        Raises:
            ImageError: It cannot be decoded; the error names the part.

        """
        try:
            image = self.decode()
        except ImageError as error:
            part = error.part or self.part
            raise type(error)(str(error), part, self.announced_at) from error
        return Frame(
            image,
            self.number,
            self.captured_at,
            self.camera,
            self.part,
            self.announced_at,
            original=self.original and self.original(),
        )


def take(camera: Camera, timeout: float) -> Undecoded:
    """Return the next frame of any camera, undecoded where the camera can leave that to others.

    Raises:
        CameraError: As ``Camera.read`` says.

    """
    if isinstance(camera, Deferring):
        return camera.take(timeout)
    frame = camera.read(timeout)
    return Undecoded(
        lambda: frame.image,
        frame.number,
        frame.captured_at,
        frame.camera,
        frame.part,
        frame.announced_at,
        lambda: frame.original,
    )
