"""Stations side by side, each in a thread of its own; their verdicts come as one stream.

What they share, a journal or an output, is told by one of them at a time.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from edgecls.verdict import Verdict

# How long a run that is to end waits for the next verdict of one that does not come to its end.
GRACE_S = 5.0
JOIN_S = 1.0
# Verdicts, each with its frame, that wait for whoever takes them; beyond, their stations wait, too.
MOST_WAITING = 8
POLL_S = 0.2

Told = Verdict | BaseException | None
Stop = Callable[[], bool]


class Line(Protocol):
    """What can be run: a station, or several that look at the same parts."""

    @property
    def name(self) -> str:
        """Begins the ids of its parts."""
        ...

    def run(self, stop: Stop, parts: int | None = None) -> Iterator[Verdict]:
        """Inspect parts and yield their verdicts, each already recorded and told; see Station."""
        ...


def run(stations: Sequence[Line], stop: Stop, parts: int | None = None) -> Iterator[Verdict]:
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
    ending = threading.Event()
    count = 0
    for verdict in merged([station.run for station in stations], stop, ending):
        if verdict is not None:
            count += 1
            if count == parts:
                ending.set()
            yield verdict


def merged(
    runs: Sequence[Callable[[Stop], Iterator[Verdict]]],
    stop: Stop,
    ending: threading.Event,
    poll: float = POLL_S,
) -> Iterator[Verdict | None]:
    """Run each in a thread of its own; yield their verdicts as they come.

    Args:
        runs: Each is given what to ask between two parts.
        stop: True ends all of them.
        ending: The same, for whoever takes the verdicts.
        poll: Seconds after which None says that there is no verdict yet.

    Raises:
        EdgeclsError: One of them failed; the others finish their part in hand first.

    """
    found: queue.Queue[Told] = queue.Queue(MOST_WAITING)
    gone = threading.Event()

    def over() -> bool:
        return stop() or ending.is_set()

    def give(one: Told) -> None:
        while not gone.is_set():  # then nobody takes it any more
            with suppress(queue.Full):
                found.put(one, timeout=poll)
                return

    def work(one: Callable[[Stop], Iterator[Verdict]]) -> None:
        try:
            for verdict in one(over):
                give(verdict)
            give(None)
        except BaseException as error:  # noqa: BLE001 - raised where the verdicts are asked for
            ending.set()
            give(error)

    threads = [
        threading.Thread(target=work, args=(one,), name=f"station {number}", daemon=True)
        for number, one in enumerate(runs)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _until_end(found, len(threads), over, poll)
    finally:
        ending.set()
        gone.set()
        deadline = time.monotonic() + JOIN_S
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))


def _until_end(
    found: "queue.Queue[Told]", stations: int, over: Stop, poll: float
) -> Iterator[Verdict | None]:
    """Yield verdicts until every station is at its end, then raise the first failure.

    A station that does not come to its end, as in an output that hangs, is left behind.
    """
    failed: BaseException | None = None
    ends_at = math.inf
    while stations and time.monotonic() < ends_at:
        try:
            one = found.get(timeout=poll)
        except queue.Empty:
            ends_at = min(ends_at, time.monotonic() + GRACE_S) if over() else math.inf
            yield None
            continue
        ends_at = math.inf
        if isinstance(one, Verdict):
            yield one
            continue
        stations -= 1
        failed = failed or one
    if failed is not None:
        raise failed
