"""Parts by a line on stdin, and several cameras that hear of the same parts."""

import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from edgecls.errors import EndOfStream, TriggerError
from edgecls_runtime.announcing.announcements import Announcements, Counts, Heard
from edgecls_runtime.announcing.forked import Fork
from edgecls_runtime.triggers.software import LONGEST_LINE, LinesTrigger, SoftwareTrigger

WAIT_S = 10.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    end, mouth = os.pipe()
    yield end, mouth
    for descriptor in (end, mouth):
        with suppress(OSError):
            os.close(descriptor)


def test_each_line_is_a_part_and_an_empty_one_gets_a_number(pipe: tuple[int, int]) -> None:
    end, mouth = pipe
    with closing(LinesTrigger(end)) as trigger:
        os.write(mouth, b"bolt 7\n\nbo")
        os.write(mouth, b"lt 9\r\nlast")
        os.close(mouth)
        found = [trigger.wait(WAIT_S) for _ in range(4)]

        with pytest.raises(EndOfStream) as raised:
            trigger.wait(WAIT_S)

    assert [signal and signal.part for signal in found] == ["bolt 7", "2", "bolt 9", "last"]
    assert str(raised.value) == "software trigger: stdin is at its end"


def test_a_line_without_an_end_is_cut_and_fills_no_memory(pipe: tuple[int, int]) -> None:
    end, mouth = pipe
    with closing(LinesTrigger(end)) as trigger:
        for _ in range(20):
            os.write(mouth, b"x" * LONGEST_LINE)
        os.write(mouth, b"\nnext\n")
        first, second = trigger.wait(WAIT_S), trigger.wait(WAIT_S)

    assert first is not None
    assert first.part is not None
    assert len(first.part) == 200
    assert second is not None
    assert second.part == "next"


def test_who_closes_it_in_time_leaves_the_descriptor_open(pipe: tuple[int, int]) -> None:
    end, mouth = pipe
    LinesTrigger(end).close()
    os.write(mouth, b"bolt 7\n")

    assert os.read(end, 100) == b"bolt 7\n"


def test_what_is_announced_says_whether_somebody_will_look_at_it() -> None:
    trigger = SoftwareTrigger(most=2)

    assert [trigger.announce(f"bolt {number}") for number in range(3)] == [True, True, False]
    assert trigger.heard == Heard(announced=3, overrun=1)


def test_every_camera_hears_of_every_part_under_the_same_id() -> None:
    source = SoftwareTrigger()
    with closing(Fork(source, 2)) as fork:
        for number in range(5):
            source.announce(f"bolt {number}", at=float(number))

        heard = [[way.wait(WAIT_S) for _ in range(5)] for way in fork.ways]

    assert heard[0] == heard[1]
    assert [signal and (signal.part, signal.at) for signal in heard[0]] == [
        (f"bolt {number}", float(number)) for number in range(5)
    ]
    assert [way.heard.announced for way in fork.ways] == [5, 5]


def test_every_camera_hears_of_a_loss_and_of_the_end() -> None:
    source = Announcements()
    with closing(Fork(source, 2)) as fork:
        source.lose("bell: cracked")
        for way in fork.ways:
            with pytest.raises(TriggerError, match=r"^bell: cracked$"):
                way.wait(WAIT_S)
        source.back()
        time.sleep(0.3)
        source.end("the day is over")

        for way in fork.ways:
            with pytest.raises(EndOfStream, match=r"^the day is over$"):
                while True:
                    with suppress(TriggerError):
                        way.wait(WAIT_S)


def test_what_a_source_could_not_keep_is_a_part_of_every_way_and_what_it_ignored_of_one() -> None:
    source = SoftwareTrigger(most=1)
    for number in range(3):
        source.announce(str(number))
    source.ignore()
    with closing(Fork(source, 2)) as fork:
        for way in fork.ways:
            assert way.wait(WAIT_S) is not None

        assert fork.ways[0].heard == Heard(announced=3, overrun=2, ignored=1)
        assert fork.ways[1].heard == Heard(announced=3, overrun=2)


def test_counts_add_up() -> None:
    both = Counts(5, 3, 1, 1, 2) + Counts(2, 1, 1)

    assert both == Counts(announced=7, taken=4, missed=2, overrun=1, ignored=2)
    assert both.waiting == 1


def test_a_loss_that_was_told_is_over_when_the_source_is_back() -> None:
    source = SoftwareTrigger()
    source.lose("bell: cracked")
    with pytest.raises(TriggerError):
        source.wait(0)
    source.back()
    source.announce("bolt 7")

    assert [source.wait(0) is not None for _ in range(2)] == [True, False]


def test_a_loss_that_nobody_saw_is_told_after_the_parts_that_came_before() -> None:
    source = SoftwareTrigger()
    source.announce("bolt 7")
    source.lose("bell: cracked")
    source.back()

    assert source.wait(0) is not None
    with pytest.raises(TriggerError, match=r"^bell: cracked$"):
        source.wait(0)
    assert source.wait(0) is None
