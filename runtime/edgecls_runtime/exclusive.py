"""What only one camera of a process can have, found before anything is opened.

A file of ``cameras/`` says ``EXCLUSIVE = "device"``: the key of its table that names such a thing.
A camera on the network serves several; its file says nothing.
"""

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgecls import plugins
from edgecls.errors import ConfigError

CAMERAS = "edgecls_runtime.cameras"

Table = Mapping[str, object]


def check(tables: Iterable[tuple[str, Table, Path]]) -> None:
    """Refuse two cameras on one device, file or folder.

    Args:
        tables: Each with what it is called in messages, and what relative paths are relative to.

    Raises:
        ConfigError: Two name the same; or a table names no kind.

    """
    owners: dict[str, str] = {}
    for where, table, base in tables:
        device = _device(table, base)
        if device is None:
            continue
        if device in owners:
            raise ConfigError(
                f"{where}: {device} is {owners[device]} already; "
                f"expected one of its own for each camera"
            )
        owners[device] = where


def _device(table: Table, base: Path) -> str | None:
    """Return what only one camera can have, by one name however it is written; None for nothing."""
    kind = plugins.kind(CAMERAS, table, "camera")
    module = plugins.module(CAMERAS, kind)
    key = getattr(module, "EXCLUSIVE", None)
    if key is None:
        return None
    parameter = inspect.signature(module.open).parameters.get(key)
    value = table.get(key, None if parameter is None else parameter.default)
    if value in (None, "", inspect.Parameter.empty):
        return None
    text = str(value)
    if kind == "usb" and text.isdecimal():
        text = f"/dev/video{text}"
    # A stable name in /dev/v4l/by-id is a link to the device; a serial number is no path.
    path = base / text
    known = path.resolve() if path.exists() or text.startswith("/") else os.path.normpath(text)
    return f"{kind} {key} {known}"
