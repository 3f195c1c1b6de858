"""What was learned of a camera, in a folder beside its station file: a TOML file and its view.

    line.health/camera.toml     limits, and where good frames lay
    line.health/camera.png      the view; what moves in it is transparent

Several cameras have a pair each, by their names. Files are written whole or not at all.
"""

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from edgecls import schema
from edgecls.errors import ConfigError
from edgecls_runtime.health.frozen import Frozen
from edgecls_runtime.health.learning import Alarms, Range
from edgecls_runtime.health.limits import Limits
from edgecls_runtime.health.view import View, small_size

FORMAT = 1
AGAIN = "run edgecls calibrate again"
HEAD = "# Good frames of one camera, and limits for the next ones: written by edgecls calibrate.\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one camera; the keys of its file.

    Attributes:
        camera: Its name in messages.
        learned_at: UTC.
        frames: Good frames that it was learned from.
        margin: As of ``learning.learned``.
        height_px: Of the frames.
        width_px: Of the frames.
        least: As of ``Limits``.
        most: As of ``Limits``.
        seen: Where the figures of good frames lay.
        false_alarms: How often the limits may be wrong.
        frozen: When the camera is frozen; None: that cannot be told, or it is no live one.
        view_sha256: Of the view's file; empty where there is no view.
        format: Version of this layout.

    """

    camera: str
    learned_at: str
    frames: int
    margin: float
    height_px: int
    width_px: int
    least: dict[str, float]
    most: dict[str, float]
    seen: dict[str, Range]
    false_alarms: Alarms
    frozen: Frozen | None = None
    view_sha256: str = ""
    format: int = field(default=FORMAT, kw_only=True)

    @property
    def limits(self) -> Limits:
        """The limits."""
        return Limits(self.least, self.most)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames, px."""
        return self.height_px, self.width_px


def files(folder: Path, camera: str) -> tuple[Path, Path]:
    """Return the TOML file and the view's of a camera; a station's only one has no name."""
    stem = quote(camera, safe=" ") or "camera"
    return folder / f"{stem}.toml", folder / f"{stem}.png"


def read(folder: Path, camera: str) -> tuple[Kept, View | None]:
    """Read what was learned of a camera.

    Raises:
        ConfigError: There is nothing, it is damaged, or of a newer format.

    """
    file, picture = files(folder, camera)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}; expected learned limits; "
            f"run: edgecls calibrate STATION.toml"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}; {AGAIN}") from error
    if table.get("format") != FORMAT:
        raise ConfigError(
            f"{file}: format {table.get('format')}; this edgecls reads limits of format {FORMAT}; "
            f"{AGAIN} here"
        )
    kept = schema.call(Kept, table, str(file))
    kept.limits.check(str(file))
    if kept.frozen:
        kept.frozen.check(f"{file}.frozen")
    if min(kept.size) < 1:
        raise ConfigError(f"{file}: frames of {kept.width_px} x {kept.height_px}; {AGAIN}")
    return kept, _view(picture, kept) if kept.view_sha256 else None


def write(folder: Path, name: str, kept: Kept, png: bytes) -> None:
    """Write both files, each at once; the table last, which names the view that belongs to it.

    Args:
        folder: Made when it is not there.
        name: Of the camera in the station file.
        kept: With ``view_sha256`` of ``png``.
        png: As of ``picture``; empty without a view.

    """
    folder.mkdir(parents=True, exist_ok=True)
    file, view = files(folder, name)
    if png:
        _replace(view, png)
    _replace(file, (HEAD + _toml(kept)).encode())
    if not png:
        view.unlink(missing_ok=True)


def picture(view: View) -> bytes:
    """Return a view as PNG: grey, and transparent where it does not stay still."""
    planes = np.dstack([view.grey, view.grey, view.grey, view.still])
    return cv2.imencode(".png", planes)[1].tobytes()


def digest(png: bytes) -> str:
    """Return the SHA-256 of a view's file; empty for none."""
    return hashlib.sha256(png).hexdigest() if png else ""


def _view(file: Path, kept: Kept) -> View:
    try:
        png = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; expected the view; {AGAIN}") from error
    if digest(png) != kept.view_sha256:
        raise ConfigError(f"{file}: not the view that belongs to its limits; {AGAIN}")
    planes = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if planes is None or planes.shape != (*small_size(*kept.size), 4):
        raise ConfigError(f"{file}: not a view of {kept.width_px} x {kept.height_px}; {AGAIN}")
    grey, still = (np.ascontiguousarray(planes[..., plane]) for plane in (0, 3))
    return View(kept.size, grey.astype(np.uint8), still.astype(np.uint8))


def _replace(file: Path, data: bytes) -> None:
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _toml(kept: Kept) -> str:
    plain = ("format", "camera", "learned_at", "frames", "margin", "height_px", "width_px")
    lines = [f"{key} = {json.dumps(getattr(kept, key))}" for key in (*plain, "view_sha256")]
    tables: dict[str, dict[str, object]] = {"least": {**kept.least}, "most": {**kept.most}}
    if kept.frozen:
        frozen = kept.frozen
        tables["frozen"] = {
            "after_ms": frozen.after_ms,
            "alike": frozen.alike,
            "at_once": frozen.at_once,
        }
    alarms = kept.false_alarms
    tables["false_alarms"] = {"of": alarms.of, "each": alarms.each, "tenths": alarms.tenths}
    for name, seen in kept.seen.items():
        tables[f"seen.{name}"] = {"low": seen.low, "middle": seen.middle, "high": seen.high}
    for title, table in tables.items():
        lines += ["", f"[{title}]", *(f"{key} = {_number(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _number(value: object) -> str:
    # Six digits are more than any of them means, and what people can read.
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
