"""Look at cameras while setting them up: rate, age, size, losses, faults. Nothing is judged.

    edgecls watch rtsp://10.0.0.7/line
    edgecls watch gstreamer:source=libcamera,width_px=1280,height_px=720 --preview
    edgecls watch STATION.toml --camera left --picture left.png

Every camera of a station file is shown, and its bundle is not needed. Ctrl-C ends it (130), as do
--frames, --seconds and the end of a folder or a video (0).
"""

import argparse
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import cv2

from edgecls.errors import CameraError, ConfigError
from edgecls.progress import tell
from edgecls_runtime import cameras, config, signals
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.commands import add_json, count
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.health.limits import by_name
from edgecls_runtime.health.measures import measured
from edgecls_runtime.resizing import half_blocks
from edgecls_runtime.sight import Image, Seen, Sight

# Seconds between two looks: on a terminal, and where lines stay.
MOVING_S, LINES_S = 0.25, 1.0
STEP_S = 0.05
PICTURES = (".png", ".jpg", ".jpeg")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "target", metavar="CAMERA|STATION.toml", help="as run --camera takes it, or a station file"
    )
    parser.add_argument("--camera", metavar="NAME", help="of several: the one that is pictured")
    parser.add_argument("--preview", action="store_true", help="show its picture, as characters")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="at the end keep its newest")
    parser.add_argument("--frames", metavar="N", type=count, help="stop after N frames of each")
    parser.add_argument("--seconds", metavar="S", type=float, help="stop after S seconds")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look until it is stopped."""
    tables, base, capture = _tables(arguments.target)
    shown = _shown(arguments, list(tables))
    _check(arguments)
    with signals.collected() as received, ExitStack() as stack:
        sights = {
            name: stack.enter_context(
                closing(Sight(name, cameras.open_table(table, base, capture), _health))
            )
            for name, table in tables.items()
        }
        show = _json if arguments.json else _screen(shown, arguments.preview)
        last = _followed(list(sights.values()), show, arguments, received)
        if arguments.picture is not None:
            _keep(next(seen for seen in last if seen.name == shown), arguments.picture)
    short = [seen for seen in last if seen.frames < (arguments.frames or 0)]
    if short and not received and not any(sight.ended for sight in sights.values()):
        where = short[0].source or short[0].name or without_credentials(arguments.target)
        raise CameraError(
            f"{where}: {short[0].frames} frames within {arguments.seconds:g} s; "
            f"expected {arguments.frames}; {short[0].fault or 'give it more --seconds'}"
        )
    return 130 if signal.SIGINT in received else 0


def _tables(target: str) -> tuple[dict[str, dict[str, object]], Path, CaptureSettings]:
    """Return the table of each camera by its name, and what belongs to all of them."""
    path = Path(target)
    if path.suffix == ".toml":
        settings = config.read(path)
        return settings.all_cameras, path.parent, settings.capture
    return {"": cameras.table(target)}, Path(), CaptureSettings()


def _shown(arguments: argparse.Namespace, names: list[str]) -> str:
    """Return the name of the camera that is pictured."""
    if arguments.camera is None:
        return names[0]
    if arguments.camera not in names:
        known = ", ".join(filter(None, names)) or "one without a name"
        raise ConfigError(f"--camera {arguments.camera}: no such camera; expected {known}")
    return str(arguments.camera)


def _health(image: Image) -> dict[str, float]:
    return by_name(measured(image))


def _check(arguments: argparse.Namespace) -> None:
    picture, seconds = arguments.picture, arguments.seconds
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise ConfigError(f"--picture {picture}: expected a name that ends in .png or .jpg")
    if seconds is not None and not 0 < seconds < math.inf:  # NaN compares false
        raise ConfigError(f"--seconds {seconds:g}: expected more than 0")


def _followed(
    sights: list[Sight],
    show: Callable[[list[Seen]], object],
    arguments: argparse.Namespace,
    received: list[int],
) -> list[Seen]:
    """Show what is seen until the end, and at the end; return what was seen last."""
    began = time.monotonic()
    every = MOVING_S if sys.stdout.isatty() and not arguments.json else LINES_S
    end = math.inf if arguments.seconds is None else began + arguments.seconds
    most = arguments.frames or math.inf
    due = began + every
    while not received and (now := time.monotonic()) < end:
        if all(sight.ended or sight.frames >= most for sight in sights):
            break
        if now >= due:
            show([sight.now() for sight in sights])
            due = max(due + every, now)
        time.sleep(min(STEP_S, max(end - now, 0)))
    last = [sight.now() for sight in sights]
    show(last)
    return last


def _keep(seen: Seen, file: Path) -> None:
    if seen.image is None:
        raise CameraError(f"--picture {file}: no frame to keep; {seen.fault or 'none came'}")
    _, encoded = cv2.imencode(file.suffix, cv2.cvtColor(seen.image, cv2.COLOR_RGB2BGR))
    file.write_bytes(encoded.tobytes())
    tell(f"wrote {file}")


def _json(all_seen: list[Seen]) -> None:
    for seen in all_seen:
        height, width = seen.size or (None, None)
        table = {
            "camera": seen.name,
            "source": seen.source,
            "rate_hz": round(seen.rate_hz, 2),
            "age_ms": None if seen.age_ms is None else round(seen.age_ms, 1),
            "width_px": width,
            "height_px": height,
            "frames": seen.frames,
            "dropped": seen.dropped,
            "missed": seen.missed,
            "reopened": seen.reopened,
            "fault": seen.fault,
            "health": seen.health,
        }
        sys.stdout.write(json.dumps(table) + "\n")
    sys.stdout.flush()


def _screen(shown: str, preview: bool) -> Callable[[list[Seen]], None]:
    """Return what writes for people: in place on a terminal, line under line elsewhere."""
    in_place = sys.stdout.isatty()
    written = 0

    def show(all_seen: list[Seen]) -> None:
        nonlocal written
        room = shutil.get_terminal_size()
        lines = [line for seen in all_seen for line in _lines(seen)]
        if in_place:
            # What is longer would be broken, and the next look would begin a line too low.
            lines = [line[: room.columns - 1] for line in lines][: room.lines - 1]
        image = next(seen.image for seen in all_seen if seen.name == shown)
        rows = room.lines - 1 - len(lines)
        if preview and image is not None and rows > 0:
            all_colours = os.environ.get("COLORTERM") in ("truecolor", "24bit")
            lines += half_blocks.lines(image, room.columns - 1, rows, all_colours=all_colours)
        if in_place and written:
            sys.stdout.write(f"\033[{written}F\033[J")  # to the first line, and clear what follows
        written = len(lines)
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    return show


def _lines(seen: Seen) -> list[str]:
    """Return a camera's line, and those of its fault and its figures where there are any."""
    name = " ".join(filter(None, (seen.name and f"{seen.name}:", seen.source or "no frame yet")))
    said = [name]
    if seen.size is not None:
        said.append(f"{seen.size[1]} x {seen.size[0]} px")
    if seen.age_ms is not None:
        said += [f"{seen.rate_hz:.1f} Hz", f"{seen.age_ms:.0f} ms old"]
    counts = {"dropped": seen.dropped, "missed": seen.missed, "reopened": seen.reopened}
    said += [f"{seen.frames} frames", *(f"{n} {what}" for what, n in counts.items() if n)]
    lines = ["  ".join(said)]
    if seen.fault:
        lines.append(f"  FAULT {seen.fault}")
    return lines + [f"  {what:12} {value:.4g}" for what, value in seen.health.items()]
