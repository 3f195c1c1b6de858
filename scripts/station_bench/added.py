"""What a journal and outputs add to a verdict: the same station with and without, in turns."""

import os
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecls_runtime import config, lines
from edgecls_runtime.config import Settings
from edgecls_runtime.wiring import open_stations
from station_bench.line import Line, Row

RATE_HZ = 20.0
WARM = 5
BLOCK = b"x" * 4096
TARGET_MS = 2.0

Times = list[float]


def measured(
    line: Line, rounds: int, seconds: float, outputs: tuple[dict[str, object], ...]
) -> list[Row]:
    """Judge parts with and without a journal and outputs, so many rounds of so many seconds.

    Args:
        line: The station's.
        rounds: Of each.
        seconds: Of each in a round.
        outputs: That it tells, besides the terminal and a file.

    """
    loaded = line.plan(outputs=outputs)
    plan = loaded.plan
    plan.told.parent.mkdir()
    camera = replace(plan.cameras[""], rate_hz=RATE_HZ)
    plan = replace(plan, port=None, cameras={"": camera})
    full = plan.applied(config.read(plan.station))
    bare = replace(full, journal=None, outputs=())
    parts = int(seconds * RATE_HZ)
    without: Times = []
    with_all: Times = []
    after: Times = []
    disk: Times = []
    for _ in range(rounds):
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            without += [total for total, _ in _judged(bare, parts)]
            both = _judged(full, parts)
        with_all += [total for total, _ in both]
        after += [own for _, own in both]
        disk += _synced(plan.scratch / "probe", parts)
    gained = _at(with_all, 99) - _at(without, 99)
    return [
        Row("frame to verdict, nothing kept or told", _said(without)),
        Row(f"the same with journal and {_names(full)}", _said(with_all)),
        Row("the difference at p99", f"{gained:.2f} ms", f"{TARGET_MS:g} ms",
            reached=gained <= TARGET_MS),
        Row("decision to recorded and handed to all outputs", _said(after)),
        Row("a write of 4 KB and fdatasync on this disk, by itself", _said(disk)),
    ]  # fmt: skip


def _names(settings: Settings) -> str:
    return ", ".join(str(table["kind"]) for table in settings.outputs)


def _judged(settings: Settings, parts: int) -> list[tuple[float, float]]:
    """Judge parts; return from the frame and from the decision until all was handed over, ms."""
    found: list[tuple[float, float]] = []
    with open_stations([(settings, Path())]) as opened:
        for verdict in lines.run(opened.stations, lambda: False, parts + WARM):
            now = time.monotonic()
            if verdict.captured_at is not None:
                found.append((now - verdict.captured_at, now - verdict.decided_at))
    return [(1000 * total, 1000 * own) for total, own in found[WARM:]]


def _synced(file: Path, count: int) -> Times:
    """Time what the disk itself takes, at the pace of the parts."""
    found = []
    with file.open("wb", buffering=0) as opened:
        for _ in range(count):
            began = time.monotonic()
            opened.write(BLOCK)
            os.fdatasync(opened.fileno())
            found.append(1000 * (time.monotonic() - began))
            time.sleep(1 / RATE_HZ / 4)
    return found


def _at(times: Times, percent: int) -> float:
    return float(np.percentile(times, percent))


def _said(times: Times) -> str:
    return f"p50 {_at(times, 50):.2f}, p99 {_at(times, 99):.2f} ms ({len(times)})"
