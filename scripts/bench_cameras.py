"""A station's RTSP camera, side by side with a loop around ``cv2.VideoCapture``, in one run.

    python scripts/bench_cameras.py [--rounds 3] [--width 640 --height 480 --rate-hz 15] [--json]

The camera is GStreamer's RTSP server on this machine; it shows the time of day in black and white
blocks, so that the age of a frame is read off the frame itself. It is killed and started again; as
root, it also stands behind a cable (a network namespace) that is pulled and plugged in again.
"Raw" opens the stream again after half a second when a read fails, as one writes it; once as
OpenCV comes, and once with FFmpeg's options for low latency.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from edgecls.errors import CameraTimeout
from edgecls_runtime import cameras
from servers import RTSP_MISSING, RtspServer, cable, can_lay_cables, can_serve_rtsp, rtsp_server

Image = NDArray[np.uint8]
BITS, BLOCK = 40, 16
LOW_DELAY = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
PAUSE_S = 0.5
READ_S = 0.5
KILLED_S, PULLED_S, LONGEST_S = 3.0, 5.0, 60.0
STEADY_S, SLOW_S, OUTAGE_S = 5.0, 8.0, 5.0
SLOWER = 3


class Reader(Protocol):
    """Who reads the camera."""

    def frame(self) -> Image | None:
        """Return the next frame to judge; None where there is none."""
        ...

    def close(self) -> None:
        """Let the camera go."""
        ...


class Raw:
    """The loop around ``cv2.VideoCapture``."""

    def __init__(self, url: str, options: str = "") -> None:
        """Open the stream."""
        self._url, self._options = url, options
        self._capture = self._opened()

    def _opened(self) -> cv2.VideoCapture:
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = self._options
        return cv2.VideoCapture(self._url, cv2.CAP_FFMPEG)

    def frame(self) -> Image | None:
        """Read, and open again where that fails."""
        arrived, image = self._capture.read()
        if arrived:
            return np.asarray(image, np.uint8)
        self._capture.release()
        time.sleep(PAUSE_S)
        self._capture = self._opened()
        return None

    def close(self) -> None:
        """Release the stream."""
        self._capture.release()


class Ours:
    """The camera of a station."""

    def __init__(self, url: str) -> None:
        """Open it."""
        self._camera = cameras.open_table({"kind": "rtsp", "url": url})

    def frame(self) -> Image | None:
        """Read; a time-out is a part to review."""
        try:
            return self._camera.read(READ_S).image
        except CameraTimeout:
            return None

    def close(self) -> None:
        """Close it."""
        self._camera.close()


WAYS: dict[str, Callable[[str], Reader]] = {
    "raw": Raw,
    "raw, low delay": lambda url: Raw(url, LOW_DELAY),
    "ours": Ours,
}


def shown_at(image: Image) -> float:
    """Return the time of day that a frame shows, s."""
    row = image[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK, 0] > 127
    shown, now = sum(1 << bit for bit in range(BITS) if row[bit]), int(time.time() * 1000)
    return (now - (now - shown) % (1 << BITS)) / 1000


def age(reader: Reader, seconds: float, work: float = 0.0) -> list[float]:
    """Judge for a while; return the age of each frame when its judgement began, s."""
    ages, end = [], time.time() + seconds
    while time.time() < end:
        image = reader.frame()
        if image is not None:
            ages.append(time.time() - shown_at(image))
        time.sleep(work)
    return ages


def warm(reader: Reader) -> None:
    """Read until a frame is not from before."""
    deadline = time.time() + LONGEST_S
    while time.time() < deadline:
        image = reader.frame()
        if image is not None and time.time() - shown_at(image) < READ_S:
            return


def recovery(
    reader: Reader, off: Callable[[], object], on: Callable[[], object], outage: float
) -> tuple[float, float]:
    """Take the camera away and bring it back.

    Returns:
        Seconds from its return to the first frame that was taken after it; longest read, s.

    """
    warm(reader)
    back: list[float] = []
    off()

    def restore() -> None:
        on()
        back.append(time.time())

    timer = threading.Timer(outage, restore)
    timer.start()
    longest, end = 0.0, time.time() + outage + LONGEST_S
    try:
        while time.time() < end:
            began = time.time()
            image = reader.frame()
            longest = max(longest, time.time() - began)
            if back and image is not None and shown_at(image) > back[0]:
                return time.time() - back[0], longest
    finally:
        timer.join()
    return LONGEST_S, longest


def outage_share(reader: Reader, server: RtspServer) -> float:
    """Return the share of one core while the camera is off."""
    server.kill()
    reader.frame()
    began, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < OUTAGE_S:
        reader.frame()
    share = (time.process_time() - used) / (time.perf_counter() - began)
    server.start()
    return share


def measured(way: str, server: RtspServer, rate_hz: float) -> dict[str, float]:
    """Measure one way once, all but the cable."""
    began = time.time()
    with closing(WAYS[way](server.url)) as reader:
        reader.frame()
        first = time.time() - began
        warm(reader)
        steady = age(reader, STEADY_S)
    with closing(WAYS[way](server.url)) as reader:
        warm(reader)
        slow = age(reader, SLOW_S, SLOWER / rate_hz)
    with closing(WAYS[way](server.url)) as reader:
        back, longest = recovery(reader, server.kill, server.start, KILLED_S)
        share = outage_share(reader, server)
    return {
        "first frame, s": first,
        "age p50, ms": 1000 * statistics.median(steady),
        "age p95, ms": 1000 * float(np.percentile(steady, 95)),
        "age of the last, classifier 3x slower, ms": 1000 * statistics.median(slow[-3:]),
        "back after a kill, s": back,
        "longest read, killed, s": longest,
        "processor share in an outage, %": 100 * share,
    }


def pulled(way: str, options: tuple[str, ...]) -> dict[str, float]:
    """Measure one way once, at the cable."""
    with ExitStack() as stack:
        wire = stack.enter_context(cable())
        place = ("--address", wire.address)
        server = stack.enter_context(rtsp_server(*options, *place, prefix=wire.prefix))
        reader = stack.enter_context(closing(WAYS[way](server.url)))
        back, longest = recovery(
            reader, lambda: wire.switch("down"), lambda: wire.switch("up"), PULLED_S
        )
    return {"back after the cable, s": back, "longest read, pulled, s": longest}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what OpenCV's FFmpeg prints about lost streams out of the table."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def main() -> int:
    """Measure and print medians over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--rate-hz", type=int, default=15)
    parser.add_argument("--codec", default="h264", choices=("h264", "mjpeg"))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not can_serve_rtsp():
        sys.stderr.write(f"{RTSP_MISSING}\n")
        return 5
    size = ("--width", str(asked.width), "--height", str(asked.height))
    pace = ("--rate", str(asked.rate_hz), "--keys", str(asked.rate_hz))
    options = (*size, *pace, "--codec", asked.codec, "--stamped")
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with quiet():
        for _ in range(asked.rounds):
            for way, found in rounds.items():
                with rtsp_server(*options) as server:
                    figures = measured(way, server, asked.rate_hz)
                found.append(figures | (pulled(way, options) if can_lay_cables() else {}))
    result = {
        key: {way: statistics.median(one[key] for one in rounds[way]) for way in WAYS}
        for key in rounds["ours"][0]
    }
    if asked.json:
        print(json.dumps({"load average": os.getloadavg()[0], "medians": result}, indent=2))
        return 0
    print(f"{'':44}" + "".join(f"{way:>16}" for way in WAYS))
    for key, row in result.items():
        print(f"{key:44}" + "".join(f"{row[way]:16.2f}" for way in WAYS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
