"""An image as a camera's driver gave it, which may be decoded later, elsewhere or never."""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ImageError

Image = NDArray[np.uint8]


class Coding(StrEnum):
    """How an image is written: what it means by its bytes."""

    RGB = "rgb"  # (height, width, 3)
    BGR = "bgr"  # (height, width, 3)
    RGBA = "rgba"  # (height, width, 4)
    BGRA = "bgra"  # (height, width, 4)
    GREY = "grey"  # (height, width)
    BAYER_RG = "bayer_rg"  # (height, width), by GenICam's names: the first row begins red, green
    BAYER_GR = "bayer_gr"
    BAYER_GB = "bayer_gb"
    BAYER_BG = "bayer_bg"
    YUYV = "yuyv"  # (height, width, 2)
    YUV_YUYV = "yuv_yuyv"  # the same with brightness from 0 to 255, as GenICam's cameras send it
    YUV_UYVY = "yuv_uyvy"  # likewise, colour first
    UYVY = "uyvy"  # (height, width, 2)
    NV12 = "nv12"  # (height * 3 / 2, width): luma, then pairs of chroma at half the size
    JPEG = "jpeg"  # (bytes,)


# OpenCV names a Bayer pattern by the second row's second and third pixel.
TO_RGB = {
    Coding.BGR: cv2.COLOR_BGR2RGB,
    Coding.RGBA: cv2.COLOR_RGBA2RGB,
    Coding.BGRA: cv2.COLOR_BGRA2RGB,
    Coding.GREY: cv2.COLOR_GRAY2RGB,
    Coding.BAYER_RG: cv2.COLOR_BayerBG2RGB,
    Coding.BAYER_GR: cv2.COLOR_BayerGB2RGB,
    Coding.BAYER_GB: cv2.COLOR_BayerGR2RGB,
    Coding.BAYER_BG: cv2.COLOR_BayerRG2RGB,
    Coding.YUYV: cv2.COLOR_YUV2RGB_YUYV,
    Coding.UYVY: cv2.COLOR_YUV2RGB_UYVY,
    Coding.NV12: cv2.COLOR_YUV2RGB_NV12,
}


@dataclass(frozen=True, slots=True)
class Coded:
    """An image of one coding; calling it decodes it.

    Attributes:
        data: uint8, of the shape that the coding says.
        coding: What the bytes mean.
        where: Begins the message about a damaged one.

    """

    data: Image
    coding: Coding
    where: str

    def __call__(self) -> Image:
        """Return the image: uint8 (height, width, 3), RGB, in one piece.

        Raises:
            ImageError: It cannot be decoded.

        """
        if self.coding is Coding.RGB:
            return np.ascontiguousarray(self.data)
        if self.coding is Coding.JPEG:
            return self._from_jpeg()
        if self.coding in (Coding.YUV_YUYV, Coding.YUV_UYVY):
            return self._from_full_yuv(brightness=int(self.coding is Coding.YUV_UYVY))
        return np.asarray(cv2.cvtColor(self.data, TO_RGB[self.coding]), np.uint8)

    def original(self) -> Image | None:
        """Return the JPEG file that this is, uint8 (bytes,), not copied; None of another coding."""
        return self.data.reshape(-1) if self.coding is Coding.JPEG else None

    def _from_jpeg(self) -> Image:
        # A stream has no orientation of its own: FFmpeg ignores what EXIF says of one; so do we.
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(self.data, flags)
        except cv2.error:
            image = None
        if image is None:
            raise ImageError(f"{self.where}: not a JPEG, or a damaged one; expected whole frames")
        return np.asarray(image, np.uint8)

    def _from_full_yuv(self, brightness: int) -> Image:
        """Decode full range; OpenCV's own conversion would take 16 for black and 235 for white."""
        colours = self.data[..., 1 - brightness]
        u, v = (np.repeat(colours[:, first::2], 2, axis=1) for first in (0, 1))
        planes = np.dstack((self.data[..., brightness], v, u))
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB), np.uint8)
