"""The ``[health]`` table of a station file, and what it comes to for one camera."""

from dataclasses import dataclass, field
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.health import kept
from edgecls_runtime.health.frozen import Frozen
from edgecls_runtime.health.limits import SCALES, Limits
from edgecls_runtime.health.view import Reference
from edgecls_runtime.health.watch import Expected

ALL, FROZEN = "all", "frozen"
# Of a live camera that nobody calibrated: what is hardly ever a picture of a part.
BUILT_IN = Limits(most={"dark": 0.999, "bright": 0.999, "fill": 0.02})


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Which frames are not fit to be judged.

    Attributes:
        limits: Folder that ``edgecls calibrate`` wrote; None: what is built in, of live cameras.
        off: Figures that are not looked at; also ``frozen``, or ``all``.
        least: Limits by hand, by the figure's name: less is REVIEW.
        most: Limits by hand, by the figure's name: more is REVIEW.
        frozen_ms: A live camera that shows the same for longer is frozen; None: as learned or
            built in.

    """

    limits: Path | None = None
    off: tuple[str, ...] = ()
    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    frozen_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no frame has."""
        known = (*SCALES, FROZEN, ALL)
        for name in self.off:
            if name not in known:
                raise ConfigError(
                    f"health.off: no figure {name!r}; known ones are {', '.join(known)}"
                )
        self._by_hand.check("health")
        if self.frozen_ms is not None:
            Frozen(self.frozen_ms).check("health.frozen_ms")

    @property
    def _by_hand(self) -> Limits:
        return Limits(self.least, self.most)

    def expected(self, camera: str, *, live: bool) -> Expected:
        """Return what frames of a camera shall be like.

        Args:
            camera: Its name in the station file; empty for the only one.
            live: Whether it is one, and no folder or video: those may be anything unless learned.

        Raises:
            ConfigError: The learned limits cannot be used.

        """
        if ALL in self.off:
            return Expected()
        found = Expected(BUILT_IN if live else Limits(), frozen=Frozen() if live else None)
        if self.limits is not None:
            learned, view = kept.read(self.limits, camera)
            found = Expected(
                learned.limits.over(found.limits),
                Reference(view) if view else None,
                learned.frozen if live else None,
                learned.size,
                str(kept.files(self.limits, camera)[0]),
            )
        frozen = found.frozen
        if live and self.frozen_ms is not None:
            frozen = Frozen(self.frozen_ms, frozen.alike if frozen else 0.0, at_once=True)
        return Expected(
            self._by_hand.over(found.limits).without(self.off),
            found.reference,
            None if FROZEN in self.off else frozen,
            found.size,
            found.source,
        )
