"""Anything that GStreamer reads: cameras of a Jetson, a Raspberry Pi and others, or your pipeline.

A pipeline whose source is live is a live camera; one that reads a file gives every frame of it.

Source:
    The ready pipelines are those of the elements' own pages: NVIDIA's Accelerated GStreamer guide
    (nvarguscamerasrc, nvvidconv), libcamera's gst_element, Aravis' and GStreamer's (v4l2src).
"""

from enum import StrEnum
from fractions import Fraction

from edgecls.errors import ConfigError
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.gstreamer_camera import GStreamerCamera, elements, opened
from edgecls_runtime.probe import Probed

MAY_HANG = True
# Of every ready pipeline; a Jetson has its own names.
DEVICES = ("dma_heap", "drm", "media", "nv*", "usb_device", "video4linux")
EXCLUSIVE = "device"
# What television calls 29.97 is this; a source takes no other fraction for it.
NTSC = {23.976: "24000/1001", 29.97: "30000/1001", 59.94: "60000/1001"}


class Source(StrEnum):
    """What a ready pipeline begins with."""

    JETSON = "jetson"
    LIBCAMERA = "libcamera"
    ARAVIS = "aravis"
    V4L2 = "v4l2"
    TEST = "test"


# Element, its property that ``device`` sets, and the value of that where none is given.
ELEMENTS = {
    Source.JETSON: ("nvarguscamerasrc", "sensor-id", "0"),
    Source.LIBCAMERA: ("libcamerasrc", "camera-name", ""),
    Source.ARAVIS: ("aravissrc", "camera-name", ""),
    Source.V4L2: ("v4l2src", "device", ""),
    Source.TEST: ("videotestsrc is-live=true", "pattern", ""),
}


def open(  # noqa: PLR0913 - the keys of a table
    *,
    pipeline: str = "",
    source: Source | None = None,
    device: str = "",
    width_px: int = 0,
    height_px: int = 0,
    rate_hz: float = 0.0,
    timeout_ms: int = 5000,
) -> GStreamerCamera:
    """Open a pipeline of your own or a ready one.

    Args:
        pipeline: As for ``gst-launch-1.0``, up to and without the sink. Where it ends with caps of
            ``image/jpeg``, only frames that are judged are decoded.
        source: A ready pipeline instead.
        device: Which camera of the source: sensor id (jetson), name (libcamera, aravis), path
            (v4l2), pattern (test).
        width_px: Wanted width of the source; 0 takes its own.
        height_px: Wanted height of the source; 0 takes its own.
        rate_hz: Wanted frames a second of the source; 0 takes its own.
        timeout_ms: Longest silence before the camera counts as lost and is opened again; 0 waits
            for ever, for a camera that waits for a trigger.

    Raises:
        ConfigError: The pipeline cannot be read, or keys contradict each other.
        CameraError: GStreamer, an element or the device is missing, or it does not start.

    """
    if bool(pipeline) is (source is not None):
        found = "both pipeline and source" if pipeline else "neither pipeline nor source"
        raise ConfigError(f"camera: {found} given; expected one of them ({', '.join(Source)})")
    silence = seconds(timeout_ms, least_ms=0)
    if min(width_px, height_px) < 0 or not 0 <= rate_hz < 100_000:  # NaN compares false
        raise ConfigError("camera: a negative size or rate; expected 0 or more")
    if pipeline and (device or width_px or height_px or rate_hz):
        raise ConfigError("camera: device, size and rate are of a source; write them in pipeline")
    if source is None:
        name = " ".join(("gstreamer camera", *pipeline.split()[:1]))
        return opened(pipeline, name, "camera.pipeline", silence)
    text = ready(source, device, width_px, height_px, rate_hz)
    name = f"gstreamer camera {source} {device}".rstrip()
    return opened(text, name, f"camera.source = '{source}'", silence)


def ready(
    source: Source, device: str = "", width_px: int = 0, height_px: int = 0, rate_hz: float = 0.0
) -> str:
    """Return the pipeline of a source, as for ``gst-launch-1.0``, without a sink."""
    element, key, default = ELEMENTS[source]
    chosen = device or default
    quoted = chosen.replace("\\", "\\\\").replace('"', '\\"')
    begin = f'{element} {key}="{quoted}"' if chosen else element
    wanted = {"width": width_px, "height": height_px, "framerate": _fraction(rate_hz)}
    caps = "".join(f",{key}={value}" for key, value in wanted.items() if value)
    if source is not Source.JETSON:
        return f"{begin} ! video/x-raw{caps}"
    # The sensor's frames are in memory that only NVIDIA's elements read; BGRx is the nearest to RGB
    # that its converter writes to memory of the processor's.
    return (
        f"{begin} ! video/x-raw(memory:NVMM),format=NV12{caps} ! nvvidconv "
        f"! video/x-raw,format=BGRx"
    )


def probed() -> Probed:
    """Return which of the ready pipelines have their element here."""
    wanted = {source.value: ELEMENTS[source][0].split()[0] for source in Source}
    version, found = elements("gstreamer camera", wanted)
    what = "takes any pipeline; ready ones here"
    return Probed("gstreamer", ready=True, what=what, package=version, devices=found)


def _fraction(rate_hz: float) -> str:
    """Return a rate as GStreamer writes it, frames / seconds."""
    if not rate_hz:
        return ""
    near = [text for rate, text in NTSC.items() if abs(rate_hz - rate) < 0.005]
    if near:
        return near[0]
    rate = Fraction(rate_hz).limit_denominator(1000)
    return f"{rate.numerator}/{rate.denominator}"
