"""The station file itself: every table and key, before anything is opened."""

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from edgecls.errors import ConfigError, EdgeclsError
from edgecls_runtime import exclusive, telling_outputs
from edgecls_runtime.config import Settings
from edgecls_runtime.doctor.finding import Finding, fault, ok
from edgecls_runtime.service import checking

ROOM = "file"


def examined(settings: Settings, path: Path) -> Generator[Finding, None, frozenset[str]]:
    """Yield what is wrong with a file, or that nothing is.

    Args:
        settings: The file, read.
        path: Its path.

    Returns:
        The tables that cannot be opened, as messages call them: ``outputs[1]``.

    """
    wrong = set()
    for table in checking.tables(settings):
        try:
            checking.known(table, path.parent)
        except EdgeclsError as error:
            wrong.add(table.where)
            yield fault(ROOM, str(error), is_file=True)
    clashes = () if wrong else _clashes(settings, path.parent)
    found = [text for check in clashes if (text := _refused(check))]
    for text in found:
        yield fault(ROOM, text, is_file=True)
    if not wrong and not found:
        yield ok(ROOM, f"{path}: {_rooms(settings)}; every key is known", path=str(path))
    return frozenset(wrong)


def _clashes(settings: Settings, base: Path) -> tuple[Callable[[], object], ...]:
    """Return what raises where two tables stand in each other's way."""
    cameras = [
        (f"camera {name}".strip(), table, base) for name, table in settings.all_cameras.items()
    ]
    pins = [(settings.name, settings.trigger, settings.outputs)]
    keeps = settings.journal is not None
    return (
        partial(exclusive.check, cameras),
        partial(exclusive.check_pins, pins),
        partial(telling_outputs.check, settings.outputs, keeps=keeps),
    )


def _refused(check: Callable[[], object]) -> str:
    try:
        check()
    except ConfigError as error:
        return str(error)
    return ""


def _rooms(settings: Settings) -> str:
    cameras, outputs = len(settings.all_cameras), len(settings.outputs)
    recipes = len(settings.recipes)
    words = [
        f"{cameras} {'camera' if cameras == 1 else 'cameras'}",
        f"{outputs} {'output' if outputs == 1 else 'outputs'}",
    ]
    if recipes:
        words.append(f"{recipes} {'recipe' if recipes == 1 else 'recipes'}")
    return ", ".join(words)
