"""The outputs of a station file, opened, each behind a thread of its own."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from edgecls import schema
from edgecls.errors import ConfigError
from edgecls.progress import tell
from edgecls_runtime import outputs
from edgecls_runtime.journal import Journal, open_reader
from edgecls_runtime.protocols import Expecting
from edgecls_runtime.telling.outbox import Keeping, Momentary, Outbox
from edgecls_runtime.telling.settings import Audience, parted


def telling(
    tables: Sequence[Mapping[str, object]],
    base: Path,
    journal: Journal | None,
    stack: ExitStack,
    *,
    waits: bool,
) -> list[Outbox]:
    """Open outputs and begin to tell them.

    Args:
        tables: ``[[outputs]]`` of a station file.
        base: What relative paths in them are relative to.
        journal: Of the station.
        stack: Closes them.
        waits: Whether the station waits for an output that is slow, as behind a folder of images.

    Raises:
        ConfigError: A table is wrong, two outputs have one name, or one needs a journal.
        EdgeclsError: An output cannot be opened.

    """
    audiences = check(tables, keeps=journal is not None)
    opened: list[Outbox] = []
    for number, (table, audience) in enumerate(zip(tables, audiences, strict=True)):
        _, own = parted(table)
        where = f"outputs[{number}]"
        traits = outputs.traits(own, where)
        reader = (
            stack.enter_context(open_reader(journal.path)) if journal and traits.keeps else None
        )
        output = outputs.open_table(own, where, base)
        if audience.only and isinstance(output, Expecting):
            output.close()
            raise ConfigError(
                f"{where}.only: {audience.name} must know of every part that comes to it; leave out"
                f" only, and say in its own keys what it does with which"
            )
        outbox: Outbox
        if journal is not None and reader is not None:
            outbox = Keeping(output, audience, journal, tell, verdicts=reader.verdicts)
        else:
            patience = None if waits else 0.0
            outbox = Momentary(output, audience, journal, tell, traits=traits, patience=patience)
        opened.append(stack.enter_context(closing(outbox)))
    if journal is not None:
        journal.forget_cursors([audience.name for audience in audiences])
    return opened


def check(tables: Sequence[Mapping[str, object]], *, keeps: bool) -> list[Audience]:
    """Return who is told what, before any output is opened.

    Args:
        tables: ``[[outputs]]`` of a station file.
        keeps: Whether the station has a journal.

    Raises:
        ConfigError: A table is wrong, two outputs have one name, or one needs a journal.

    """
    audiences = [_audience(table, f"outputs[{number}]") for number, table in enumerate(tables)]
    _check_names(audiences)
    for number, (table, audience) in enumerate(zip(tables, audiences, strict=True)):
        where = f"outputs[{number}]"
        if not keeps and outputs.traits(table, where).keeps:
            raise ConfigError(
                f"{where}: {audience.name} is told later what was decided while it was down, "
                f"which needs a [journal] with its path"
            )
    return audiences


def _audience(table: Mapping[str, object], where: str) -> Audience:
    common, _ = parted(table)
    audience = schema.call(Audience, common, where)
    return audience if audience.name else replace(audience, name=str(table.get("kind")))


def _check_names(audiences: Sequence[Audience]) -> None:
    names = [audience.name for audience in audiences]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"outputs: {names.count(name)} are called {name!r}; "
                f"expected a different name = '...' in each table"
            )
