"""What the page's answers are made of: the station as it is seen from the page's own threads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from starlette.requests import Request

from edgecls_runtime.changes.control import Control
from edgecls_runtime.web.guard import Access, Refusal, client_of
from edgecls_runtime.web.history import History
from edgecls_runtime.web.hub import Hub
from edgecls_runtime.web.labels import Labels
from edgecls_runtime.web.live import Live
from edgecls_runtime.web.logins import Link
from edgecls_runtime.web.pictures import Given
from edgecls_runtime.web.session_file import SessionFile
from edgecls_runtime.web.status import Health, State, Status
from edgecls_runtime.web.trend import Trend

A = ParamSpec("A")
T = TypeVar("T")
# However many look, the station is asked so often; so long it may take.
FRESH_S, SLOW_S = 0.5, 2.0


class Worker:
    """One thread that waits for a disk or makes pictures, so that the page's loop never does."""

    def __init__(self, name: str) -> None:
        """Begin without a thread: the first piece of work starts it."""
        self.pool = ThreadPoolExecutor(1, thread_name_prefix=f"web {name}")

    async def run(self, function: Callable[A, T], *args: A.args, **keys: A.kwargs) -> T:
        """Return what a function returns there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, lambda: function(*args, **keys))

    def close(self) -> None:
        """Let go of the thread; it is not waited for, because a disk may hang."""
        self.pool.shutdown(wait=False, cancel_futures=True)


class Asked:
    """The station's status, asked for at most twice a second."""

    def __init__(self, ask: Callable[[], Status], worker: Worker) -> None:
        """Begin without an answer."""
        self._ask, self._worker = ask, worker
        self._last, self._asked_at = Status(), -FRESH_S
        self._waiting: asyncio.Future[Status] | None = None

    async def now(self) -> Status:
        """Return the status; one that cannot be had is a fault of its own, beside what was last."""
        if time.monotonic() - self._asked_at < FRESH_S:
            return self._last
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.ensure_future(self._worker.run(self._ask))
        try:
            self._last = await asyncio.wait_for(asyncio.shield(self._waiting), SLOW_S)
        except TimeoutError:
            return self._faulty(f"says nothing for {SLOW_S:g} s")
        except Exception as error:  # noqa: BLE001 - the page shows it
            return self._faulty(" ".join(f"{type(error).__name__}: {error}".split()))
        self._asked_at = time.monotonic()
        return self._last

    def _faulty(self, text: str) -> Status:
        fault = Health("station", "", State.FAULT, f"its status cannot be read: {text}")
        keys = {name: getattr(self._last, name) for name in Status.__slots__}
        return Status(**{**keys, "health": (fault, *self._last.health)})


@dataclass(frozen=True, slots=True)
class Inside:
    """What is behind the login.

    Attributes:
        access: Who may come in.
        kept: Who is signed in, over a restart.
        link: Signs in once.
        hub: The newest verdicts.
        live: Their pictures.
        status: How the station is.
        history: The journal; None where the station keeps none.
        trend: Its counts over the last day.
        given: Kept images.
        labels: What people said of them; None where no images are kept.
        control: Changes recipe and bundle; None where that cannot be.
        stopping: Whether the page is about to end.
        say: Told who changes what, in one line.
        disk, pictures: Where the page waits.

    """

    access: Access
    kept: SessionFile
    link: Link
    hub: Hub
    live: Live
    status: Asked
    history: History | None
    trend: Trend | None
    given: Given
    labels: Labels | None
    control: Control | None
    stopping: Callable[[], bool]
    say: Callable[[str], object]
    disk: Worker = field(default_factory=lambda: Worker("disk"))
    pictures: Worker = field(default_factory=lambda: Worker("pictures"))

    @property
    def journal(self) -> History:
        """The journal, for who needs one.

        Raises:
            Refusal: The station keeps none.

        """
        if self.history is None:
            raise Refusal(HTTPStatus.CONFLICT, "the station keeps no journal; set [journal] path")
        return self.history

    async def keep_sessions(self) -> None:
        """Keep who is signed in."""
        await self.disk.run(self.kept.write, self.kept.text())

    async def status_table(self) -> dict[str, object]:
        """Return all that the page shows of the station, as JSON knows it."""
        status = await self.status.now()
        return {
            **status.table(),
            "latency_ms": self.hub.latency_ms(),
            "run": self.hub.run,
            "newest": self.hub.number,
            "cameras": self.hub.cameras,
            "can": {
                "search": self.history is not None,
                "relabel": self.labels is not None,
                "change": self.control is not None,
                "sign_out": not self.access.is_open,
            },
        }


def who_asks(request: Request) -> str:
    """Return who is behind a request, and where."""
    return f"{request.state.who} at {client_of(request.scope)}"
