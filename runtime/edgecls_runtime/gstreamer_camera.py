"""A camera at the end of a GStreamer pipeline: frames are pulled from an appsink, in time."""

import time
from collections import deque
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from edgecls.errors import CameraError, CameraTimeout, EndOfStream, Fault
from edgecls.frame import Frame
from edgecls_runtime import gstreamer_faults, system_gi
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.system_gi import Typelib

BASE = "gir1.2-gst-plugins-base-1.0"
NEEDED = (
    Typelib("Gst", "1.0", "gir1.2-gstreamer-1.0"),
    Typelib("GstApp", "1.0", BASE),
    Typelib("GstVideo", "1.0", BASE),
)
# What is taken as it comes; everything else, such as YUV, is made RGB by GStreamer, which knows the
# colour space that the source declared.
CODINGS = {
    "RGB": Coding.RGB,
    "BGR": Coding.BGR,
    "RGBx": Coding.RGBA,
    "RGBA": Coding.RGBA,
    "BGRx": Coding.BGRA,
    "BGRA": Coding.BGRA,
    "GRAY8": Coding.GREY,
}
CHANNELS = {Coding.RGB: 3, Coding.BGR: 3, Coding.RGBA: 4, Coding.BGRA: 4, Coding.GREY: 1}
RAW = f"videoconvert ! video/x-raw,format=(string){{{','.join(CODINGS)}}}"
JPEG = "image/jpeg"
# Few: a frame that waits there is one buffer less for a camera that has four.
SINK = "appsink name=edgecls sync=false max-buffers=4"
# How often a wait for a frame looks whether an element has failed.
LOOK_S = 0.1
# A start takes this long at most, also where frames may stay away for longer later.
START_S = 20.0


class GStreamer(NamedTuple):
    """GStreamer's modules, loaded and initialised."""

    gst: ModuleType
    app: ModuleType
    video: ModuleType


def loaded(where: str) -> GStreamer:
    """Load GStreamer.

    Raises:
        CameraError: It is not installed; the message is the apt command.

    """
    modules = GStreamer(*system_gi.load(where, NEEDED))
    if not modules.gst.init_check(None)[0]:
        raise CameraError(f"{where}: GStreamer does not start; does gst-inspect-1.0?")
    return modules


def elements(where: str, wanted: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return GStreamer's version, and the keys of those elements that are installed."""
    gst = loaded(where).gst
    found = tuple(key for key, name in wanted.items() if gst.ElementFactory.find(name))
    return str(gst.version_string()), found


def opened(description: str, name: str, key: str, timeout: float) -> "GStreamerCamera":
    """Start a pipeline and wait for its first frame.

    Args:
        description: Without a sink.
        name: Begins every message.
        key: Where the description stands in the station file.
        timeout: Seconds of silence after which the camera is lost; 0 waits for ever.

    Raises:
        ConfigError: The description cannot be read.
        CameraError: An element is missing, or the pipeline does not start.

    """
    modules = loaded(name)
    last = description.rpartition("!")[2].strip()
    end = SINK if last.startswith(JPEG) else f"{RAW} ! {SINK}"
    with gstreamer_faults.of_parsing(name, key):
        pipeline = modules.gst.parse_launch(f"{description} ! {end}")
    camera = GStreamerCamera(modules, pipeline, name, timeout)
    try:
        camera.start()
    except BaseException:
        camera.close()
        raise
    return camera


class GStreamerCamera:
    """Frames that an appsink gives."""

    live = True

    def __init__(self, modules: GStreamer, pipeline: Any, name: str, timeout: float) -> None:  # noqa: ANN401 - GStreamer has no types
        """Take over a pipeline that was parsed and not started; as ``opened``."""
        self._gst, self._video = modules.gst, modules.video
        self._pipeline, self._name, self._timeout = pipeline, name, timeout
        self._sink = pipeline.get_by_name("edgecls")
        self._first: Undecoded | None = None
        self._delivered = 0
        self._heard = time.monotonic()
        self._numbers = _Numbers()
        pad = self._sink.get_static_pad("sink")
        pad.add_probe(modules.gst.PadProbeType.BUFFER, self._count)

    def start(self) -> None:
        """Start, and wait for the first frame where there must be one.

        Raises:
            CameraError: It does not start.

        """
        state = self._gst.State
        self._pipeline.set_state(state.PAUSED)
        limit = min(self._timeout or START_S, START_S)
        reached = self._pipeline.get_state(int(limit * self._gst.SECOND))[0]
        # Who has no frame before it plays is live: frames come whether they are read or not.
        self.live = reached == self._gst.StateChangeReturn.NO_PREROLL
        self._sink.set_property("drop", self.live)
        self._check()
        self._pipeline.set_state(state.PLAYING)
        self._heard = time.monotonic()
        if self._timeout:
            try:
                self._first = self.take(limit)
            except CameraTimeout as error:
                raise self._silence(limit) from error
            except EndOfStream as error:
                raise CameraError(f"{self._name}: no frame in it", Fault.FORMAT) from error

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next frame as the pipeline gives it.

        Raises:
            CameraTimeout: None came in time.
            EndOfStream: The file is at its end.
            CameraError: An element failed, or the camera is silent for too long.

        """
        first, self._first = self._first, None
        if first is not None:
            return first
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            sample = self._sink.try_pull_sample(int(min(left, LOOK_S) * self._gst.SECOND))
            if sample is not None:
                return self._frame(sample)
            self._check()
            if self._sink.is_eos():
                raise self._end()
            if self._timeout and time.monotonic() - self._heard > self._timeout:
                raise self._silence(self._timeout)
            if left <= 0:
                raise CameraTimeout(f"{self._name}: no frame within {timeout:g} s")

    def close(self) -> None:
        """Stop the pipeline; the devices of its elements are free then."""
        self._pipeline.set_state(self._gst.State.NULL)

    def _count(self, _: object, info: Any) -> Any:  # noqa: ANN401 - GStreamer has no types
        """Note a frame that reaches the sink, in the pipeline's own thread."""
        self._numbers.arrived.append(info.get_buffer().pts)
        return self._gst.PadProbeReturn.OK

    def _frame(self, sample: Any) -> Undecoded:  # noqa: ANN401 - GStreamer has no types
        buffer, now = sample.get_buffer(), time.monotonic()
        number = self._numbers.of(buffer, self._gst.BUFFER_OFFSET_NONE)
        self._delivered, self._heard = self._delivered + 1, now
        raw = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
        coded = self._coded(sample.get_caps(), buffer, raw, f"{self._name}: frame {number}")
        return Undecoded(coded, number, now - self._age(sample, buffer), self._name)

    def _age(self, sample: Any, buffer: Any) -> float:  # noqa: ANN401 - GStreamer has no types
        """Return how long ago a frame was captured, in seconds, by the pipeline's clock."""
        clock = self._pipeline.get_clock()
        if not self.live or clock is None or buffer.pts == self._gst.CLOCK_TIME_NONE:
            return 0.0
        running = sample.get_segment().to_running_time(self._gst.Format.TIME, buffer.pts)
        since_start = clock.get_time() - self._pipeline.get_base_time()
        # Older than its pipeline, or of the future: a clock that is not this one.
        if not 0 <= running <= since_start:
            return 0.0
        return float(since_start - running) / float(self._gst.SECOND)

    def _coded(self, caps: Any, buffer: Any, raw: Any, where: str) -> Coded:  # noqa: ANN401 - GStreamer has no types
        """Say what the bytes mean, of this very frame: a source may change its size."""
        if caps.get_structure(0).get_name() == JPEG:
            return Coded(raw, Coding.JPEG, where)
        info = self._video.VideoInfo.new_from_caps(caps)
        meta = self._video.buffer_get_video_meta(buffer) or info
        coding = CODINGS[info.finfo.name]
        channels, stride = CHANNELS[coding], meta.stride[0]
        shape, strides = (info.height, info.width, channels), (stride, channels, 1)
        if coding is Coding.GREY:
            shape, strides = shape[:2], strides[:2]  # type: ignore[assignment]
        try:
            image = np.ndarray(shape, np.uint8, raw, meta.offset[0], strides)
        except (ValueError, TypeError) as error:
            raise CameraError(
                f"{where}: {raw.size} bytes; expected {info.size} for {info.width} x {info.height}",
                Fault.FORMAT,
            ) from error
        return Coded(image, coding, where)

    def _check(self) -> None:
        """Raise what an element has said went wrong."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        if message is not None:
            raise gstreamer_faults.of_message(self._name, message)

    def _end(self) -> CameraError:
        delivered = f"{self._delivered} frames delivered before"
        if not self.live:
            return EndOfStream(f"{self._name}: at its end; {delivered}", Fault.GONE)
        return CameraError(f"{self._name}: ended its stream; {delivered}", Fault.GONE)

    def _silence(self, waited: float) -> CameraError:
        return CameraError(
            f"{self._name}: lost after {waited:g} s of silence; {self._delivered} frames delivered "
            f"before; is the source still running?",
            Fault.TIMEOUT,
        )


class _Numbers:
    """Counts frames, also those that nobody will see.

    Attributes:
        arrived: Presentation times of the frames that reached the sink and were not pulled yet.

    """

    def __init__(self) -> None:
        self.arrived: deque[int] = deque()
        self._here = self._last = -1
        self._apart: int | None = None

    def of(self, buffer: Any, none: int) -> int:  # noqa: ANN401 - GStreamer has no types
        """Return the number of a frame that was pulled.

        By its source's own count, where there is one (V4L2's, of which a gap is a frame that the
        driver lost); else by what has reached the sink, of which a gap is a frame dropped there.
        """
        while self.arrived:
            self._here += 1
            if self.arrived.popleft() == buffer.pts:
                break
        number = self._here
        # Bytes are counted in the same place; frames go up by one.
        counted = buffer.offset
        if counted != none and buffer.offset_end == counted + 1:
            if self._apart is None:
                self._apart = counted - number
            number = counted - self._apart
        self._last = max(number, self._last + 1)
        return self._last
