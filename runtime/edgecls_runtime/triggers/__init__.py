"""One file per kind of trigger; its name is the kind's in a station file.

``open(...)`` of each returns a ``Trigger``; its keyword arguments are the keys of the table.
"""

from collections.abc import Mapping
from pathlib import Path

from edgecls import plugins
from edgecls_runtime.protocols import Trigger


def open_table(settings: Mapping[str, object], base: Path = Path()) -> Trigger:
    """Open the trigger of a station file.

    Raises:
        ConfigError: The table is wrong.
        TriggerError: What announces parts cannot be reached.

    """
    trigger: Trigger = plugins.open_table(__name__, settings, "trigger", base)
    return trigger
