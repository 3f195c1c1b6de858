"""Structures and numbers of ``linux/videodev2.h``, as far as they are used; single-planar capture.

Source: https://docs.kernel.org/userspace-api/media/v4l/ and the kernel's header. Names are the
header's, without their prefixes.
"""

import ctypes
from ctypes import Structure, Union, c_char, c_int32, c_long, c_uint8, c_uint32, c_ulong, c_void_p

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MMAP = 1
FIELD_ANY = 0
CAP_VIDEO_CAPTURE = 0x1
CAP_VIDEO_CAPTURE_MPLANE = 0x1000
CAP_STREAMING = 0x04000000
CAP_DEVICE_CAPS = 0x80000000
CAP_IO_MC = 0x20000000  # a bare stage of an image pipeline: of no use without the others
DISCRETE = 1
FULL_RANGE = 1
COLORSPACE_JPEG = 7
BUF_FLAG_ERROR = 0x40
CTRL_NEXT = 0x80000000
CTRL_DISABLED = 0x1
CTRL_INTEGER, CTRL_BOOLEAN, CTRL_MENU, CTRL_INTEGER_MENU = 1, 2, 3, 9


class Capability(Structure):
    """What a device is and can do."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(Structure):
    """One of its formats."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class PixelFormat(Structure):
    """``v4l2_pix_format``."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("priv", c_uint32),
        ("flags", c_uint32),
        ("encoding", c_uint32),
        ("quantization", c_uint32),
        ("transfer", c_uint32),
    )


class _AnyFormat(Union):
    # The pointer is one of another member's: it makes the union begin at a multiple of its size.
    _fields_ = (("pix", PixelFormat), ("raw", c_uint8 * 200), ("pointer", c_void_p))


class Format(Structure):
    """A format of a queue."""

    _fields_ = (("type", c_uint32), ("fmt", _AnyFormat))


class Fraction(Structure):
    """Seconds, where it is an interval."""

    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class _CaptureParameters(Structure):
    _fields_ = (
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fraction),
        ("more", c_uint32 * 6),
    )


class _AnyParameters(Union):
    _fields_ = (("capture", _CaptureParameters), ("raw", c_uint8 * 200))


class StreamParameters(Structure):
    """The rate, among others."""

    _fields_ = (("type", c_uint32), ("parm", _AnyParameters))


class FrameSize(Structure):
    """Of ``DISCRETE`` only the first two of ``values`` count: width, height.

    Otherwise they are least, most and step of the width, then of the height.
    """

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("values", c_uint32 * 6),
        ("reserved", c_uint32 * 2),
    )


class FrameInterval(Structure):
    """Of ``DISCRETE`` only the first of ``values`` counts; otherwise least, most and step."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("values", Fraction * 3),
        ("reserved", c_uint32 * 2),
    )


class BufferRequest(Structure):
    """So many buffers of the driver's memory."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("reserved", c_uint32),
    )


class _Time(Structure):
    _fields_ = (("seconds", c_long), ("microseconds", c_long))


class _Memory(Union):
    _fields_ = (("offset", c_uint32), ("userptr", c_ulong))


class Buffer(Structure):
    """A frame, or room for one."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp", _Time),
        ("timecode", c_uint32 * 4),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", _Memory),
        ("length", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class ControlQuery(Structure):
    """What can be set, and in which limits."""

    _fields_ = (
        ("id", c_uint32),
        ("type", c_uint32),
        ("name", c_char * 32),
        ("minimum", c_int32),
        ("maximum", c_int32),
        ("step", c_int32),
        ("default", c_int32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class Control(Structure):
    """A control's value."""

    _fields_ = (("id", c_uint32), ("value", c_int32))


def _code(direction: int, number: int, structure: type) -> int:
    """Return the number of an ioctl, as ``asm-generic/ioctl.h`` makes it."""
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


_WRITE, _READ, _BOTH = 1, 2, 3
QUERYCAP = _code(_READ, 0, Capability)
ENUM_FMT = _code(_BOTH, 2, FormatDescription)
G_FMT = _code(_BOTH, 4, Format)
S_FMT = _code(_BOTH, 5, Format)
REQBUFS = _code(_BOTH, 8, BufferRequest)
QUERYBUF = _code(_BOTH, 9, Buffer)
QBUF = _code(_BOTH, 15, Buffer)
DQBUF = _code(_BOTH, 17, Buffer)
STREAMON = _code(_WRITE, 18, c_int32)
STREAMOFF = _code(_WRITE, 19, c_int32)
G_PARM = _code(_BOTH, 21, StreamParameters)
S_PARM = _code(_BOTH, 22, StreamParameters)
G_CTRL = _code(_BOTH, 27, Control)
S_CTRL = _code(_BOTH, 28, Control)
QUERYCTRL = _code(_BOTH, 36, ControlQuery)
ENUM_FRAMESIZES = _code(_BOTH, 74, FrameSize)
ENUM_FRAMEINTERVALS = _code(_BOTH, 75, FrameInterval)


def fourcc(name: str) -> int:
    """Return the number of a format's four letters; a shorter name ends in spaces."""
    return int.from_bytes(name.ljust(4).encode("ascii"), "little")


def name_of(fourcc: int) -> str:
    """Return a format's four letters."""
    return (fourcc & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace").rstrip()
