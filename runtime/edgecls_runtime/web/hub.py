"""The newest verdicts, for whoever looks at the page: an output that never makes anybody wait.

The telling room puts verdicts in; the page's own thread looks every few hundredths of a second
whether there is something new. So a page that is slow, hung or gone costs the station nothing.
"""

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from edgecls.metrics import percentile
from edgecls.verdict import Verdict

# What a reader may be behind before it is told of a gap.
MOST_KEPT = 256
# Latencies, of the newest parts.
LATEST = 1000
# Each holds one frame: 6 MB of 1080p.
MOST_CAMERAS = 16
PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict, numbered as it came in; the numbers of one hub begin with 1."""

    number: int
    verdict: Verdict


class Hub:
    """Keeps a few verdicts, and of each camera the newest one with its frame.

    Attributes:
        run: Tells the numbers of this hub from those of another.

    """

    def __init__(self) -> None:
        """Begin empty."""
        self.run = secrets.token_hex(4)
        self._changing = threading.Lock()
        self._number = 0
        self._told: deque[Told] = deque(maxlen=MOST_KEPT)
        self._newest: OrderedDict[str, Told] = OrderedDict()
        self._latencies: deque[float] = deque(maxlen=LATEST)

    def send(self, verdict: Verdict) -> None:
        """Take a verdict; of what came before of the same camera the frame is let go."""
        bare = replace(verdict, frame=None)
        with self._changing:
            self._number += 1
            self._told.append(Told(self._number, bare))
            self._newest[verdict.camera] = Told(self._number, verdict)
            self._newest.move_to_end(verdict.camera)
            if len(self._newest) > MOST_CAMERAS:
                self._newest.popitem(last=False)
            if verdict.latency is not None:
                self._latencies.append(verdict.latency)

    def close(self) -> None:
        """Let the frames go; closing twice is allowed."""
        with self._changing:
            self._newest = OrderedDict(
                (name, replace(told, verdict=replace(told.verdict, frame=None)))
                for name, told in self._newest.items()
            )

    @property
    def number(self) -> int:
        """Of the newest verdict; 0 before the first."""
        return self._number

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that verdicts came from."""
        with self._changing:
            return tuple(sorted(self._newest))

    def newest(self, camera: str | None = None) -> Told | None:
        """Return the newest verdict of a camera, or of any, with its frame if it has one."""
        with self._changing:
            if camera is not None:
                return self._newest.get(camera)
            return next(reversed(self._newest.values()), None)

    def since(self, number: int) -> Sequence[Told]:
        """Return what came after a number, oldest first, without frames: the newest 256 at most."""
        with self._changing:
            newer = takewhile(lambda told: told.number > number, reversed(self._told))
            return tuple(newer)[::-1]

    def latency_ms(self) -> dict[str, float | None]:
        """Return p50, p95 and p99 from a frame's arrival to its verdict; None without any."""
        with self._changing:
            kept = list(self._latencies)
        return {
            f"p{percent}": round(1000 * percentile(kept, percent), 2) if kept else None
            for percent in PERCENTS
        }
