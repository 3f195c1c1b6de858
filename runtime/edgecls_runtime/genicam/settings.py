"""The keys that all GenICam cameras of a station file have, and how they reach the camera."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgecls.errors import ConfigError
from edgecls_runtime.genicam import formats
from edgecls_runtime.genicam.nodes import Nodes, prefer, put, put_first

OFF, SOFTWARE = "off", "software"
# A day in milliseconds, and more pixels or frames a second than any camera has.
LARGEST = 86_400_000


class Edge(StrEnum):
    """What of a trigger line's signal takes a picture."""

    RISING = "rising"
    FALLING = "falling"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Settings of a camera; what is left out stays as the camera has it.

    Attributes:
        pixel_format: Name of the node's value; empty keeps the camera's own.
        width_px: 0 keeps the camera's own.
        height_px: Likewise.
        x_px: First column of the image on the sensor.
        y_px: First row.
        exposure_ms: 0 keeps the camera's own; else automatic exposure is switched off.
        gain_db: None keeps the camera's own; else automatic gain is switched off.
        rate_hz: Frames a second; 0 keeps the camera's own.
        trigger: ``off``, ``software``, or the camera's name of a line.
        edge: Of the line.
        nodes: Further nodes by name, set in this order and before all others, so that the keys
            above hold whatever they do; or a list of such tables, where one is to be set twice.

    """

    pixel_format: str = ""
    width_px: int = 0
    height_px: int = 0
    x_px: int = 0
    y_px: int = 0
    exposure_ms: float = 0.0
    gain_db: float | None = None
    rate_hz: float = 0.0
    trigger: str = OFF
    edge: Edge = Edge.RISING
    nodes: object = None

    def __post_init__(self) -> None:
        """Refuse what no camera can do."""
        for key in ("width_px", "height_px", "x_px", "y_px", "exposure_ms", "rate_hz"):
            if not 0 <= getattr(self, key) <= LARGEST:
                raise ConfigError(f"camera.{key}: {getattr(self, key):g}; expected 0 to {LARGEST}")
        for _ in self.pairs():
            pass

    @property
    def fires(self) -> bool:
        """Whether the camera takes a picture when it is told to."""
        return self.trigger == SOFTWARE

    def pairs(self) -> Iterator[tuple[str, object]]:
        """Yield the further nodes.

        Raises:
            ConfigError: They are no table.

        """
        tables = self.nodes if isinstance(self.nodes, list | tuple) else [self.nodes or {}]
        for table in tables:
            if not isinstance(table, Mapping):
                raise ConfigError(
                    f"camera.nodes: {table!r}; expected a table such as {{ Gamma = 0.8 }}"
                )
            yield from table.items()


def apply(wanted: Wanted, nodes: Nodes, where: str) -> None:
    """Set a camera up.

    Raises:
        CameraError: It does not have a node, or does not take a value; the message names both.

    """
    for name, value in wanted.pairs():
        put(nodes, name, value, where)
    if wanted.pixel_format:
        put(nodes, "PixelFormat", wanted.pixel_format, where)
    formats.check(nodes, where)
    _set_region(wanted, nodes, where)
    if wanted.exposure_ms:
        prefer(nodes, "ExposureAuto", "Off")
        prefer(nodes, "ExposureMode", "Timed")
        microseconds = 1000 * wanted.exposure_ms
        put_first(nodes, ("ExposureTime", "ExposureTimeAbs"), microseconds, where)
    if wanted.gain_db is not None:
        prefer(nodes, "GainAuto", "Off")
        put(nodes, "Gain", wanted.gain_db, where)
    if wanted.rate_hz:
        prefer(nodes, "AcquisitionFrameRateEnable", value=True)
        names = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
        put_first(nodes, names, wanted.rate_hz, where)
    prefer(nodes, "AcquisitionMode", "Continuous")
    _set_trigger(wanted, nodes, where)


def _set_region(wanted: Wanted, nodes: Nodes, where: str) -> None:
    if not (wanted.width_px or wanted.height_px or wanted.x_px or wanted.y_px):
        return
    for name in ("OffsetX", "OffsetY"):  # or a larger image would not fit
        prefer(nodes, name, 0)
    pairs = {
        "Width": wanted.width_px,
        "Height": wanted.height_px,
        "OffsetX": wanted.x_px,
        "OffsetY": wanted.y_px,
    }
    for name, value in pairs.items():
        if value:
            put(nodes, name, value, where)


def _set_trigger(wanted: Wanted, nodes: Nodes, where: str) -> None:
    """Switch every trigger off that an earlier program may have left on, and on what is wanted."""
    selector = nodes.offer("TriggerSelector")
    if selector is not None and selector.writable:
        for choice in selector.choices:
            nodes.write("TriggerSelector", choice)
            prefer(nodes, "TriggerMode", "Off")
        prefer(nodes, "TriggerSelector", "FrameStart")
    prefer(nodes, "TriggerMode", "Off")
    if wanted.trigger == OFF:
        return
    put(nodes, "TriggerSource", "Software" if wanted.fires else wanted.trigger, where)
    if not wanted.fires:
        edge = "RisingEdge" if wanted.edge is Edge.RISING else "FallingEdge"
        put(nodes, "TriggerActivation", edge, where)
    put(nodes, "TriggerMode", "On", where)
