"""Change what judges the parts while the station runs: recipe, bundle, or what its file says.

Requests come from any thread, also from a signal's handler, and are worked through one after the
other by a thread of its own: it opens and proves what is asked for while parts go on being judged.
What is refused changes nothing.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgecls.errors import EdgeclsError

# Each may take seconds to open; whoever asks more often than that does not know what they ask.
MOST_WAITING = 8
GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """What judges the parts now.

    Attributes:
        recipe: Its name; empty where the station has one rule.
        recipes: Names that ``Control.change_recipe`` takes, in the order of the station file.
        bundle: Name, version and first 12 digits of the digest.
        path: Where that bundle was opened.

    """

    recipe: str
    recipes: tuple[str, ...]
    bundle: str
    path: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    Attributes:
        accepted: Whether parts that are announced from now on are judged as was asked.
        text: One line: what judges them now, or why it was refused.

    """

    accepted: bool
    text: str


class Changeable(Protocol):
    """What ``Control`` changes. Each call opens and proves first, and changes last."""

    @property
    def running(self) -> Running:
        """What judges now; any thread may ask."""
        ...

    def change_recipe(self, name: str) -> str:
        """Judge by another recipe; return what judges now, in one line.

        Raises:
            EdgeclsError: It cannot be; what judged before still does.

        """
        ...

    def change_bundle(self, path: Path) -> str:
        """Judge with another bundle; as ``change_recipe``."""
        ...

    def reload(self) -> str:
        """Judge as the station file says now; as ``change_recipe``."""
        ...


class Control:
    """Takes requests for one station file, from any thread.

    Each returns at once. ``result(timeout)`` of what it returns waits for the ``Answer``, which is
    never an exception; ``add_done_callback`` is called with it.
    """

    def __init__(self, station: Changeable, say: Callable[[str], object]) -> None:
        """Begin to take requests.

        Args:
            station: What is changed, in this control's own thread.
            say: Told each answer, in one line.

        """
        self._station, self._say = station, say
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="control", daemon=True)
        self._thread.start()

    @property
    def running(self) -> Running:
        """What judges the parts now."""
        return self._station.running

    def change_recipe(self, name: str) -> "Future[Answer]":
        """Judge by the recipe ``[recipes.NAME]``, with its bundle.

        Parts that were announced before it is accepted are still judged by the one before; without
        a trigger, those whose frame had come. A bundle of ``change_bundle`` is forgotten.
        """
        return self._ask(f"recipe {name}", lambda: self._station.change_recipe(name))

    def change_recipe_number(self, number: int) -> "Future[Answer]":
        """Judge by a recipe of the station file, counted from 1, as PLCs know them.

        Raises:
            ValueError: There are not so many.

        """
        recipes = self.running.recipes
        if not 1 <= number <= len(recipes):
            raise ValueError(f"recipe {number}: expected 1 to {len(recipes)}")
        return self.change_recipe(recipes[number - 1])

    def change_bundle(self, path: Path) -> "Future[Answer]":
        """Judge with another bundle until the recipe is changed or the file is read again.

        It is refused when it is damaged, answers its golden samples wrongly on this device, or
        lacks a label of the rule.

        Args:
            path: Its directory; a relative one is relative to the station file's folder.

        """
        return self._ask(f"bundle {path}", lambda: self._station.change_bundle(path))

    def reload(self) -> "Future[Answer]":
        """Judge as the station file says now, as it would after a restart.

        Rule, recipes and bundle can be changed so. When anything else differs it is refused as a
        whole, with the names of the keys that need a restart.
        """
        return self._ask("reload", self._station.reload)

    def close(self) -> None:
        """Refuse what still waits, and end; closing twice is allowed."""
        self._closed.set()
        self._requests.put(None)
        self._thread.join(GRACE_S)  # one that opens a bundle is left to end with the process

    def _ask(self, what: str, change: Callable[[], str]) -> "Future[Answer]":
        request = _Request(what, change)
        if self._closed.is_set():
            request.answer(Answer(False, f"{what}: refused: the station is stopping"))
        elif self._requests.qsize() >= MOST_WAITING:
            reason = f"{what}: refused: {MOST_WAITING} requests are waiting; ask again later"
            request.answer(Answer(False, reason))
        else:
            self._requests.put(request)
            if self._closed.is_set():  # meanwhile: nobody may come for it
                request.answer(Answer(False, f"{what}: refused: the station is stopping"))
        return request.future

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            if self._closed.is_set():
                request.answer(Answer(False, f"{request.what}: refused: the station is stopping"))
                continue
            answer = _answered(request)
            self._say(answer.text)
            request.answer(answer)


@dataclass(frozen=True, slots=True)
class _Request:
    what: str
    change: Callable[[], str]
    future: "Future[Answer]" = field(default_factory=Future)

    def answer(self, answer: Answer) -> None:
        with suppress(InvalidStateError):  # answered already, or nobody wants to know any more
            self.future.set_result(answer)


def _answered(request: _Request) -> Answer:
    try:
        return Answer(True, f"{request.what}: {request.change()}")
    except EdgeclsError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a thread that dies answers nobody any more
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    return Answer(False, f"{request.what}: refused: {reason}; what judged before still does")
