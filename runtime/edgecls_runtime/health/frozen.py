"""Does a camera show the same picture again and again? A sensor never does: it has noise.

Streams can: test cards, and compressed pictures of a place where nothing moves. So a camera that
nobody has calibrated is called frozen only after it has shown that its frames do differ.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ConfigError

Image = NDArray[np.uint8]

AFTER_MS = 2000.0
LONGEST_MS = 86_400_000
# A camera is lively when all but this share of so many latest frames differed from the one before.
LATEST, LEAST_LIVELY, MAY_REPEAT = 200, 30, 0.05
# Repeats at least, however much time lies between frames.
LEAST_REPEATS = 2
# Mean difference in grey levels: no sensor's noise is below it; a picture that was encoded anew is.
MOST_ALIKE = 0.05


@dataclass(frozen=True, slots=True)
class Frozen:
    """When a camera is frozen.

    Attributes:
        after_ms: It has shown the same for so long, in two repeats or more.
        alike: Mean difference of two frames, in grey levels, up to which they are the same.
        at_once: Whether its frames are known to differ; else it must have shown that first.

    """

    after_ms: float = AFTER_MS
    alike: float = 0.0
    at_once: bool = False

    def check(self, where: str) -> None:
        """Refuse a time that no clock keeps, or a difference that is none.

        Raises:
            ConfigError: One of them is out of its range.

        """
        if not 0 < self.after_ms <= LONGEST_MS:
            raise ConfigError(
                f"{where}: {self.after_ms:g}; expected milliseconds above 0, at most a day"
            )
        if not 0 <= self.alike <= 255:
            raise ConfigError(f"{where}: alike {self.alike:g}; expected 0 to 255 grey levels")


class Repeats:
    """The frames of one camera, compared each with the one before."""

    def __init__(self, frozen: Frozen) -> None:
        """Begin with a camera of which nothing is known yet."""
        self._frozen = frozen
        self._before: Image | None = None
        self._since = 0.0
        self._count = 0
        self._told = False
        self._differed: deque[bool] = deque(maxlen=LATEST)

    def fault(self, sample: Image, at: float) -> str:
        """Take the next frame; return what is wrong, or an empty text.

        Args:
            sample: As of ``Figures``.
            at: When it was captured, monotonic seconds.

        """
        before, self._before = self._before, sample
        if before is None or change(before, sample) > self._frozen.alike:
            if before is not None:
                self._end_of_repeats()
            self._since, self._count, self._told = at, 0, False
            return ""
        self._count += 1
        held = at - self._since
        if self._count < LEAST_REPEATS or 1000 * held < self._frozen.after_ms:
            return ""
        if not (self._frozen.at_once or self._is_lively):
            return ""
        self._told = True
        limit = self._frozen.after_ms / 1000
        return f"frozen: the same picture for {held:.1f} s > {limit:g} s"

    def _end_of_repeats(self) -> None:
        """Note how the camera is wont to be; a freeze is no habit of it."""
        if not self._told:
            self._differed.extend([False] * min(self._count, LATEST))
        self._differed.append(True)

    @property
    def _is_lively(self) -> bool:
        count = len(self._differed)
        return count >= LEAST_LIVELY and sum(self._differed) >= (1 - MAY_REPEAT) * count


def change(before: Image, sample: Image) -> float:
    """Return the mean difference of two frames' samples in grey levels; 255 of different sizes."""
    if before.shape != sample.shape:
        return 255.0
    return float(cv2.norm(before, sample, cv2.NORM_L1)) / max(sample.size, 1)


def learned_frozen(changes: list[float], times: list[float]) -> tuple[Frozen | None, str]:
    """Learn when a camera is frozen from good frames.

    Args:
        changes: Of each good frame but the first, to the one before.
        times: When each was captured, monotonic seconds.

    Returns:
        What it is, or None and why a frozen one cannot be told.

    """
    differ = np.array(changes) > 0
    if len(changes) < LEAST_LIVELY:
        return None, f"{len(changes) + 1} frames are too few to tell a frozen camera"
    if differ.mean() < 1 - MAY_REPEAT:
        share = 100 * (1 - differ.mean())
        return None, (
            f"{share:.0f} % of the frames repeat the one before: a frozen camera cannot be told"
        )
    alike = min(float(np.min(np.array(changes)[differ])) / 2, MOST_ALIKE)
    longest = _longest(differ, times)
    return Frozen(max(AFTER_MS, 3000 * longest), alike, at_once=True), ""


def _longest(differ: NDArray[np.bool_], times: list[float]) -> float:
    """Return for how many seconds good frames repeated one another at most."""
    longest, since = 0.0, times[0]
    for differs, at in zip(differ, times[1:], strict=True):
        if differs:
            since = at
        longest = max(longest, at - since)
    return longest
