"""The ``[[views]]`` tables of a station file: where to look in a frame."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.views import tiles

Point = tuple[float, float]
# No picture of a view is larger: 64 Mpx are 192 MB.
MOST_PX = 1 << 26


@dataclass(frozen=True, slots=True)
class View:
    """One picture that is taken out of each frame, and may be cut into tiles.

    Without ``roi`` and ``corners`` it is the whole frame. Points are in px of the frame; the top
    left corner of the first pixel is 0, 0.

    Attributes:
        name: For verdicts, such as ``lid``.
        roi: x, y, width, height of a rectangle.
        rotate_deg: How far what is seen is turned clockwise in the frame, -180 to 180; the picture
            shows it upright. The whole frame can be turned in quarters only.
        corners: Four points instead of ``roi``, of what is seen at a slant: its own top left corner
            first, then clockwise. The picture shows it from straight above.
        size_px: Width, height of that picture; None is as long as the longer of opposite sides.
        mask: Image as large as the picture: what is black there is hidden.
        mask_rgb: What hides it, 0..255 each; None is the bundle's mean colour.
        tile_px: Side of the square tiles that the picture is cut into; None leaves it whole.
        overlap: Least that neighbouring tiles share: below 1 a share of the tile, from 1 on px.
        camera: Name of the camera of ``[cameras]`` that it is for; None is each.
        good: The labels that let its places pass; None for those of the rule.

    """

    name: str
    roi: tuple[int, int, int, int] | None = None
    rotate_deg: float = 0.0
    corners: tuple[Point, Point, Point, Point] | None = None
    size_px: tuple[int, int] | None = None
    mask: Path | None = None
    mask_rgb: tuple[int, int, int] | None = None
    tile_px: int | None = None
    overlap: float = 0.0
    camera: str | None = None
    good: tuple[str, ...] | None = None

    @property
    def where(self) -> str:
        """How a message begins."""
        return f"view {self.name!r}"

    @property
    def is_measured(self) -> bool:
        """Whether it holds px of the frame, so that it fits frames of one size only."""
        return self.roi is not None or self.corners is not None

    def __post_init__(self) -> None:
        """Refuse what shows nothing, or contradicts itself."""
        if not self.name.strip():
            raise ConfigError("views: a name is empty; expected one that verdicts can give")
        self._check_area()
        self._check_picture()
        if isinstance(self.good, str):  # a part of that text would count as good
            raise ConfigError(f"{self.where}: good {self.good!r} is one text; expected a list")

    def check(self, labels: tuple[str, ...]) -> None:
        """Raise ConfigError for a good label that the bundle does not know."""
        for label in self.good or ():
            if label not in labels:
                raise ConfigError(
                    f"{self.where}: good {label!r} is no label of the bundle; "
                    f"its labels are {', '.join(labels)}"
                )

    def _check_area(self) -> None:
        if self.corners is not None:
            for key, given in (("roi", self.roi is not None), ("rotate_deg", self.rotate_deg)):
                if given:
                    raise ConfigError(
                        f"{self.where}: {key} beside corners; corners say where it is and how it "
                        f"is turned"
                    )
        if self.roi is not None:
            x, y, width, height = self.roi
            if width < 1 or height < 1 or (not self.rotate_deg and min(x, y) < 0):
                raise ConfigError(
                    f"{self.where}: roi {list(self.roi)}; expected [x, y, width, height] in px, "
                    f"x and y from 0, width and height from 1"
                )
        if not -180 <= self.rotate_deg <= 180:  # NaN compares false
            raise ConfigError(
                f"{self.where}: rotate_deg {self.rotate_deg:g}; expected -180 to 180, clockwise"
            )
        if not self.is_measured and self.rotate_deg % 90:
            raise ConfigError(
                f"{self.where}: rotate_deg {self.rotate_deg:g} without roi; the whole frame can "
                f"be turned by 90, 180 or 270 only; give it a roi"
            )

    def _check_picture(self) -> None:
        if self.size_px is not None and self.corners is None:
            raise ConfigError(f"{self.where}: size_px without corners; a roi has its own size")
        if self.size_px is not None and not 0 < min(self.size_px) <= max(self.size_px) <= MOST_PX:
            raise ConfigError(f"{self.where}: size_px {list(self.size_px)}; expected 1 px or more")
        if self.mask_rgb is not None and self.mask is None:
            raise ConfigError(f"{self.where}: mask_rgb without mask; there is nothing to hide")
        if not all(0 <= value <= 255 for value in self.mask_rgb or ()):
            raise ConfigError(
                f"{self.where}: mask_rgb {list(self.mask_rgb or ())}; expected 0..255"
            )
        if self.tile_px is None:
            if self.overlap:
                raise ConfigError(f"{self.where}: overlap without tile_px; there are no tiles")
            return
        if self.tile_px < 1:
            raise ConfigError(f"{self.where}: tile_px {self.tile_px}; expected 1 or more")
        fits = 0 <= self.overlap < self.tile_px  # NaN compares false
        if not fits or tiles.overlap_px(self.overlap, self.tile_px) >= self.tile_px:
            raise ConfigError(
                f"{self.where}: overlap {self.overlap:g}; expected a share of the tile below 1, "
                f"or px from 1 on, less than tile_px {self.tile_px}"
            )


def check(
    views: Sequence[View], frame_px: tuple[int, int] | None, cameras: Collection[str]
) -> None:
    """Refuse views that do not go together.

    Args:
        views: All of a station file.
        frame_px: Width and height of the frames that they are measured in, px; None if not given.
        cameras: Names of ``[cameras]``; empty for a single camera.

    Raises:
        ConfigError: Two of one name, a camera that is not there, px of nobody knows which frame.

    """
    if frame_px is not None and min(frame_px) < 1:
        raise ConfigError(f"frame_px: {list(frame_px)}; expected [width, height], 1 px or more")
    if frame_px is not None and not views:
        raise ConfigError("frame_px: given without [[views]]; it says what they are measured in")
    for view in views:
        if view.camera is not None and view.camera not in cameras:
            known = f"one of {', '.join(cameras)}" if cameras else "none with a single [camera]"
            raise ConfigError(f"{view.where}: camera {view.camera!r}; expected {known}")
        if view.is_measured and frame_px is None:
            raise ConfigError(
                f"{view.where}: {'roi' if view.roi else 'corners'} without frame_px; add at the "
                f"top of the file: frame_px = [width, height] of the frames that it was measured in"
            )
    for camera in cameras or ("",):
        names = [view.name for view in of_camera(views, camera)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"view {name!r}: given twice; expected a name for each")


def of_camera(views: Sequence[View], camera: str) -> tuple[View, ...]:
    """Return the views of one camera, in the order of the file; ``""`` is a single camera."""
    return tuple(view for view in views if view.camera in (None, camera))
