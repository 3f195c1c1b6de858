"""Requests to a running station: from any thread, one after the other, each with an answer."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgecls.errors import ConfigError
from edgecls_runtime.changes.control import MOST_WAITING, Answer, Control, Running

WAIT_S = 30.0


class Plant:
    """A station whose recipes are names; one of them takes as long as the test wants."""

    def __init__(self) -> None:
        self.running = Running("m6", ("m6", "m8", "slow"), "bolt 1.0 (0123456789ab)", Path("b"))
        self.changes: list[str] = []
        self.opened = threading.Event()

    def change_recipe(self, name: str) -> str:
        if name == "slow":
            assert self.opened.wait(WAIT_S)
        if name == "bug":
            raise RuntimeError("two\nlines")
        if name not in self.running.recipes:
            raise ConfigError(f"{name!r} is not there")
        self.changes.append(name)
        return f"{name} judges"

    def change_bundle(self, path: Path) -> str:
        self.changes.append(str(path))
        return f"{path} judges"

    def reload(self) -> str:
        return self.change_recipe("m6")


@pytest.fixture
def plant() -> Plant:
    return Plant()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def control(plant: Plant, said: list[str]) -> Iterator[Control]:
    with closing(Control(plant, said.append)) as control:
        yield control
        plant.opened.set()


def test_each_request_is_answered_and_said(control: Control, plant: Plant, said: list[str]) -> None:
    asked = [control.change_recipe("m8"), control.change_bundle(Path("x")), control.reload()]

    answers = [one.result(WAIT_S) for one in asked]

    assert answers == [
        Answer(accepted=True, text="recipe m8: m8 judges"),
        Answer(accepted=True, text="bundle x: x judges"),
        Answer(accepted=True, text="reload: m6 judges"),
    ]
    assert plant.changes == ["m8", "x", "m6"]
    assert said == [answer.text for answer in answers]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("m10", "'m10' is not there"), ("bug", "RuntimeError: two lines")],
    ids=["a wrong request", "a bug of ours"],
)
def test_what_is_refused_says_why_on_one_line_and_the_next_request_is_heard(
    control: Control, said: list[str], name: str, reason: str
) -> None:
    answer = control.change_recipe(name).result(WAIT_S)

    text = f"recipe {name}: refused: {reason}; what judged before still does"
    assert answer == Answer(accepted=False, text=text)
    assert said == [text]
    assert control.change_recipe("m8").result(WAIT_S).accepted


def test_who_asks_does_not_wait_for_those_before(control: Control, plant: Plant) -> None:
    slow, next_one = control.change_recipe("slow"), control.change_recipe("m8")

    assert not slow.done()
    assert not next_one.done()
    plant.opened.set()
    assert slow.result(WAIT_S).accepted
    assert next_one.result(WAIT_S).accepted
    assert plant.changes == ["slow", "m8"]


def test_too_many_requests_are_refused_at_once(control: Control, plant: Plant) -> None:
    asked = [control.change_recipe("slow") for _ in range(MOST_WAITING + 2)]

    answer = asked[-1].result(WAIT_S)

    assert answer == Answer(
        accepted=False,
        text="recipe slow: refused: 8 requests are waiting; ask again later",
    )
    plant.opened.set()
    assert asked[0].result(WAIT_S).accepted


def test_what_still_waits_when_the_station_stops_is_refused(plant: Plant) -> None:
    control = Control(plant, lambda _: None)
    slow, waiting = control.change_recipe("slow"), control.change_recipe("m8")
    closer = threading.Thread(target=control.close)
    closer.start()
    plant.opened.set()
    closer.join(WAIT_S)

    answers = [slow.result(WAIT_S), waiting.result(WAIT_S), control.reload().result(WAIT_S)]

    assert answers[-1].text == "reload: refused: the station is stopping"
    assert "m8" not in plant.changes or answers[1].accepted


def test_requests_of_many_threads_are_each_answered_once(control: Control, plant: Plant) -> None:
    answers: list[Answer] = []

    def ask() -> None:
        answers.append(control.change_recipe("m8").result(WAIT_S))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert len(answers) == 20
    assert sum(answer.accepted for answer in answers) == len(plant.changes)
