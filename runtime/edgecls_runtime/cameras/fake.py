"""A camera without hardware that does what a script says: frames, faults and their timing.

To try a station, its outputs and what it does about a bad camera before there is a camera; the
tests of this project use the same file. ``FakeCamera`` plays images and errors that Python made.
"""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import (
    CameraError,
    CameraTimeout,
    ConfigError,
    DeviceError,
    EndOfStream,
    Fault,
)
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import Undecoded
from edgecls_runtime.drawn_cards import Pictures, cards, photos
from edgecls_runtime.scripted import OPENING, Script, Step

NAME = "fake camera"
GREY = (128, 128, 128)
NO_JPEG = np.frombuffer(b"\xff\xd8 half a frame", np.uint8)
HIGHEST_HZ = 100_000.0
# Two cameras cannot play one script.
EXCLUSIVE = "state"
WRITES = ("state",)

Event = NDArray[np.uint8] | DeviceError


class FakeCamera:
    """Plays images and errors: one is delivered, the other raised; after the last it is silent."""

    def __init__(self, script: Iterable[Event], *, live: bool = False, period: float = 0.0) -> None:
        """Prepare a script.

        Args:
            script: Images, each uint8 of shape (height, width, 3), RGB, and errors.
            live: What ``Camera.live`` shall say.
            period: Seconds between two events.

        """
        self.live = live
        self.closed = False
        self._script = enumerate(script)
        self._period = period

    def read(self, timeout: float) -> Frame:
        """Play the next event of the script, or wait and time out when there is none."""
        time.sleep(min(self._period, timeout))
        for number, event in self._script:
            if isinstance(event, DeviceError):
                raise event
            return Frame(event, number, time.monotonic(), NAME)
        time.sleep(timeout)
        raise _silence(timeout)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class ScriptedCamera:
    """Plays the script of a station file.

    Attributes:
        live: As of ``Camera``.
        fires: As of ``Firing``: then each frame, also a lost one, is the answer to one order.

    """

    def __init__(
        self,
        script: Script,
        pictures: Pictures,
        *,
        live: bool = False,
        fires: bool = False,
        period: float = 0.0,
    ) -> None:
        """Begin where the script stands.

        Args:
            script: Closed by this.
            pictures: Returns what is in view, in a size (height, width) or the usual one.
            live: What ``Camera.live`` shall say.
            fires: Deliver a frame only after an order.
            period: Seconds between two frames.

        """
        self.live, self.fires = live, fires
        self._script, self._pictures, self._period = script, pictures, period
        self._shown = pictures(None)
        self._numbers = 0
        self._seen = 0
        self._due = time.monotonic()
        self._closing = 0.0
        self._held: Step | None = None
        self._gone = ""
        self._orders = threading.Semaphore(0)
        self._ordered = False

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next frame, not drawn yet; play what the script has before it.

        Raises:
            CameraError: As the script says.

        """
        deadline = time.monotonic() + timeout
        while True:
            if self._gone:
                raise CameraError(f"{NAME}: {self._gone}", Fault.GONE)
            self._wait(timeout, deadline)
            event = self._next()
            if event is None:
                self._due = float("inf")
            elif (found := self._play(event)) is not None:
                return found
            elif time.monotonic() > deadline:
                raise _silence(timeout)

    def fire(self) -> None:
        """Take an order, whoever reads it."""
        self._orders.release()

    def close(self) -> None:
        """Close, which takes as long as the script says."""
        seconds, self._closing = self._closing, 0.0
        time.sleep(seconds)
        self._gone = "closed"
        self._script.close()

    def _wait(self, timeout: float, deadline: float) -> None:
        """Wait until the next event is due, and ordered."""
        while (left := min(self._due, deadline) - time.monotonic()) > 0:
            time.sleep(left)
        late = self._due > deadline
        if not late and self.fires and not self._ordered:
            left = max(deadline - time.monotonic(), 0.0)
            self._ordered = self._orders.acquire(timeout=left)
            late = not self._ordered
        if late:
            raise _silence(timeout)

    def _next(self) -> Step | None:
        held, self._held = self._held, None
        if held is not None:
            return held
        event = self._script.next()
        if event is not None and event.word in OPENING:
            return Step("gone")  # and the next opening finds it
        if event is not None:
            self._script.advance()
        return event

    def _play(self, event: Step) -> Undecoded | None:
        """Do what an event says; return the frame, if it is one."""
        now = time.monotonic()
        match event.word:
            case "silent":
                self._due = now + event.value
            case "slow":
                self._due, self._held = now + event.value, Step("frame")
            case "hang":
                threading.Event().wait(event.value if event.value < float("inf") else None)
            case "skip":
                self._numbers += int(event.value)
            case "resize":
                self._shown = self._pictures(event.size)
            case "close":
                self._closing = event.value
            case "gone":
                self._gone = "gone"
            case "bug":
                raise RuntimeError("driver bug")
            case "end":
                raise EndOfStream(f"{NAME}: its script is at its end")
            case _:
                return self._frame(event, now)
        return None

    def _frame(self, event: Step, now: float) -> Undecoded | None:
        number, self._numbers = self._numbers, self._numbers + 1
        # A reader that was held up finds the next frame at once, not all that it would have missed.
        self._due = max(self._due + self._period, now)
        self._ordered = False
        if event.word == "lost":
            return None
        if event.word != "same":
            self._seen = self._script.place - 1
        decode: Callable[[], NDArray[np.uint8]] = partial(self._shown.draw, self._seen)
        if event.word == "black":
            decode = partial(_black, decode)
        elif event.word == "damaged":
            decode = Coded(NO_JPEG, Coding.JPEG, f"{NAME}: frame {number}")
        captured_at = now - (event.value if event.word == "old" else 0.0)
        return Undecoded(decode, number, captured_at, NAME)


def open(  # noqa: PLR0913 - the keys of a table
    *,
    script: tuple[str, ...] = (),
    repeat: bool = False,
    state: Path | None = None,
    images: Path | None = None,
    height_px: int = 480,
    width_px: int = 640,
    colour: tuple[int, int, int] = GREY,
    seed: int = 0,
    frames: int = 1,
    rate_hz: float = 0.0,
    live: bool | None = None,
    fires: bool = False,
) -> ScriptedCamera:
    """Open a fake camera.

    Args:
        script: What it does, a word each: ``docs/cameras.md`` has them; after the last it is
            silent.
        repeat: Play the script again and again.
        state: A file that keeps the place in the script, so that a camera which is opened again
            goes on behind the fault, also in another process. Without it each opening begins anew.
        images: A folder of photos to show in turn, instead of drawn cards.
        height_px: Height of a card.
        width_px: Width of a card.
        colour: Red, green and blue of a card, 0..255.
        seed: Of the sensor noise on cards.
        frames: Without a script: frames before the camera falls silent.
        rate_hz: Frames a second; 0 delivers at each read.
        live: Whether frames come whether they are read or not; by default, with a rate.
        fires: Deliver a frame only when a trigger asks for one.

    Raises:
        ConfigError: A word is unknown, or a value is out of its range.
        CameraError: The script refuses to be opened.

    """
    if height_px < 1 or width_px < 1 or not 0 <= rate_hz <= HIGHEST_HZ or frames < 0:
        raise ConfigError(
            "camera: expected sizes of 1 px or more, and frames and a rate of 0 or more"
        )
    if not all(0 <= channel <= 255 for channel in colour):
        raise ConfigError(f"camera.colour: {list(colour)}; expected three values of 0 to 255")
    played = Script(script or (f"frame*{frames}",) * bool(frames), repeat=repeat, state=state)
    usual = height_px, width_px
    pictures = photos(images) if images else partial(cards, usual, colour, seed)
    try:
        _be_opened(played)
        return ScriptedCamera(
            played,
            pictures,
            live=rate_hz > 0 if live is None else live,
            fires=fires,
            period=1 / rate_hz if rate_hz else 0.0,
        )
    except BaseException:
        played.close()
        raise


def _silence(timeout: float) -> CameraTimeout:
    return CameraTimeout(f"{NAME}: no frame within {timeout:g} s")


def _black(draw: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.zeros_like(draw())


def _be_opened(script: Script) -> None:
    """Play what the script has about an opening.

    Raises:
        CameraError: It is refused.

    """
    while (event := script.next()) is not None and event.word in OPENING:
        script.advance()
        if event.word == "open":
            time.sleep(event.value)
        else:
            raise CameraError(f"{NAME}: {event.word}, as its script says", Fault(event.word))
