"""Judge one frame of a station and show where: for setting up [[views]].

    edgecls look STATION.toml --to where.png
    edgecls look STATION.toml --image part.png --to where.png

The frame comes from the station's camera, or is an image file. Each place is listed with what was
decided there, and --to draws them on the frame. Nothing is told to outputs and nothing is kept;
of a camera that waits for a trigger a picture is taken at once.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError, DeviceError
from edgecls.frame import Frame
from edgecls.progress import tell
from edgecls.verdict import Look, Verdict
from edgecls_runtime import config, one_frame, overlay
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.config import Settings
from edgecls_runtime.failover import Failover
from edgecls_runtime.images import read_image
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.views.looking import Looking
from edgecls_runtime.views.settings import View

COLUMNS = ("place", "outcome", "label", "score", "x", "y", "width", "height")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("station", metavar="STATION.toml", type=Path)
    parser.add_argument("--image", metavar="FILE", type=Path, help="look at this image instead")
    parser.add_argument("--to", metavar="FILE", type=Path, help="where the picture goes (.png)")
    parser.add_argument("--camera", metavar="NAME", help="only this one of [cameras]")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge one frame of each camera; print its places and write its picture."""
    settings, base = config.read(arguments.station), arguments.station.parent
    names = _names(settings, arguments.camera, arguments.image)
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    allowed = Allowed(settings.providers, settings.variant, settings.placement, base)
    found = []
    with closing(Failover(lambda: open_classifier(bundle, allowed), tell)) as classify:
        looking = {name: _looking(settings, name, classify) for name in names}
        for name in names:
            frame = _frame(settings, name, base, arguments.image)
            verdict = settings.rule.judge_places(looking[name](frame))
            to = _picture(arguments.to, name if len(names) > 1 else "", frame, verdict)
            found.append(_table(frame, verdict, to))
            if not arguments.json:
                sys.stdout.writelines(f"{line}\n" for line in _lines(frame, verdict, to))
    if arguments.json:
        print_json(found)
    return 0


def _names(settings: Settings, wanted: str | None, image: Path | None) -> list[str]:
    """Return the names of the cameras to look through."""
    names = list(settings.all_cameras)
    if wanted is not None and wanted not in settings.cameras:
        known = f"one of {', '.join(settings.cameras)}" if settings.cameras else "none: it has one"
        raise ConfigError(
            f"--camera {wanted}: no such camera in the station file; expected {known}"
        )
    if wanted is not None:
        return [wanted]
    if image is not None and len(names) > 1:
        raise ConfigError(
            f"--image {image}: the station has cameras {', '.join(names)}; "
            f"say with --camera whose views are meant"
        )
    return names


def _looking(settings: Settings, name: str, classify: Failover) -> Looking:
    views = settings.views_of(name)
    if not views:
        return Looking((View("frame"),), None, classify)
    return Looking(views, settings.frame_px, classify)


def _frame(settings: Settings, name: str, base: Path, image: Path | None) -> Frame:
    """Return one frame: of an image file, or of a camera that is opened for it."""
    if image is not None:
        return Frame(read_image(image), 0, time.monotonic(), str(image))
    with one_frame.opened(settings, name, base) as camera:
        return one_frame.taken(camera, settings.timeout_ms / 1000)


def _picture(to: Path | None, name: str, frame: Frame, verdict: Verdict) -> Path | None:
    """Write the picture; several cameras give ``where-NAME.png`` each."""
    if to is None:
        return None
    path = to.with_stem(f"{to.stem}-{name}") if name else to
    drawn = overlay.draw(frame.image, verdict.looks)
    try:
        _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise ConfigError(f"--to {path}: no kind of picture; expected .png or .jpg") from error
    try:
        path.write_bytes(np.asarray(encoded).tobytes())
    except OSError as error:
        raise DeviceError(
            f"--to {path}: {error.strerror or error}; choose another place"
        ) from error
    return path


def _table(frame: Frame, verdict: Verdict, to: Path | None) -> dict[str, object]:
    height, width = frame.image.shape[:2]
    return {
        "camera": frame.camera,
        "frame_px": [width, height],
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "looks": [look.table() for look in verdict.looks],
        "picture": None if to is None else str(to),
    }


def _lines(frame: Frame, verdict: Verdict, to: Path | None) -> Iterator[str]:
    height, width = frame.image.shape[:2]
    yield f"{frame.camera}: frame_px = [{width}, {height}]"
    yield f"{verdict.outcome.upper()}  {verdict.reason}"
    rows = [COLUMNS, *map(_row, verdict.looks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(wide) if number < 3 else cell.rjust(wide)
            for number, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    if to is not None:
        yield f"picture: {to}"


def _row(look: Look) -> tuple[str, ...]:
    """Return a place as a line of the table; a turned one as the rectangle around it."""
    across, down = zip(*look.outline, strict=True)
    left, top = math.floor(min(across) + 1e-6), math.floor(min(down) + 1e-6)
    right, bottom = math.ceil(max(across) - 1e-6), math.ceil(max(down) - 1e-6)
    where = (left, top, right - left, bottom - top)
    score = f"{look.score:.3f}"
    return look.name, look.outcome.upper(), look.label, score, *map(str, where)
