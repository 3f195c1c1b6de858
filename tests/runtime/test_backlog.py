"""Frames from the past, specified: after a silence nothing that was held back is judged."""

from edgecls_runtime.capture.backlog import Backlog


def after(usual: float, frames: int = 30) -> Backlog:
    """Return a backlog that has seen a steady stream."""
    backlog = Backlog()
    assert not any(backlog.holds(usual) for _ in range(frames))
    return backlog


def test_a_steady_stream_loses_no_frame_at_any_pace() -> None:
    for usual in (0.001, 0.033, 0.2, 1.0, 5.0):
        after(usual)


def test_what_comes_at_the_end_of_a_silence_and_at_once_behind_it_is_let_go() -> None:
    backlog = after(0.066)

    assert [backlog.holds(waited) for waited in (1.0, 0.0, 0.001, 0.0)] == [True] * 4


def test_the_first_frame_that_had_to_be_waited_for_again_is_new() -> None:
    backlog = after(0.066)
    for waited in (1.0, 0.001, 0.001):
        backlog.holds(waited)

    assert [backlog.holds(waited) for waited in (0.066, 0.066, 0.06)] == [False] * 3


def test_an_uneven_stream_loses_nothing_by_short_pauses() -> None:
    backlog = after(0.1)

    assert not any(backlog.holds(waited) for waited in (0.4, 0.0, 0.2, 0.01, 0.45, 0.1))


def test_a_camera_that_becomes_slow_for_good_is_believed_after_a_few_frames() -> None:
    backlog = after(0.033)

    held = [backlog.holds(1.0) for _ in range(12)]

    assert held[0]
    assert not any(held[4:])
