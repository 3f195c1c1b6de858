"""Belts: how far they have moved, and how far they had at a moment."""

import threading

from edgecls_runtime.pins.belts import MOST_COUNTS, CountedBelt


def moved(moments: list[float]) -> CountedBelt:
    """Return a belt with a count at each moment."""
    belt = CountedBelt(lambda: None)
    for at in moments:
        belt.change(rising=True, at=at)
        belt.change(rising=False, at=at + 0.001)
    return belt


def test_a_position_is_the_number_of_rising_edges() -> None:
    assert moved([]).now() == 0
    assert moved([1.0, 2.0, 3.0]).now() == 3


def test_a_part_that_was_seen_a_moment_ago_is_where_the_belt_was_then() -> None:
    belt = moved([1.0, 2.0, 3.0, 4.0])

    assert [belt.at(moment) for moment in (0.5, 1.0, 2.5, 4.0, 9.0)] == [0, 1, 2, 4, 4]


def test_a_moment_before_all_that_is_kept_is_beyond_any_gate() -> None:
    belt = moved([float(at) for at in range(3 * MOST_COUNTS)])

    assert belt.now() - belt.at(-1.0) > MOST_COUNTS


def test_no_count_is_lost_between_a_look_and_the_edges_of_another_thread() -> None:
    belt = moved([0.0])

    def turn() -> None:
        for _ in range(5000):
            belt.change(rising=True, at=10.0)

    turning = threading.Thread(target=turn)
    turning.start()
    seen = {belt.at(5.0) for _ in range(200)}
    turning.join()

    assert seen == {1}
    assert belt.now() == 5001


def test_who_waits_is_told_of_each_count() -> None:
    told: list[float] = []
    belt = CountedBelt(lambda: told.append(belt.now()))

    belt.change(rising=True, at=1.0)
    belt.change(rising=False, at=2.0)
    belt.change(rising=True, at=3.0)

    assert told == [1, 2]
