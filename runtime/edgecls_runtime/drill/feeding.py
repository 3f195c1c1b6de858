"""Parts that are announced to a station by HTTP, and which of them it has acknowledged."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HOST = "127.0.0.1"
ANSWER_S = 3.0
# Where nobody listens, or too many parts are under way: before the next look.
PAUSE_S = 0.01
# A station that judges nothing is announced a part after this all the same.
STUCK_S = 0.5


class Feeder:
    """A thread that announces parts, each under an id of its own.

    Attributes:
        acknowledged: Ids that the station has answered for: each must end in one verdict.
        refused: So many it would not take.

    """

    def __init__(
        self,
        port: int,
        rate_hz: float,
        *,
        prefix: str = "part",
        told: Callable[[], int] | None = None,
        most: int = 3,
    ) -> None:
        """Begin to announce.

        Args:
            port: Of the station's trigger.
            rate_hz: Parts a second.
            prefix: Begins each id.
            told: How many were told; None does not wait for it.
            most: So many at most are announced and not told.

        """
        self.acknowledged: list[str] = []
        self.refused = 0
        self._port, self._period, self._prefix = port, 1 / rate_hz, prefix
        self._told, self._most = told, most
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="feeder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Announce no more."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        number, due = 0, time.monotonic()
        while not self._stopping.wait(max(due - time.monotonic(), 0.0)):
            number += 1
            part = f"{self._prefix} {number}"
            try:
                if self._announced(part):
                    self.acknowledged.append(part)
                else:
                    self.refused += 1
            except (OSError, http.client.HTTPException):
                # It may have been taken, and may not: an id is never announced twice.
                self._stopping.wait(PAUSE_S)
            due = max(due + self._period, time.monotonic() - self._period)
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        deadline = time.monotonic() + STUCK_S
        while self._told and len(self.acknowledged) - self._told() >= self._most:
            if self._stopping.wait(PAUSE_S) or time.monotonic() > deadline:
                return

    def _announced(self, part: str) -> bool:
        client = http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_S)
        try:
            client.request("POST", "/trigger", part.encode())
            return client.getresponse().status == http.HTTPStatus.ACCEPTED
        finally:
            client.close()


@contextmanager
def fed(port: int | None, rate_hz: float, told: Callable[[], int]) -> Iterator[Feeder | None]:
    """Announce parts meanwhile; nothing where there is no port."""
    if port is None:
        yield None
        return
    feeder = Feeder(port, rate_hz, told=told)
    try:
        yield feeder
    finally:
        feeder.stop()


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
