"""Find hardware by name: a file in this repository, or an entry point in someone else's.

Adding a camera is adding ``cameras/<kind>.py`` with a function ``open``. There is no table to
keep in step. Third parties declare ``[project.entry-points."edgecls.cameras"]``.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgecls import schema
from edgecls.errors import ConfigError, EdgeclsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def kinds(package: str) -> tuple[str, ...]:
    """Return every kind's name, sorted, without importing any of them."""
    return tuple(sorted(_builtin(package) | _plugged(package).keys()))


def find(package: str, kind: str) -> Callable[..., Any]:
    """Return the ``open`` function of one kind of hardware.

    Args:
        package: Where the built-in kinds live, such as ``edgecls_runtime.cameras``.
        kind: The name used in the station file, such as ``usb``.

    Raises:
        ConfigError: No file and no entry point has that name.

    """
    if kind in _builtin(package):
        return importlib.import_module(f"{package}.{kind}").open  # type: ignore[no-any-return]
    if kind in (plugged := _plugged(package)):
        return plugged[kind].load()  # type: ignore[no-any-return]
    raise ConfigError(
        f"{_group(package)}: no kind {kind!r}; known kinds are {', '.join(kinds(package))}"
    )


def module(package: str, kind: str) -> ModuleType:
    """Return the file of one kind of hardware, ours or somebody else's, as ``find``."""
    return sys.modules[find(package, kind).__module__]


def kind(package: str, table: Mapping[str, object], where: str) -> str:
    """Return the kind that a table of the station file names.

    Raises:
        ConfigError: It names none.

    """
    if not isinstance(found := table.get("kind"), str):
        known = ", ".join(kinds(package))
        raise ConfigError(f"{where}.kind: required and not given; known kinds are {known}")
    return found


def open_table(
    package: str,
    table: Mapping[str, object],
    where: str,
    base: Path = Path(),
) -> Any:  # noqa: ANN401 - what a kind opens is its own
    """Open the hardware that a table of the station file describes.

    Args:
        package: Where the built-in kinds live.
        table: ``kind`` and the keyword arguments of that kind's ``open``.
        where: Path of the table in its file, for messages.
        base: What a relative path in the table is relative to.

    Raises:
        ConfigError: ``kind`` is missing or unknown, or a key is wrong.
        DeviceError: The hardware cannot be opened.

    """
    wanted = kind(package, table, where)
    rest = {key: value for key, value in table.items() if key != "kind"}
    try:
        return schema.call(find(package, wanted), rest, where, base=base)
    except EdgeclsError:
        raise
    except (ValueError, OverflowError, TypeError) as error:  # a number that no driver takes
        raise ConfigError(f"{where}: {error}; is each value in its range?") from error


def _group(package: str) -> str:
    return f"edgecls.{package.rpartition('.')[2]}"


def _builtin(package: str) -> set[str]:
    return {
        module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    }


def _plugged(package: str) -> dict[str, "EntryPoint"]:
    # Reading the metadata of every installed package takes longer than opening our own hardware.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {entry.name: entry for entry in entry_points(group=_group(package))}
