"""What a device can deliver (formats, sizes, rates), and choosing what was asked for."""

from collections.abc import Iterator
from ctypes import Structure
from dataclasses import dataclass
from typing import TypeVar

from edgecls.errors import CameraError, Fault
from edgecls_runtime.capture.coded import Coding
from edgecls_runtime.v4l2 import layout
from edgecls_runtime.v4l2.device import Device

# Those that can be decoded, by the names of ``linux/videodev2.h``.
CODINGS = {
    "MJPG": Coding.JPEG,
    "JPEG": Coding.JPEG,
    "YUYV": Coding.YUYV,
    "UYVY": Coding.UYVY,
    "NV12": Coding.NV12,
    "RGB3": Coding.RGB,
    "BGR3": Coding.BGR,
    "GREY": Coding.GREY,
    "RGGB": Coding.BAYER_RG,
    "GRBG": Coding.BAYER_GR,
    "GBRG": Coding.BAYER_GB,
    "BA81": Coding.BAYER_BG,
}
# Those whose brightness goes from 0 to 255, and not from 16 to 235.
FULL_RANGE = {Coding.YUYV: Coding.YUV_YUYV, Coding.UYVY: Coding.YUV_UYVY}
Table = TypeVar("Table", bound=Structure)
# 29.97 is what people call 30.
RATE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one format: one, or a range of them, in pixels."""

    least: tuple[int, int]
    most: tuple[int, int]
    step: tuple[int, int] = (1, 1)

    def holds(self, width: int, height: int) -> bool:
        """Return whether a size is one of these; 0 stands for any."""
        return all(
            not wanted or (least <= wanted <= most and (wanted - least) % max(step, 1) == 0)
            for wanted, least, most, step in zip(
                (width, height), self.least, self.most, self.step, strict=True
            )
        )

    def __str__(self) -> str:
        ends = [f"{width}x{height}" for width, height in (self.least, self.most)]
        return ends[0] if ends[0] == ends[1] else " to ".join(ends)


@dataclass(frozen=True, slots=True)
class Rates:
    """Frames a second of one size: these, or any between two."""

    hz: tuple[float, ...]
    between: bool = False

    def nearest(self, wanted: float) -> float | None:
        """Return the wanted rate, but for the tolerance; None where it is not offered."""
        if self.between and min(self.hz) <= wanted <= max(self.hz):
            return wanted
        found = min(self.hz, key=lambda hz: abs(hz - wanted), default=None)
        return found if found and abs(found - wanted) <= RATE_TOLERANCE * wanted else None

    def __str__(self) -> str:
        ordered = [f"{hz:.4g}" for hz in sorted(set(self.hz), reverse=True)]
        return f"{' to '.join(ordered) if self.between else ', '.join(ordered)} Hz"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a station file asks for; empty and 0 leave it open."""

    format: str
    width: int
    height: int
    rate: float

    def __str__(self) -> str:
        size = f"{self.width or 'any'}x{self.height or 'any'}"
        return size + (f" in {self.format}" if self.format else "")


def chosen(device: Device, wanted: Wanted) -> Wanted:
    """Return what to set so that everything asked for is there; of several formats the fastest.

    Raises:
        CameraError: The device does not offer it; the message says what it does offer.

    """
    formats = _formats(device, wanted)
    sizes = {name: list(_sizes(device, name)) for name in formats}
    if not any(sizes.values()):  # a driver that does not list sizes; setting one tells
        return Wanted(formats[0], wanted.width, wanted.height, wanted.rate)
    fitting = {
        name: found
        for name in formats
        if (found := _fitting(sizes[name], wanted, _now(device))) is not None
    }
    if not fitting:
        offered = _grouped({name: ", ".join(map(str, sizes[name])) for name in formats})
        raise CameraError(f"{device.name}: no {wanted}; it offers {offered}", Fault.FORMAT)
    rates = {name: _rates(device, name, *size) for name, size in fitting.items()}
    if wanted.rate and any(found.hz for found in rates.values()):
        able = [name for name in rates if rates[name].nearest(wanted.rate)]
        if not able:
            offered = _grouped(
                {name: f"{rates[name]} at {w}x{h}" for name, (w, h) in fitting.items()}
            )
            raise CameraError(
                f"{device.name}: no {wanted.rate:g} Hz; it offers {offered}", Fault.FORMAT
            )
        rates = {name: rates[name] for name in able}
    # Of equally fast ones the first that the device names, which is the one it was made for.
    best = max(rates, key=lambda name: max(rates[name].hz, default=0.0))
    return Wanted(best, *fitting[best], wanted.rate)


def set_to(device: Device, mode: Wanted) -> layout.PixelFormat:
    """Set format, size and rate; return what the driver makes of them.

    Raises:
        CameraError: It took what it has nearest instead; or it is busy.

    """
    table = layout.Format(type=layout.CAPTURE)
    device.insist(layout.G_FMT, table, "its format")
    pixels: layout.PixelFormat = table.fmt.pix
    pixels.pixelformat = layout.fourcc(mode.format)
    pixels.width, pixels.height = mode.width or pixels.width, mode.height or pixels.height
    pixels.field, pixels.bytesperline, pixels.sizeimage = layout.FIELD_ANY, 0, 0
    wanted = f"{pixels.width}x{pixels.height} in {mode.format}"
    device.insist(layout.S_FMT, table, wanted)
    found = f"{pixels.width}x{pixels.height} in {layout.name_of(pixels.pixelformat)}"
    if found != wanted:
        raise CameraError(f"{device.name}: no {wanted}; it offers {found}", Fault.FORMAT)
    _set_rate(device, mode.rate)
    return layout.PixelFormat.from_buffer_copy(pixels)


def coding(pixels: layout.PixelFormat) -> Coding:
    """Return what the bytes of a device's frames mean."""
    found = CODINGS[layout.name_of(pixels.pixelformat)]
    # 0 leaves it to the colour space, of which one alone is full.
    of_space = layout.FULL_RANGE if pixels.colorspace == layout.COLORSPACE_JPEG else 0
    is_full = (pixels.quantization or of_space) == layout.FULL_RANGE
    return FULL_RANGE.get(found, found) if is_full else found


def _set_rate(device: Device, rate: float) -> None:
    if not rate:
        return
    table = layout.StreamParameters(type=layout.CAPTURE)
    device.insist(layout.G_PARM, table, "its rate")
    capture = table.parm.capture
    capture.timeperframe = layout.Fraction(1000, round(rate * 1000))
    device.insist(layout.S_PARM, table, f"{rate:g} Hz")
    found = capture.timeperframe
    hz = found.denominator / found.numerator if found.numerator else 0.0
    if abs(hz - rate) > RATE_TOLERANCE * rate:
        raise CameraError(f"{device.name}: no {rate:g} Hz; it offers {hz:.4g} Hz", Fault.FORMAT)


def _grouped(offers: dict[str, str]) -> str:
    """Return what formats offer, each offer once."""
    texts = dict.fromkeys(offers.values())
    return "; ".join(
        f"{text} in {', '.join(name for name in offers if offers[name] == text)}" for text in texts
    )


def _formats(device: Device, wanted: Wanted) -> list[str]:
    """Return the formats to choose among: the one asked for, or all that can be decoded."""
    tables = _listed(device, layout.ENUM_FMT, layout.FormatDescription(type=layout.CAPTURE))
    offered = [layout.name_of(table.pixelformat) for table in tables]
    known = [name for name in dict.fromkeys(offered) if name in CODINGS]
    if wanted.format and wanted.format not in known:
        listed = ", ".join(known) or f"only {', '.join(offered)}, which cannot be decoded"
        raise CameraError(f"{device.name}: no {wanted.format}; it offers {listed}", Fault.FORMAT)
    if not known:
        raise CameraError(
            f"{device.name}: offers {', '.join(offered) or 'no format'}; "
            f"expected one of {', '.join(CODINGS)}",
            Fault.FORMAT,
        )
    return [wanted.format] if wanted.format else known


def _fitting(sizes: list[Sizes], wanted: Wanted, now: tuple[int, int]) -> tuple[int, int] | None:
    """Return the size asked for; what was left open stays as it is, where that goes together."""
    size = (wanted.width or now[0], wanted.height or now[1])
    if any(one.holds(*size) for one in sizes):
        return size
    for one in sizes:
        if one.holds(wanted.width, wanted.height):
            return (wanted.width or one.most[0], wanted.height or one.most[1])
    return None


def _now(device: Device) -> tuple[int, int]:
    table = layout.Format(type=layout.CAPTURE)
    device.insist(layout.G_FMT, table, "its format")
    return table.fmt.pix.width, table.fmt.pix.height


def _sizes(device: Device, name: str) -> Iterator[Sizes]:
    asked = layout.FrameSize(pixel_format=layout.fourcc(name))
    for table in _listed(device, layout.ENUM_FRAMESIZES, asked):
        values = list(table.values)
        if table.type == layout.DISCRETE:
            yield Sizes((values[0], values[1]), (values[0], values[1]))
        else:
            yield Sizes((values[0], values[3]), (values[1], values[4]), (values[2], values[5]))
            return


def _rates(device: Device, name: str, width: int, height: int) -> Rates:
    asked = layout.FrameInterval(pixel_format=layout.fourcc(name), width=width, height=height)
    found: list[float] = []
    for table in _listed(device, layout.ENUM_FRAMEINTERVALS, asked):
        rates = [one.denominator / one.numerator for one in table.values if one.numerator]
        if table.type != layout.DISCRETE:
            return Rates(tuple(rates[:2]), between=True)
        found += rates[:1]
    return Rates(tuple(found))


def _listed(device: Device, request: int, asked: Table) -> Iterator[Table]:
    """Yield what a device lists; nothing where it does not know the question."""
    number = 0
    while True:
        table = type(asked).from_buffer_copy(asked)
        table.index = number
        try:
            device.ask(request, table)
        except OSError:  # behind the last one
            return
        yield table
        number += 1
