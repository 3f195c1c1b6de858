"""Looking at evidence, specified: names alone answer, also while a station keeps more."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from edgecls_runtime.evidence.reading import Evidence, Kept
from edgecls_runtime.outputs import image
from kept_images import of, sized

MANY = 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three fails, two reviews and an error, each a second later."""
    kinds = ("fail", "review", "fail", "error", "review", "fail")
    labels = ("scratch", "scratch", "dent", "ok", "a b", "scratch")
    with closing(image.open(path=tmp_path, min_free_mb=0)) as output:
        for number, (counts_as, label) in enumerate(zip(kinds, labels, strict=True)):
            output.send(of(counts_as, number, sized(100), label))
    return tmp_path


def parts(found: Sequence[Kept]) -> list[str]:
    return [one.part for one in found]


def test_the_newest_come_first(folder: Path) -> None:
    assert parts(Evidence(folder).listed()) == ["5", "4", "3", "2", "1", "0"]


def test_what_is_listed_can_be_chosen(folder: Path) -> None:
    evidence = Evidence(folder)

    assert parts(evidence.listed(["fail"])) == ["5", "2", "0"]
    assert parts(evidence.listed(["fail", "review"], "scratch")) == ["5", "1", "0"]
    assert parts(evidence.listed(label="a b")) == ["4"]
    assert parts(evidence.listed(["missed"])) == []


def test_pages_follow_one_another_without_a_gap_while_more_is_kept(folder: Path) -> None:
    evidence = Evidence(folder)
    first = evidence.listed(most=2)
    with closing(image.open(path=folder, min_free_mb=0)) as output:
        output.send(of("fail", 9, sized(100)))

    second = evidence.listed(after=first[-1].key, most=3)
    third = evidence.listed(after=second[-1].key, most=3)

    assert parts([*first, *second, *third]) == ["5", "4", "3", "2", "1", "0"]


def test_a_verdict_s_image_is_found_by_its_id(folder: Path) -> None:
    evidence = Evidence(folder)

    found = evidence.find("0a1b2c3d4e5f-2")

    assert found is not None
    assert found.name == "000002.000_2_0a1b2c3d4e5f-2.jpg"
    assert evidence.find("0a1b2c3d4e5f-99") is None
    assert evidence.find("") is None
    assert evidence.find("../../../etc/passwd") is None


def test_what_is_kept_and_removed_while_one_looks_is_seen_at_once(folder: Path) -> None:
    evidence = Evidence(folder)
    evidence.listed()
    with closing(image.open(path=folder, most_per_label=1, min_free_mb=0)) as output:
        for number in range(10, 40):
            output.send(of("fail", number, sized(100), "dent"))

            assert evidence.listed(["fail"], "dent", most=1)[0].part == str(number)
            assert evidence.find(f"0a1b2c3d4e5f-{number}") is not None
    assert len(evidence.listed(["fail"], "dent")) == 1


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "gone")

    assert evidence.listed() == []
    assert evidence.find("0a1b2c3d4e5f-1") is None


def test_what_stands_beside_an_image_may_be_missing_or_damaged(folder: Path) -> None:
    one, other = Evidence(folder).listed(most=2)
    one.beside.unlink()
    other.beside.write_bytes(b'{"id": ')

    assert one.table() == other.table() == {}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for day in range(1, 11):
        for label in range(10):
            place = tmp_path / f"2026-11-{day:02}" / "fail" / f"label{label}"
            place.mkdir(parents=True)
            for number in range(MANY // 100):
                name = f"{number // 60:02}{number % 60:02}00.000_{number}_j-{day}-{label}-{number}"
                (place / f"{name}.jpg").write_bytes(b"\xff\xd8")
                (place / f"{name}.jpg.json").write_bytes(b"{}")
    return tmp_path


def test_ten_thousand_images_are_no_burden(many: Path) -> None:
    evidence = Evidence(many)
    began = time.monotonic()
    assert evidence.find("j-10-9-99") is not None
    first = time.monotonic() - began
    began = time.monotonic()
    assert evidence.find("j-10-9-98") is not None
    assert len(evidence.listed(["fail"], most=50)) == 50
    again = time.monotonic() - began
    began = time.monotonic()
    with closing(image.open(path=many, min_free_mb=0)) as output:
        output.send(of("fail", 1, sized(100)))
    opened = time.monotonic() - began

    # Each takes a few hundredths of a second; the limits are for a machine that is busy.
    assert max(first, opened) < 3
    assert again < 1
