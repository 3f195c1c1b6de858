"""An asyncio loop in a thread of its own, for parts that know no other way."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_S = 3.0


class EventLoop:
    """Runs coroutines for other threads."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self.loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T], longest: float) -> T:
        """Do one thing there, and return what came of it.

        Args:
            work: Not yet begun.
            longest: Seconds after which it is given up.

        Raises:
            TimeoutError: It took longer.
            Exception: Whatever it raised.

        """
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(longest)
        except TimeoutError:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Have something done there, soon; nobody hears what came of it."""
        self.loop.call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)  # the loop itself keeps none alive
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is running, and end the thread; closing twice is allowed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(GRACE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            for task in (tasks := asyncio.all_tasks(self.loop)):
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()
