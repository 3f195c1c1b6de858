"""Write verdicts of a journal to a file for other programs: CSV, JSON, JSON lines, Parquet."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from edgecls.errors import ConfigError, MissingExtra
from edgecls_runtime.journal.chain import VERDICT_COLUMNS, Value
from edgecls_runtime.journal.reading import Query, Reader
from edgecls_runtime.journal.rows import verdict_id

COLUMNS = (*VERDICT_COLUMNS, "bundle", "chain")
# Rows of Parquet that are compressed together, and held in memory for it.
GROUP = 10_000

Row = dict[str, Value]


def export(reader: Reader, query: Query, target: Path) -> int:
    """Write the verdicts of a query; the ending of the file's name says how.

    The file is there once it is whole.

    Returns:
        How many verdicts.

    Raises:
        ConfigError: The ending is none of ``WRITERS``, or the file exists.
        MissingExtra: Parquet needs a package.

    """
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise ConfigError(f"{target}: expected a name that ends in {', '.join(WRITERS)}")
    if target.exists():
        raise ConfigError(f"{target}: exists; expected the name of a new file")
    partial = target.with_name(f".{target.name}.part")
    try:
        count = write(_counted(reader, query), partial)
        os.replace(partial, target)  # noqa: PTH105 - in one step, also over what came meanwhile
    finally:
        with suppress(OSError):
            partial.unlink()
    return count


def _counted(reader: Reader, query: Query) -> Iterator[Row]:
    for row in reader.rows(query):
        yield {**{name: row[name] for name in COLUMNS}, "id": verdict_id(reader.id, row["id"])}


def _csv(rows: Iterator[Row], target: Path) -> int:
    count = 0
    with target.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for row in rows:
            # A spreadsheet would run a part's id that begins like a formula.
            table.writerow({name: _tame(value) for name, value in row.items()})
            count += 1
    return count


def _tame(value: Value) -> Value:
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value


def _json(rows: Iterator[Row], target: Path) -> int:
    with target.open("w", encoding="utf-8") as file:
        file.write("[")
        count = _lines(rows, file, ",\n")
        file.write("]\n")
    return count


def _jsonl(rows: Iterator[Row], target: Path) -> int:
    with target.open("w", encoding="utf-8") as file:
        count = _lines(rows, file, "\n")
        file.write("\n" if count else "")
    return count


def _lines(rows: Iterator[Row], file: IO[str], between: str) -> int:
    count = 0
    for count, row in enumerate(rows, 1):
        nested = {name: json.loads(str(row[name] or "null")) for name in ("scores", "looks")}
        file.write(between if count > 1 else "")
        file.write(json.dumps({**row, **nested}, ensure_ascii=False))
    return count


def _parquet(rows: Iterator[Row], target: Path) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    numbers = {"session": pa.int64(), "frame_number": pa.int64()}
    numbers |= dict.fromkeys(("score", "latency_ms", "waited_ms"), pa.float64())
    layout = pa.schema([(name, numbers.get(name, pa.string())) for name in COLUMNS])
    count = 0
    with pq.ParquetWriter(target, layout, compression="zstd") as file:
        while group := list(islice(rows, GROUP)):
            file.write_table(pa.Table.from_pylist(group, schema=layout))
            count += len(group)
    return count


WRITERS: dict[str, Callable[[Iterator[Row], Path], int]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
