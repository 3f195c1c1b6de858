"""The kinds of hardware a station touches, as small as they can be."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgecls.frame import Frame
from edgecls.verdict import Verdict
from edgecls_runtime.announcing.announcements import Heard, Signal
from edgecls_runtime.placement import Placement
from edgecls_runtime.signature import Signature

if TYPE_CHECKING:
    from edgecls_runtime.capture.undecoded import Undecoded


class Camera(Protocol):
    """Delivers frames.

    Attributes:
        live: True where frames come whether they are read or not, so that only the newest is worth
            judging; False where every frame waits to be read (a folder, a video file).

    """

    live: bool

    def read(self, timeout: float) -> Frame:
        """Return the next frame.

        Args:
            timeout: Longest wait in seconds.

        Raises:
            CameraTimeout: No frame arrived within ``timeout``; the next call may succeed.
            EndOfStream: There are no more frames.
            ImageError: This frame cannot be decoded; the next call goes on behind it.
            CameraError: The camera is gone; only opening it again can help.

        """
        ...

    def close(self) -> None:
        """Release the camera; closing twice is allowed."""
        ...


@runtime_checkable
class Deferring(Protocol):
    """A camera that can deliver a frame before it is decoded: ``read`` is ``take``, then decode."""

    def take(self, timeout: float) -> "Undecoded":
        """Return the next frame; raises what ``Camera.read`` does, but for a damaged frame."""
        ...


@runtime_checkable
class Firing(Protocol):
    """A camera that can take a picture when it is told to.

    Attributes:
        fires: Whether it was opened so: then it delivers one frame for each ``fire``.

    """

    fires: bool

    def fire(self) -> None:
        """Take a picture now, whatever thread asks; ``read`` of another thread returns it.

        Raises:
            CameraError: The camera did not take the order.

        """
        ...


class Trigger(Protocol):
    """Announces parts."""

    def wait(self, timeout: float) -> Signal | None:
        """Return the next part that was announced, or None when there was none in time.

        Args:
            timeout: Longest wait in seconds.

        Raises:
            TriggerError: The source is gone; it is being reached again, and may be asked again.
            EndOfStream: No more parts will come.

        """
        ...

    def close(self) -> None:
        """Release the source and end a wait; closing twice is allowed."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A trigger that counts what it hears, also what nobody will look at."""

    @property
    def heard(self) -> Heard:
        """The counters, of one moment."""
        ...


class Output(Protocol):
    """Tells the outside world what was decided; each one in a thread of its own (``telling``)."""

    def send(self, verdict: Verdict) -> None:
        """Pass one verdict on, and return when the other side has it.

        It may wait for a second or two; that delays no verdict and no other output. After an error
        it is asked again, and reaches the other side again by itself if it can.

        Raises:
            OutputError: The verdict could not be passed on.

        """
        ...

    def close(self) -> None:
        """Release the output, leaving it in its safe state; closing twice is allowed."""
        ...


@runtime_checkable
class Expecting(Protocol):
    """An output that wants to know of parts before they are judged, as a reject gate does."""

    def expect(self, part: str, at: float) -> None:
        """Take note of a part that was announced, at monotonic seconds; its verdict will follow.

        Called by the trigger's thread: it returns at once.
        """
        ...


@runtime_checkable
class Safeguarding(Protocol):
    """An output with a declared safe state: what it shows when nothing can be relied on."""

    def make_safe(self, reason: str) -> None:
        """Enter the safe state until the next verdict; called by any thread, also repeatedly.

        Raises:
            OutputError: It cannot be told.

        """
        ...


@runtime_checkable
class Beating(Protocol):
    """An output that somebody watches for signs of life, as a watchdog pin or systemd."""

    def beat(self) -> None:
        """Take note that the station works; called at each verdict and each wait for a part.

        Called by the station's thread: it returns at once.
        """
        ...


@runtime_checkable
class Ordering(Protocol):
    """An output whose other side may order another recipe, as a PLC does by its number."""

    def take_orders(self, order: Callable[[int], object]) -> None:
        """Take what is called with the number of a recipe; it returns at once.

        ``order`` raises ValueError for a number that no recipe has.
        """
        ...


class Session(Protocol):
    """A model, loaded where it runs."""

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        ...

    @property
    def placement(self) -> Placement:
        """Which node runs where."""
        ...

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of a batch.

        Args:
            batch: uint8, shape (n, height, width, 3), RGB.

        Returns:
            float32, shape (n, n_labels); the caller's own.

        Raises:
            ProviderError: The engine failed.

        """
        ...

    def close(self) -> None:
        """Release the device; closing twice is allowed."""
        ...


class Provider(Protocol):
    """A place where models run, as a file of ``providers/`` describes it."""

    @property
    def name(self) -> str:
        """ONNX Runtime's name, such as ``CPUExecutionProvider``; of another engine, its own."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a file is computed as it is written, whatever kernels it was made for."""
        ...

    def load(self, model: Path) -> Session:
        """Load a model here, and nowhere else.

        Raises:
            ProviderError: That cannot be done on this device.

        """
        ...
