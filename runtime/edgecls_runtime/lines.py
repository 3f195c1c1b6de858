"""Stations side by side, each in a thread of its own; their verdicts come as one stream.

What they share, a journal or an output, is told by one of them at a time.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgecls.verdict import Verdict
from edgecls_runtime.station import Station

# How long a run that is to end waits for the next verdict of one that does not come to its end.
GRACE_S = 5.0
JOIN_S = 1.0
POLL_S = 0.2

Told = Verdict | BaseException | None


def run(
    stations: Sequence[Station[Any]], stop: Callable[[], bool], parts: int | None = None
) -> Iterator[Verdict]:
    """Run all until each is at its end; yield verdicts in the order in which they were told.

    Args:
        stations: One runs as it is.
        stop: Asked between two parts of each; True ends the run.
        parts: End after so many of all of them together; those in hand then are finished too.

    Raises:
        EdgeclsError: One of them failed; the others finish their part in hand first.

    """
    if len(stations) == 1:
        yield from stations[0].run(stop, parts)
        return
    found: queue.SimpleQueue[Told] = queue.SimpleQueue()
    ending = threading.Event()

    def over() -> bool:
        return stop() or ending.is_set()

    def work(station: Station[Any]) -> None:
        try:
            for verdict in station.run(over):
                found.put(verdict)
            found.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the verdicts are asked for
            ending.set()
            found.put(error)

    threads = [
        threading.Thread(target=work, args=(station,), name=f"station {station.name}", daemon=True)
        for station in stations
    ]
    for thread in threads:
        thread.start()
    try:
        for number, verdict in enumerate(_until_end(found, len(threads), over), 1):
            if number == parts:
                ending.set()
            yield verdict
    finally:
        ending.set()
        deadline = time.monotonic() + JOIN_S
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))


def _until_end(
    found: "queue.SimpleQueue[Told]", stations: int, over: Callable[[], bool]
) -> Iterator[Verdict]:
    """Yield verdicts until every station is at its end, then raise the first failure.

    A station that does not come to its end, as in an output that hangs, is left behind.
    """
    failed: BaseException | None = None
    ends_at = math.inf
    while stations and time.monotonic() < ends_at:
        try:
            one = found.get(timeout=POLL_S)
        except queue.Empty:
            ends_at = min(ends_at, time.monotonic() + GRACE_S) if over() else math.inf
            continue
        ends_at = math.inf
        if isinstance(one, Verdict):
            yield one
            continue
        stations -= 1
        failed = failed or one
    if failed is not None:
        raise failed
