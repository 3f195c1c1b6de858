"""The newest judged frame as a picture, made only while somebody looks."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.frame import Frame
from edgecls_runtime.web.hub import MOST_CAMERAS, Hub, Told

# A frame is shrunk by a whole factor, which is several times as fast as by any other.
WIDEST_PX = 960
QUALITY = 75
# Of one camera, however many look: 8 pictures a second.
PERIOD_S = 0.125
LOOK_S = 0.03


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict and its picture.

    Attributes:
        told: The verdict, with its number.
        jpeg: The picture; None when the verdict has no frame.
        frame_px: Width and height of the frame, which outlines are measured in.

    """

    told: Told
    jpeg: bytes | None = None
    frame_px: tuple[int, int] | None = None


class Live:
    """Makes pictures of what a hub holds; used by one event loop."""

    def __init__(self, hub: Hub, work: Executor) -> None:
        """Begin without a picture.

        Args:
            hub: Where verdicts come in.
            work: Where pictures are made.

        """
        self._hub, self._work = hub, work
        self._made: dict[str | None, tuple[float, Shown]] = {}
        self._turn = asyncio.Lock()
        self.pictures = 0

    async def after(
        self,
        number: int,
        camera: str | None,
        longest: float,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Shown | None:
        """Return the newest verdict after a number as soon as there is one; None in vain.

        Args:
            number: Of the verdict that was seen last; one that this hub never had counts as 0.
            camera: Whose; None is any.
            longest: Seconds to wait.
            stopping: Whether to give up.

        """
        until = time.monotonic() + longest
        while True:
            newest = self._hub.newest(camera)
            seen = number if number <= self._hub.number else 0
            if newest is not None and newest.number > seen:
                shown = await self._shown(camera)
                if shown is not None and shown.told.number > seen:
                    return shown
            if time.monotonic() >= until or stopping():
                return None
            await asyncio.sleep(LOOK_S)

    async def newest(self, camera: str | None) -> Shown | None:
        """Return the newest verdict, whoever saw it; None before the first."""
        return await self._shown(camera)

    async def _shown(self, camera: str | None) -> Shown | None:
        async with self._turn:  # whoever looks at the same time gets the same picture
            made_at, made = self._made.get(camera, (0.0, None))
            newest = self._hub.newest(camera)
            if newest is None or (made and made.told.number == newest.number):
                return made
            if made and time.monotonic() - made_at < PERIOD_S:
                return made
            shown = await self._make(newest)
            if len(self._made) > MOST_CAMERAS:
                self._made.clear()
            self._made[camera] = time.monotonic(), shown
            return shown

    async def _make(self, told: Told) -> Shown:
        frame = told.verdict.frame
        if frame is None:
            return Shown(told)
        loop = asyncio.get_running_loop()
        jpeg = await loop.run_in_executor(self._work, encoded, frame)
        self.pictures += 1
        height, width = frame.image.shape[:2]
        return Shown(told, jpeg, (width, height))


def encoded(frame: Frame) -> bytes:
    """Return a frame as JPEG, at most 960 px wide."""
    return jpeg_of(frame.image, WIDEST_PX, QUALITY)


def jpeg_of(image: NDArray[np.uint8], widest: int, quality: int) -> bytes:
    """Return an image as JPEG, shrunk by a whole factor.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        widest: Most px of the longer side.
        quality: Of the JPEG, 1..100.

    """
    factor = -(-max(image.shape[:2]) // widest)
    if factor > 1:
        height, width = (max(side // factor, 1) for side in image.shape[:2])
        # What is left over at the right and below would make the factor a fraction.
        whole = image[: height * factor, : width * factor]
        image = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
