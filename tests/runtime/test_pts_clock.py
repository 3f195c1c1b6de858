"""How old a frame is, specified: what was held back looks as old as it is."""

import numpy as np

from edgecls_runtime.capture.pts_clock import PtsClock

STEP = 0.04


def after(seconds: float = 2.0, jitter: float = 0.0) -> tuple[PtsClock, float]:
    """Return a clock that followed a steady stream from 0 to ``seconds``, and that moment."""
    random = np.random.default_rng(0)
    clock = PtsClock()
    for number in range(round(seconds / STEP)):
        pts = number * STEP
        clock.captured_at(pts, 100 + pts + jitter * random.random())
    return clock, seconds


def test_frames_of_a_steady_stream_were_taken_when_they_came() -> None:
    clock, now = after()

    assert abs(clock.captured_at(now, 100 + now) - (100 + now)) < 1e-6


def test_frames_that_come_unevenly_were_taken_evenly() -> None:
    clock, now = after(jitter=0.03)

    taken = [clock.captured_at(now + n * STEP, 100 + now + n * STEP + late) for n, late in
             enumerate((0.03, 0.0, 0.02))]  # fmt: skip

    assert np.allclose(np.diff(taken), STEP, atol=0.005)


def test_frames_that_were_held_back_are_as_old_as_they_are() -> None:
    clock, now = after()
    back = 100 + now + 3.0  # silence, then all at once

    ages = [back - clock.captured_at(now + n * STEP, back) for n in range(5)]

    assert np.allclose(ages, [3.0 - n * STEP for n in range(5)], atol=0.01)


def test_no_frame_was_taken_after_it_came() -> None:
    random = np.random.default_rng(1)
    clock = PtsClock()

    for number in range(500):
        arrived = 50 + number * STEP + random.exponential(0.05)
        assert clock.captured_at(number * STEP, arrived) <= arrived + 1e-9


def test_what_a_sender_had_stored_is_told_from_the_first_frame_that_is_live() -> None:
    clock = PtsClock()
    settled = []

    for number in range(25):  # a second of the past, in 50 ms
        clock.captured_at(number * STEP, 10 + number * 0.002)
        settled.append(clock.settled)
    clock.captured_at(25 * STEP, 10 + 0.048 + STEP)

    assert not any(settled)
    assert clock.settled


def test_a_live_stream_is_known_by_its_second_frame() -> None:
    clock = PtsClock()

    clock.captured_at(0.0, 10.0)
    first = clock.settled
    clock.captured_at(STEP, 10.0 + STEP)

    assert (first, clock.settled) == (False, True)


def test_a_clock_that_runs_slow_makes_no_frame_look_old() -> None:
    clock = PtsClock()
    for number in range(0, 90_000, 25):  # an hour, one frame a second
        arrived = number * STEP * 1.001
        age = arrived - clock.captured_at(number * STEP, arrived)

    assert age < 0.01


def test_a_sender_that_sets_its_clock_back_is_followed() -> None:
    clock, now = after(10.0)

    taken = [clock.captured_at(n * STEP, 100 + now + n * STEP) for n in range(3)]

    assert np.allclose(taken, [100 + now + n * STEP for n in range(3)], atol=1e-6)
