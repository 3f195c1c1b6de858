"""What a camera delivers: one image, and when it was taken."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One image from one camera.

    Attributes:
        image: uint8, shape (height, width, 3), channels in RGB order.
        number: Count of frames since the camera was opened, from 0; a gap means dropped frames.
        captured_at: Seconds on the ``time.monotonic`` clock when the image reached the host.
        camera: Name of the source, for messages, such as ``usb camera 0``.
        part: Id of the part in view when the source knows it (a folder's file name); else None.
        announced_at: Monotonic seconds when a trigger announced that part; None where none did.
        original: The file that the image was decoded from, as the camera sent it (JPEG) or as it
            lies in a folder: uint8, shape (bytes,), not written to. None where there was none.

    """

    image: NDArray[np.uint8]
    number: int
    captured_at: float
    camera: str = "camera"
    part: str | None = None
    announced_at: float | None = None
    original: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
