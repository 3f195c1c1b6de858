"""A hundred verdicts a second for minutes: memory, threads, files and queues stay as they are."""

import json
import time
import urllib.request

from edgecls.progress import tell
from edgecls_runtime.drill.account import account
from edgecls_runtime.drill.feeding import HOST, Feeder
from edgecls_runtime.drill.running import started
from station_bench.line import Held, Line, Row, held, require_first, slope

FEEDERS = 4
EVERY_S = 5.0
# Buffers that are filled once: the latest 10,000 latencies, verdicts that wait.
SETTLED = 0.4
MOST_MB_AN_HOUR = 6.0


def measured(line: Line, minutes: float, rate_hz: float) -> list[Row]:
    """Judge so many parts a second for so long."""
    loaded = line.plan()
    plan = loaded.plan
    log = loaded.journal.with_name(f"{loaded.journal.name}-wal")
    looks: list[tuple[float, Held]] = []
    waiting, log_mb, behind = [0], [0.0], [0]
    with started(plan) as running:
        feeders = [
            Feeder(loaded.port, rate_hz / FEEDERS, prefix=f"feeder {n}, part")
            for n in range(FEEDERS)
        ]
        require_first(running)
        began, first = time.monotonic(), len(running.told)
        while (now := time.monotonic() - began) < 60 * minutes:
            time.sleep(EVERY_S)
            looks.append((now, held(running)))
            waiting.append(_waiting(loaded.port))
            log_mb.append(log.stat().st_size / 2**20)
            with plan.told.open("rb") as file:
                behind.append(len(running.told) - sum(1 for _ in file))
            if len(looks) % 12 == 0:
                tell(f"{len(running.told)} verdicts, {looks[-1][1]}, log {log_mb[-1]:.1f} MB")
        judged = (len(running.told) - first) / (time.monotonic() - began)
        for feeder in feeders:
            feeder.stop()
        time.sleep(EVERY_S)
        running.stop()
    told = [one.table for one in running.told]
    taken = [part for feeder in feeders for part in feeder.acknowledged]
    said = account(loaded.journal, told, taken)
    settled = looks[int(SETTLED * len(looks)) :]
    grown = slope([(at, one.memory_mb) for at, one in settled])
    threads, files = (sorted({getattr(h, k) for _, h in settled}) for k in ("threads", "files"))
    missed = [str(one["reason"]) for one in told if one["cause"] == "missed"]
    why = f" ({missed[-1]})" if missed else ""
    return [
        Row(f"{minutes:g} minutes of {rate_hz:g} parts a second",
            f"{judged:.1f} verdicts a second, {len(told)} in all, {len(missed)} missed{why}",
            f"{rate_hz:g}", reached=judged > 0.97 * rate_hz),
        Row("memory", f"{settled[0][1].memory_mb:.1f} MB, then {settled[-1][1].memory_mb:.1f} MB: "
            f"{grown:+.1f} MB an hour", f"within {MOST_MB_AN_HOUR:g}",
            reached=abs(grown) < MOST_MB_AN_HOUR),
        Row("threads, files", f"{threads[0]} to {threads[-1]}, {files[0]} to {files[-1]}"),
        Row("parts that waited at most", f"{max(waiting)}", "under 1000",
            reached=max(waiting) < 1000),
        Row("verdicts that the file was behind at most", f"{max(behind)}"),
        Row("write-ahead log at most", f"{max(log_mb):.1f} MB"),
        Row("journal", said.said, reached=not said.wrong, target="none lost"),
    ]  # fmt: skip


def _waiting(port: int) -> int:
    with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=5) as answer:
        return int(json.load(answer)["waiting"])
