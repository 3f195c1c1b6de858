"""Ids of parts from outside: whatever comes, what is kept is short and can be printed."""

import pytest

from edgecls_runtime.announcing.part_ids import LONGEST, fault, part_id


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ("bolt 7", "bolt 7"),
        ("  bolt 7\r", "bolt 7"),
        ("", None),
        (" \t", None),
        ("a\x07b", "a\\x07b"),
        ("a\nb", "a\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("schräg 7", "schräg 7"),
        (b"caf\xe9", "caf\\xe9"),
        ("sch\udce9", "sch\\udce9"),
        ("Ω" * LONGEST, "Ω" * LONGEST),
    ],
    ids=ascii,
)
def test_an_id_holds_what_can_be_printed_and_shows_what_cannot(
    found: str | bytes, kept: str | None
) -> None:
    assert part_id(found) == kept


def test_long_ids_are_cut_and_stay_apart() -> None:
    first, second = (part_id("x" * 1000 + end) for end in "ab")

    assert first is not None
    assert second is not None
    assert len(first) == len(second) == LONGEST
    assert first.startswith("x" * 180)
    assert first != second


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("bolt 7", ""),
        ("x" * 201, "201 characters; expected at most 200"),
        ("a\x07", "holds \\x07; expected characters that can be printed"),
    ],
    ids=["right", "long", "bell"],
)
def test_a_sender_that_can_be_told_is_told_what_is_wrong(text: str, wrong: str) -> None:
    assert fault(text) == wrong
