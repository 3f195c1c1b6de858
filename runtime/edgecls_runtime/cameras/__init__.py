"""One file per kind of camera; its name is the kind's in a station file.

``open(...)`` of each returns a ``Camera``; its keyword arguments are the keys of the table. A file
whose driver may hang in a call says ``MAY_HANG = True``: its camera gets a process of its own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from edgecls import plugins, schema
from edgecls.errors import ConfigError
from edgecls_runtime.capture.isolated import Isolation
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.protocols import Camera

PAIR = re.compile(r'\s*(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|(\[[^]]*\]|[^,"]*?))\s*(?:,|$)')


def table(uri: str) -> dict[str, object]:
    """Return the table of a station file that a ``--camera`` argument stands for.

    Args:
        uri: A folder of images, a video file, a V4L2 index or device, an ``rtsp://`` or
            ``http(s)://`` address, or ``KIND:key=value,key=value`` with any kind and its keys; a
            value with a comma stands in double quotes.

    Raises:
        ConfigError: It is none of these.

    """
    kind, colon, keys = uri.partition(":")
    if colon and not keys.startswith("//") and kind in plugins.kinds(__name__):
        opens = plugins.find(__name__, kind)
        return {"kind": kind, **schema.typed(opens, _pairs(keys, f"--camera {kind}"))}
    scheme = uri.partition("://")[0].lower() if "://" in uri else ""
    if scheme in ("rtsp", "rtsps"):
        return {"kind": "rtsp", "url": uri}
    if scheme in ("http", "https"):
        return {"kind": "http", "url": uri}
    path = Path(uri)
    if not uri.isdecimal() and (path.is_dir() or path.is_file()):
        return {"kind": "folder" if path.is_dir() else "video", "path": uri}
    if uri.isdecimal() or uri.startswith("/dev/"):
        return {"kind": "usb", "device": uri}
    raise ConfigError(
        f"--camera {without_credentials(uri)}: no such file or folder; expected a folder, "
        f"a video file, a V4L2 index or /dev/..., rtsp://..., http://... or KIND:key=value,..."
    )


def _pairs(text: str, where: str) -> dict[str, str]:
    """Return the keys of ``key=value,key="a, b"`` with their values, which may hold anything."""
    found, at = {}, 0
    while at < len(text):
        pair = PAIR.match(text, at)
        if pair is None:
            rest = without_credentials(text[at:])
            raise ConfigError(
                f"{where}: {rest!r} is no key=value; expected them with commas between, and a "
                f"value with a comma in double quotes"
            )
        key, quoted, plain = pair.groups()
        found[key] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = pair.end()
    return found


def open_table(
    settings: Mapping[str, object],
    base: Path = Path(),
    capture: CaptureSettings | None = None,
) -> Camera:
    """Open the camera of a station file; a live one is read all the time, and opened again.

    Raises:
        ConfigError: The table is wrong.
        CameraError: The camera cannot be opened.

    """
    capture = capture or CaptureSettings()
    isolated = may_hang(settings) if capture.isolated is None else capture.isolated

    def opened() -> Camera:
        camera: Camera = plugins.open_table(__name__, settings, "camera", base)
        return camera

    isolation = Isolation(settings, base)
    again: Callable[[], Camera] = isolation.open if isolated else opened
    try:
        camera = again()
    except BaseException:
        isolation.close()
        raise
    if not camera.live:
        return camera
    return LiveCamera(camera, again, capture.keep, capture.queue, isolation.close)


def may_hang(settings: Mapping[str, object]) -> bool:
    """Return whether calls into the driver of a table's kind may hang: its file says so.

    Its file, or a third party's, has a constant ``MAY_HANG = True``.

    Raises:
        ConfigError: No such kind.

    """
    kind = plugins.kind(__name__, settings, "camera")
    return bool(getattr(plugins.module(__name__, kind), "MAY_HANG", False))


@contextmanager
def open_camera(kind: str, **settings: object) -> Iterator[Camera]:
    """Open a camera by its kind, for a ``with`` statement, and close it afterwards.

    Raises:
        ConfigError: No such kind or setting.
        CameraError: The camera cannot be opened.

    """
    with closing(open_table({"kind": kind, **settings})) as camera:
        yield camera
