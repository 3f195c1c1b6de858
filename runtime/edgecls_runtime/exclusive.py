"""What only one part of a process can have, found before anything is opened.

A file of ``cameras/`` says ``EXCLUSIVE = "device"``: the key of its table that names such a thing.
A camera on the network serves several; its file says nothing. A file of ``triggers/`` or
``outputs/`` says ``PINS = ("pass_pin", "fail_pin")``: the keys that name pins.
"""

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgecls import plugins
from edgecls.errors import ConfigError

CAMERAS = "edgecls_runtime.cameras"
TRIGGERS = "edgecls_runtime.triggers"
OUTPUTS = "edgecls_runtime.outputs"

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


def check_pins(stations: Iterable[tuple[str, Table | None, Iterable[Table]]]) -> None:
    """Refuse two that want one pin: outputs, triggers, of one station or of several.

    Args:
        stations: Each with its name, its trigger's table and those of its outputs.

    Raises:
        ConfigError: Two name the same; or a table names no kind.

    """
    owners: dict[str, str] = {}
    for name, trigger, outputs in stations:
        tables = [(OUTPUTS, f"output {_called(table)}", table) for table in outputs]
        if trigger is not None:
            tables.insert(0, (TRIGGERS, "trigger", trigger))
        for room, where, table in tables:
            module = plugins.module(room, plugins.kind(room, table, where))
            for key in getattr(module, "PINS", ()):
                if isinstance(pin := table.get(key), int | str):
                    _own(_pin(pin, table.get("chip")), f"{name} {where}.{key}".strip(), owners)


def _own(thing: str, where: str, owners: dict[str, str]) -> None:
    if thing in owners:
        raise ConfigError(f"{where}: {thing} is {owners[thing]} already; expected a pin of its own")
    owners[thing] = where


def _called(table: Table) -> object:
    return table.get("name") or table.get("kind")


def _pin(pin: int | str, chip: object) -> str:
    """Return a pin by one name however it is written: without a chip, 17 is ``GPIO17``."""
    if chip is None:
        return f"GPIO{pin}" if isinstance(pin, int) else pin
    return f"line {pin} of {str(chip).removeprefix('/dev/')}"


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
