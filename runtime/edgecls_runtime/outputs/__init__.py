"""One file per kind of output; its name is the kind's in a station file.

``open(...)`` of each returns an ``Output``; its keyword arguments are the keys of the table. A file
may say ``KEEPS``, ``ENDS``, ``FRAMES`` and ``PATIENT``: what ``telling.outbox.Traits`` explains.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from edgecls import plugins
from edgecls_runtime.protocols import Output
from edgecls_runtime.telling.outbox import Traits


def open_table(table: Mapping[str, object], where: str, base: Path = Path()) -> Output:
    """Open the output of a station file.

    Raises:
        ConfigError: The table is wrong.
        OutputError: The other side cannot be reached.

    """
    output: Output = plugins.open_table(__name__, table, where, base)
    return output


def traits(table: Mapping[str, object], where: str) -> Traits:
    """Return what the file of an output's kind says about it.

    Raises:
        ConfigError: ``kind`` is missing or unknown.

    """
    module = plugins.module(__name__, plugins.kind(__name__, table, where))
    words = [field.name for field in fields(Traits)]
    return Traits(**{word: bool(getattr(module, word.upper(), False)) for word in words})
