"""The shift register between camera and gate: what is not known to be good is rejected."""

from edgecls_runtime.pins.parts_in_flight import Late, PartsInFlight, Tally


def rejected(flight: PartsInFlight, position: float) -> list[tuple[str, bool]]:
    """Return the parts that came to the gate, and whether it opens for each."""
    return [(part.name, part.is_rejected) for part in flight.arrive(position)]


def test_each_part_is_treated_at_the_gate_as_its_own_verdict_says() -> None:
    flight = PartsInFlight()
    for number, name in enumerate("abc"):
        flight.expect(name, 100.0 + number)
    flight.judge("c", 0, 50, rejects=False)
    flight.judge("a", 0, 60, rejects=False)
    flight.judge("b", 0, 70, rejects=True)

    assert rejected(flight, 99.9) == []
    assert rejected(flight, 100.0) == [("a", False)]
    assert rejected(flight, 102.5) == [("b", True), ("c", False)]
    assert flight.tally == Tally(arrived=3, rejected=1)


def test_a_part_without_a_verdict_is_rejected_and_its_verdict_is_late() -> None:
    flight = PartsInFlight()
    flight.expect("a", 100)
    flight.expect("b", 110)

    assert rejected(flight, 100) == [("a", True)]
    assert flight.judge("a", 0, 107, rejects=False) == Late(7, "rejected")
    assert flight.judge("b", 0, 108, rejects=False) is None
    assert rejected(flight, 110) == [("b", False)]
    assert flight.tally == Tally(arrived=2, rejected=1, late=1)


def test_a_late_verdict_is_never_taken_for_another_part_of_the_same_id() -> None:
    flight = PartsInFlight()
    flight.expect("bolt", 100)
    flight.expect("bolt", 110)
    flight.arrive(100)

    assert flight.judge("bolt", 0, 101, rejects=False) == Late(1, "rejected")
    assert rejected(flight, 110) == [("bolt", True)]


def test_verdicts_of_parts_with_one_id_are_filled_in_in_their_order() -> None:
    flight = PartsInFlight()
    for gate in (100, 110, 120):
        flight.expect("bolt", gate)
    for rejects in (False, True, False):
        flight.judge("bolt", 0, 0, rejects=rejects)

    assert [answer for _, answer in rejected(flight, 120)] == [False, True, False]


def test_a_part_that_nobody_announced_is_entered_with_its_verdict() -> None:
    flight = PartsInFlight()

    assert flight.judge("b", 110, 50, rejects=True) is None
    assert flight.judge("a", 100, 60, rejects=False) is None
    assert flight.judge("c", 70, 71, rejects=True) == Late(1, "unseen")
    assert rejected(flight, 110) == [("a", False), ("b", True)]
    assert flight.tally == Tally(arrived=2, rejected=1, unseen=1)


def test_parts_too_near_to_each_other_are_all_rejected_and_counted() -> None:
    flight = PartsInFlight(least_gap=10)
    for name, gate in (("a", 100), ("b", 120), ("c", 129), ("d", 138), ("e", 148)):
        flight.expect(name, gate)
        flight.judge(name, 0, 0, rejects=False)

    assert rejected(flight, 200) == [
        ("a", False), ("b", True), ("c", True), ("d", True), ("e", False),
    ]  # fmt: skip
    assert flight.tally == Tally(arrived=5, rejected=3, crowded=3)


def test_a_part_too_near_to_one_that_is_just_at_the_gate_is_rejected() -> None:
    flight = PartsInFlight(least_gap=10)
    flight.expect("a", 100)
    flight.judge("a", 0, 0, rejects=False)
    flight.arrive(100)
    flight.judge("b", 109, 101, rejects=False)

    assert rejected(flight, 109) == [("b", True)]


def test_at_one_place_there_is_one_part_that_several_cameras_saw() -> None:
    flight = PartsInFlight(least_gap=10)
    for camera in ("left 1", "right 1"):
        flight.expect(camera, 100)
        flight.judge(camera, 0, 0, rejects=False)

    assert rejected(flight, 100) == [("left 1", False), ("right 1", False)]
    assert flight.tally == Tally(arrived=2)


def test_trust_comes_with_the_first_part_that_is_judged_and_at_the_gate() -> None:
    flight = PartsInFlight()
    flight.expect("a", 100)
    flight.expect("b", 110)
    flight.judge("b", 0, 0, rejects=False)

    assert not flight.is_trusted
    flight.arrive(100)
    assert not flight.is_trusted
    flight.arrive(110)
    assert flight.is_trusted


def test_a_part_that_was_judged_before_trust_was_lost_does_not_bring_it_back() -> None:
    flight = PartsInFlight()
    for name, gate in (("a", 100), ("b", 110), ("c", 120)):
        flight.expect(name, gate)
    flight.judge("a", 0, 0, rejects=False)
    flight.arrive(100)
    flight.judge("b", 0, 0, rejects=False)

    flight.distrust()
    flight.judge("c", 0, 0, rejects=False)
    flight.arrive(110)
    assert not flight.is_trusted
    flight.arrive(120)
    assert flight.is_trusted


def test_lost_counts_take_all_parts_off_and_their_verdicts_are_told_so() -> None:
    flight = PartsInFlight()
    flight.expect("a", 100)
    flight.expect("b", 110)
    flight.judge("a", 0, 0, rejects=False)

    flight.lose()

    assert len(flight) == 0
    assert not flight.is_trusted
    assert flight.judge("b", 0, 50, rejects=True) == Late(-60, "lost")
    assert flight.tally == Tally(lost=2)


def test_a_flood_of_parts_is_not_kept_and_takes_away_trust() -> None:
    flight = PartsInFlight(most=2)
    flight.judge("a", 100, 0, rejects=False)
    flight.arrive(100)
    assert flight.is_trusted

    for number in range(5):
        flight.expect(str(number), 200 + number)

    assert len(flight) == 2
    assert not flight.is_trusted


def test_what_waits_for_verdicts_that_never_come_is_bounded() -> None:
    flight = PartsInFlight()
    for number in range(5000):
        flight.expect(str(number), number)
        flight.arrive(number)

    assert len(flight) == 0
    assert flight.tally.late == 5000
    assert flight.judge("4999", 0, 5000, rejects=True) == Late(1, "rejected")
