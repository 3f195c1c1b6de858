"""A station file, checked as far as that goes without opening any hardware."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecls import plugins, schema
from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls_runtime import config
from edgecls_runtime.config import Settings
from edgecls_runtime.telling.settings import Audience, parted

# What ``edgecls tune`` chose: no file of providers/.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a station file that names hardware, as it stands there.

    Attributes:
        room: Such as ``cameras``.
        keys: With ``kind``.
        where: What it is called in messages.

    """

    room: str
    keys: Mapping[str, object]
    where: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """A table of a station file that names hardware.

    Attributes:
        room: Such as ``cameras``.
        module: The file of its kind.
        table: Its keys, without ``kind`` and those of every output.
        where: What it is called in messages.

    """

    room: str
    module: ModuleType
    table: Mapping[str, object]
    where: str

    def paths(self, base: Path) -> Iterator[Path]:
        """Yield what it writes to: the keys that its file names in ``WRITES``."""
        for key in getattr(self.module, "WRITES", ()):
            if isinstance(value := self.table.get(key), str):
                yield base / value


@dataclass(frozen=True, slots=True)
class Checked:
    """A station file that can be opened, as far as can be told.

    Attributes:
        path: Absolute.
        settings: What it says.
        hardware: Every table that names some.

    """

    path: Path
    settings: Settings
    hardware: tuple[Hardware, ...]


def checked(path: Path) -> Checked:
    """Read a station file, and check its tables of hardware and its bundle.

    Raises:
        ConfigError: A key is unknown, missing or wrong, or the camera comes to an end.
        BundleError: The bundle is missing or was altered.

    """
    path = path.absolute()
    settings = config.read(path)
    hardware = tuple(known(table, path.parent) for table in tables(settings))
    for one in hardware:
        _check_end(one)
    settings.rule.check(Bundle.open(settings.bundle).labels)
    return Checked(path, settings, hardware)


def tables(settings: Settings) -> Iterator[Table]:
    """Yield every table of a station file that names hardware."""
    for name, table in settings.all_cameras.items():
        yield Table("cameras", table, f"cameras.{name}" if name else "camera")
    if settings.trigger is not None:
        yield Table("triggers", settings.trigger, "trigger")
    for number, table in enumerate(settings.providers):
        if table.get("kind") != AUTO:
            yield Table("providers", table, f"providers[{number}]")
    for number, table in enumerate(settings.outputs):
        yield Table("outputs", table, f"outputs[{number}]")


def known(table: Table, base: Path) -> Hardware:
    """Return the hardware that a table names; each key is known, and of the right type.

    Args:
        table: Of a station file.
        base: What relative paths in it are relative to.

    Raises:
        ConfigError: It names no kind or an unknown one, or a key is unknown, missing or wrong.

    """
    keys, where = table.keys, table.where
    if table.room == "outputs":
        common, keys = parted(keys)
        schema.call(Audience, common, where)
    package = f"edgecls_runtime.{table.room}"
    module = plugins.module(package, plugins.kind(package, keys, where))
    own = {key: value for key, value in keys.items() if key != "kind"}
    schema.call(_only_checked(module.open), own, where, base=base)
    return Hardware(table.room, module, own, where)


def _only_checked(opens: Callable[..., Any]) -> Callable[..., None]:
    """Return what has the signature of an ``open``, and opens nothing."""

    @functools.wraps(opens)
    def check(**_: object) -> None:
        return

    return check


def _check_end(one: Hardware) -> None:
    """Refuse what is judged to its end: as a service it would be judged again and again."""
    unless = getattr(one.module, "ENDS_UNLESS", None)
    if unless is None or one.table.get(unless):
        return
    remedy = f"expected {unless} = true" if unless else "run it with edgecls run"
    raise ConfigError(
        f"{one.where}: comes to an end, and a service begins again for ever; {remedy}"
    )
