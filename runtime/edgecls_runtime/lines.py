"""Several stations in one process, each in a thread of its own; their verdicts come as one stream.

What they share, a journal or an output, is told by one of them at a time.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgecls.verdict import Verdict
from edgecls_runtime.station import Station

GRACE_S = 5.0


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
    found: queue.SimpleQueue[Verdict | BaseException | None] = queue.SimpleQueue()
    ending = threading.Event()

    def work(station: Station[Any]) -> None:
        try:
            for verdict in station.run(lambda: stop() or ending.is_set()):
                found.put(verdict)
            found.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the verdicts are asked for
            found.put(error)

    threads = [
        threading.Thread(target=work, args=(station,), name=f"station {station.name}", daemon=True)
        for station in stations
    ]
    for thread in threads:
        thread.start()
    try:
        for number, verdict in enumerate(_until_end(found, len(threads)), 1):
            if number == parts:
                ending.set()
            yield verdict
    finally:
        ending.set()
        for thread in threads:
            thread.join(GRACE_S)


def _until_end(
    found: "queue.SimpleQueue[Verdict | BaseException | None]", stations: int
) -> Iterator[Verdict]:
    """Yield verdicts until every station is at its end."""
    while stations:
        one = found.get()
        if isinstance(one, BaseException):
            raise one
        if one is None:
            stations -= 1
        else:
            yield one
