"""Good frames, gathered one by one; at the end, what their camera shall be like."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls_runtime.health import kept
from edgecls_runtime.health.frozen import change, learned_frozen
from edgecls_runtime.health.kept import Kept
from edgecls_runtime.health.learning import FEWEST, Learned, learned
from edgecls_runtime.health.limits import SCALES
from edgecls_runtime.health.measures import Figures, grey_levels, measured
from edgecls_runtime.health.settings import BUILT_IN
from edgecls_runtime.health.still import learned_view
from edgecls_runtime.health.view import Image, Reference, View, small, small_size

NOTHING = np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What good frames of one camera came to.

    Attributes:
        kept: To be written.
        png: The view's file; empty without a view.
        learned: With the frames that were left out, by their numbers, and warnings.

    """

    kept: Kept
    png: bytes
    learned: Learned


@dataclass(slots=True)
class Gathered:
    """Good frames of one camera, in the order in which they were taken.

    Attributes:
        refused: Why frames were no good ones at all: how many, by the reason.

    """

    refused: dict[str, int] = field(default_factory=dict)
    _camera: str = ""
    _figures: list[Figures] = field(default_factory=list)
    _small: list[Image] = field(default_factory=list)
    _changes: list[float] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _before: Image | None = None

    def __len__(self) -> int:
        return len(self._figures)

    def add(self, frame: Frame) -> None:
        """Take one frame; one that is black, white or half decoded is not a good one.

        Raises:
            ConfigError: It has another size than those before.

        """
        figures = measured(frame.image)
        if fault := BUILT_IN.broken(figures):
            what = fault.partition(":")[0]
            self.refused[what] = self.refused.get(what, 0) + 1
            return
        if self._figures and figures.size != self._figures[0].size:
            (h, w), (high, wide) = figures.size, self._figures[0].size
            raise ConfigError(
                f"{frame.camera}: frames of {w} x {h} and of {wide} x {high}; expected one size"
            )
        if self._before is not None:
            self._changes.append(change(self._before, figures.sample))
        self._before = figures.sample
        self._camera = frame.camera
        self._times.append(frame.captured_at)
        self._figures.append(replace(figures, sample=NOTHING))
        self._small.append(small(grey_levels(frame.image), small_size(*figures.size)))

    def calibrated(self, margin: float, *, live: bool) -> Calibrated:
        """Learn from all of them.

        Args:
            margin: As of ``learning.learned``.
            live: Whether they came from a live camera, which may freeze.

        Raises:
            ConfigError: They are too few.

        """
        if len(self) < FEWEST:
            raise ConfigError(f"{len(self)} good frames; expected {FEWEST} or more; {self._why}")
        size = self._figures[0].size
        view, no_view = learned_view(self._small, size)
        found = learned(self._table(view), margin)
        frozen, no_frozen = learned_frozen(self._changes, self._times) if live else (None, "")
        notes = {"the view is not watched: ": no_view, "frozen is not watched: ": no_frozen}
        found.warnings.extend(f"{what}{why}" for what, why in notes.items() if why)
        png = kept.picture(view) if view else b""
        height, width = size
        return Calibrated(
            Kept(
                camera=self._camera,
                learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
                frames=found.alarms.of,
                margin=margin,
                height_px=height,
                width_px=width,
                least=dict(found.limits.least),
                most=dict(found.limits.most),
                seen=found.seen,
                false_alarms=found.alarms,
                frozen=frozen,
                view_sha256=kept.digest(png),
            ),
            png,
            found,
        )

    @property
    def _why(self) -> str:
        refused = ", ".join(f"{count} {what}" for what, count in self.refused.items())
        return f"refused: {refused}" if refused else "let more of them be taken"

    def _table(self, view: View | None) -> dict[str, np.typing.NDArray[np.float64]]:
        columns = {name: [getattr(one, name) for one in self._figures] for name in SCALES}
        if view:
            reference = Reference(view)
            compared = [reference.compared(frame) for frame in self._small]
            columns["shift_px"] = [one.shift_px for one in compared]
            columns["likeness"] = [one.likeness for one in compared]
        return {
            name: np.array(values, np.float64)
            for name, values in columns.items()
            if values[0] is not None
        }
