"""What GStreamer says went wrong, as one line that says what to do, and as a ``Fault``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecls.errors import CameraError, ConfigError, Fault
from edgecls_runtime.credentials import without_credentials

# Debian's packages by the elements that cameras need; what is not here says so of itself.
PACKAGES = {
    "gstreamer1.0-plugins-base": "videotestsrc videoconvert videoscale videorate decodebin",
    "gstreamer1.0-plugins-good": "v4l2src rtspsrc souphttpsrc jpegdec jpegenc multipartdemux udpsrc"
    " rtph264depay rtpjpegdepay videocrop videoflip matroskademux qtdemux vp8dec vp9dec",
    "gstreamer1.0-plugins-bad": "bayer2rgb srtsrc h264parse h265parse jpegparse",
    "gstreamer1.0-libav": "avdec_h264 avdec_h265 avdec_mjpeg",
    "gstreamer1.0-libcamera": "libcamerasrc",
    "libaravis-0.8-0": "aravissrc",
    "nvidia-l4t-gstreamer": "nvarguscamerasrc nvvidconv nvv4l2decoder nvv4l2camerasrc nvjpegdec",
}
# By domain and code; the numbers are those of GstResourceError, GstStreamError and GstCoreError.
FAULTS = {
    ("gst-resource-error-quark", 3): Fault.MISSING,
    ("gst-resource-error-quark", 4): Fault.BUSY,
    ("gst-resource-error-quark", 5): Fault.REFUSED,
    ("gst-resource-error-quark", 7): Fault.REFUSED,
    ("gst-resource-error-quark", 13): Fault.FORMAT,
    ("gst-resource-error-quark", 15): Fault.AUTH,
    ("gst-stream-error-quark", 4): Fault.CODEC,
    ("gst-stream-error-quark", 5): Fault.CODEC,
    ("gst-stream-error-quark", 6): Fault.CODEC,
    ("gst-stream-error-quark", 7): Fault.CODEC,
    ("gst-stream-error-quark", 9): Fault.CODEC,
    ("gst-stream-error-quark", 11): Fault.FORMAT,
    ("gst-stream-error-quark", 12): Fault.AUTH,
    ("gst-core-error-quark", 7): Fault.FORMAT,
    ("gst-core-error-quark", 10): Fault.FORMAT,
    ("gst-core-error-quark", 12): Fault.MISSING,
}
ADVICE = {
    Fault.MISSING: "is it there, and its name right?",
    Fault.REFUSED: "is it on, free, and the address right?",
    Fault.BUSY: "who else uses it?",
    Fault.AUTH: "are user and password right?",
    Fault.FORMAT: "does the source have this size, rate and format? try: gst-launch-1.0 -v",
    Fault.CODEC: "what does it send? try: gst-launch-1.0 -v, or install gstreamer1.0-libav",
    Fault.GONE: "is the source still running?",
}
NO_SUCH_ELEMENT = 1


def of_message(name: str, message: Any) -> CameraError:  # noqa: ANN401 - GStreamer has no types
    """Return the error that an element has put on the pipeline's bus.

    Args:
        name: Begins the message.
        message: Of type ERROR.

    """
    error, detail = message.parse_error()
    # The first line is a place in GStreamer's source; what follows is what happened there.
    said = [error.message.rstrip("."), *(detail or "").splitlines()[1:]]
    text = without_credentials("; ".join(line.strip() for line in said if line.strip()))
    fault = FAULTS.get((error.domain, error.code), Fault.GONE)
    if "not-negotiated" in text:
        fault = Fault.FORMAT
    factory = message.src.get_factory() if hasattr(message.src, "get_factory") else None
    where = factory.get_name() if factory else message.src.get_name()
    return CameraError(f"{name}: {where}: {text}; {ADVICE[fault]}", fault)


@contextmanager
def of_parsing(name: str, key: str) -> Iterator[None]:
    """Turn what is wrong with a pipeline's description into an error of ours.

    Args:
        name: Of the camera; begins the message about what is missing.
        key: Where the description stands; begins the message about how it is written.

    Raises:
        CameraError: An element is not installed.
        ConfigError: The description is wrong.

    """
    try:
        yield
    except Exception as error:
        if getattr(error, "domain", "") != "gst_parse_error":
            raise
        text = str(getattr(error, "message", error))
        if getattr(error, "code", 0) == NO_SUCH_ELEMENT:
            raise CameraError(f"{name}: {_missing(text)}", Fault.MISSING) from error
        said = without_credentials(text)
        raise ConfigError(
            f"{key}: {said}; expected what gst-launch-1.0 takes, without a sink"
        ) from error


def _missing(text: str) -> str:
    """Return what to do about an element that is not installed."""
    element = (re.findall(r'"([^"]*)"', text) or [text])[0]
    for package, brought in PACKAGES.items():
        if element in brought.split():
            return f"GStreamer has no element {element}; run: sudo apt install {package}"
    return f"GStreamer has no element {element}; is it written right? try: gst-inspect-1.0"
