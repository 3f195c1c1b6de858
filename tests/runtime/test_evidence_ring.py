"""What has to go for the next image, specified by counting."""

import numpy as np
import pytest

from edgecls_runtime.evidence.ring import Group, Ring

FAIL, DENT, PASS = ("fail", "scratch"), ("fail", "dent"), ("pass", "ok")


def keep(ring: Ring, group: Group, size: int, path: str = "") -> list[str] | None:
    """Keep an image as the folder does; return what had to go, None where it is not kept."""
    if not ring.fits(group, size):
        return None
    gone = []
    while (entry := ring.oldest(group, size)) is not None:
        ring.remove(entry)
        gone.append(entry.path)
    ring.add(group, path, size)
    return gone


def filled(quota: int, most: int, *kept: tuple[Group, str]) -> Ring:
    ring = Ring(quota, most)
    for group, path in kept:
        keep(ring, group, 10, path)
    return ring


def test_the_oldest_goes_first_whatever_its_label() -> None:
    ring = filled(40, 100, (DENT, "1"), (FAIL, "2"), (DENT, "3"), (FAIL, "4"))

    assert keep(ring, FAIL, 10, "5") == ["1"]


def test_passes_go_before_everything_else() -> None:
    ring = filled(40, 100, (FAIL, "1"), (PASS, "2"), (FAIL, "3"), (PASS, "4"))

    assert keep(ring, FAIL, 20, "5") == ["2", "4"]


def test_a_pass_only_ever_takes_the_room_of_passes() -> None:
    ring = filled(30, 100, (FAIL, "1"), (PASS, "2"), (FAIL, "3"))

    assert keep(ring, PASS, 10, "4") == ["2"]
    assert keep(ring, PASS, 20, "5") is None
    assert len(ring) == 3


def test_a_label_that_is_full_makes_room_in_itself() -> None:
    ring = filled(1000, 2, (DENT, "1"), (FAIL, "2"), (FAIL, "3"))

    assert keep(ring, FAIL, 10, "4") == ["2"]
    assert keep(ring, DENT, 10, "5") == []


def test_the_same_label_under_another_outcome_is_counted_by_itself() -> None:
    ring = filled(1000, 1, (("review", "scratch"), "1"))

    assert keep(ring, FAIL, 10, "2") == []


def test_a_flood_of_one_fault_does_not_push_out_the_only_picture_of_another() -> None:
    ring = filled(100, 10_000, (DENT, "rare"))

    gone = [path for number in range(5000) for path in keep(ring, FAIL, 10, str(number)) or []]

    assert "rare" not in gone
    assert ring.used <= 100


def test_what_is_larger_than_everything_is_not_kept_and_nothing_goes_for_it() -> None:
    ring = filled(30, 100, (FAIL, "1"), (FAIL, "2"))

    assert keep(ring, FAIL, 31) is None
    assert len(ring) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_the_quota_and_the_limits_hold(seed: int) -> None:
    draw = np.random.default_rng(seed)
    quota, most = int(draw.integers(1, 2000)), int(draw.integers(1, 30))
    ring = Ring(quota, most)
    groups = [(what, label) for what in ("pass", "fail", "review") for label in "abc"]
    count: dict[Group, int] = {}

    for _ in range(2000):
        group, size = groups[draw.integers(len(groups))], int(draw.integers(1, 300))
        before = len(ring)
        gone = keep(ring, group, size, f"{group[0]}/{group[1]}")
        if gone is None:
            assert len(ring) == before
            continue
        count[group] = count.get(group, 0) + 1
        for path in gone:
            what, label = path.split("/")
            count[what, label] -= 1
        assert ring.used <= quota
        assert max(count.values()) <= most
        assert len(ring) == sum(count.values())
