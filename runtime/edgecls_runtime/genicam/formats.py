"""Pixel formats by GenICam's numbers and names, and what each means for decoding.

Source: Pixel Format Naming Convention, "PFNC 32-bit values"; the second names are GigE Vision 1's.
"""

from dataclasses import dataclass
from typing import Final

from edgecls.errors import CameraError, Fault, ImageError
from edgecls_runtime.capture.coded import Coded, Coding, Image
from edgecls_runtime.genicam.nodes import Kind, Nodes, listed


@dataclass(frozen=True, slots=True)
class Format:
    """One pixel format.

    Attributes:
        number: PFNC's.
        coding: What its bytes mean.
        bytes: Of a pixel.
        names: PFNC's first.

    """

    number: int
    coding: Coding
    bytes: int
    names: tuple[str, ...]


FORMATS: Final = (
    Format(0x01080001, Coding.GREY, 1, ("Mono8",)),
    Format(0x01080008, Coding.BAYER_GR, 1, ("BayerGR8",)),
    Format(0x01080009, Coding.BAYER_RG, 1, ("BayerRG8",)),
    Format(0x0108000A, Coding.BAYER_GB, 1, ("BayerGB8",)),
    Format(0x0108000B, Coding.BAYER_BG, 1, ("BayerBG8",)),
    Format(0x02180014, Coding.RGB, 3, ("RGB8", "RGB8Packed")),
    Format(0x02180015, Coding.BGR, 3, ("BGR8", "BGR8Packed")),
    Format(0x02200016, Coding.RGBA, 4, ("RGBa8", "RGBA8Packed")),
    Format(0x02200017, Coding.BGRA, 4, ("BGRa8", "BGRA8Packed")),
    Format(0x0210001F, Coding.YUV_UYVY, 2, ("YUV422_8_UYVY", "YUV422Packed")),
    Format(0x02100032, Coding.YUV_YUYV, 2, ("YUV422_8", "YUV422_YUYV_Packed")),
)
BY_NUMBER: Final = {one.number: one for one in FORMATS}
NAMES: Final = tuple(name for one in FORMATS for name in one.names)


def check(nodes: Nodes, where: str) -> None:
    """Refuse a camera that is set to a pixel format that cannot be decoded.

    Raises:
        CameraError: It is; the message names the formats that it could be set to.

    """
    offer = nodes.offer("PixelFormat")
    if offer is None or offer.kind is not Kind.CHOICE:
        return
    found = nodes.read("PixelFormat")
    if found not in NAMES:
        possible = [name for name in offer.choices if name in NAMES]
        raise CameraError(
            f"{where}: it is set to pixel format {found}; expected one that can be decoded; "
            f"of those it offers {listed(possible)}: set pixel_format",
            Fault.FORMAT,
        )


def coded(
    data: Image, number: int, size: tuple[int, int], where: str, row_padding: int = 0
) -> Coded:
    """Return an image that can be decoded from the bytes of a buffer.

    Args:
        data: uint8, shape (bytes,); more than the image's are ignored.
        number: Of its pixel format.
        size: (height, width) in pixels.
        where: Begins the message.
        row_padding: Bytes behind each row that are no pixels.

    Raises:
        CameraError: The pixel format cannot be decoded.
        ImageError: There are too few bytes.

    """
    found = BY_NUMBER.get(number)
    if found is None:
        raise CameraError(
            f"{where}: pixel format 0x{number:08x} cannot be decoded; expected {listed(NAMES)}",
            Fault.FORMAT,
        )
    height, width = size
    if found.bytes == 2 and width % 2:
        raise CameraError(
            f"{where}: {found.names[0]} with a width of {width}; expected an even one", Fault.FORMAT
        )
    row = width * found.bytes
    needed = height * (row + row_padding)
    if data.size < needed or not needed:
        raise ImageError(
            f"{where}: incomplete: {data.size} bytes; expected {needed} of {width}x{height} pixels"
        )
    rows = data[:needed].reshape(height, row + row_padding)[:, :row]
    shape = (height, width) if found.bytes == 1 else (height, width, found.bytes)
    return Coded(rows.reshape(shape), found.coding, where)
