"""The durable record of verdicts: SQLite in WAL mode, one transaction a part, entries chained.

A verdict that ``Journal.record`` has returned from survives a power cut, and a part that
``Journal.announce`` has returned from survives the end of the process. The file can be read by any
SQLite tool while the station runs; ``docs/journal.md`` describes the tables.
"""

from edgecls_runtime.journal.reading import Reader, open_reader
from edgecls_runtime.journal.schema import SCHEMA_VERSION, SessionLine
from edgecls_runtime.journal.writing import Journal

__all__ = ["SCHEMA_VERSION", "Journal", "Reader", "SessionLine", "open_reader"]
