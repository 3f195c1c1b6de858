"""Names of kept images, specified: any part gets one, none leaves the folder, no two share one."""

import unicodedata
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from edgecls_runtime.evidence import names
from output_kinds import verdict

AT = "2026-11-28T12:05:01.123+00:00"
TRAPS = (
    "../../etc/passwd",
    "..",
    ".",
    "",
    "/",
    ".hidden",
    "a/b",
    "nul\x00l",
    "line\nbreak",
    "C:\\parts\\7",
    "\u202egpj.exe",
    "\udcff",
    "x" * 200,
    "部" * 200,
    "\U0001f98a" * 200,
    "é" * 200,
    "~",
    "a b",
    "a-b",
)


def test_a_name_says_when_what_and_which_verdict() -> None:
    told = replace(verdict("fail", "17", "scratch"), id="0a1b2c3d4e5f-204", recorded_at=AT)

    found = names.place(told, ".jpg")

    assert found.path == "2026-11-28/fail/scratch/120501.123_17_0a1b2c3d4e5f-204.jpg"


def test_time_is_utc_wherever_the_station_stands() -> None:
    told = replace(verdict("fail"), recorded_at="2026-11-29T00:30:00.500+02:00")

    assert names.place(told, ".png").key.startswith("2026-11-28/223000.500_")


def test_letters_of_every_script_stay_and_what_was_changed_is_told_apart() -> None:
    assert names.safe("Schraube-größer_7.b", 100) == "Schraube-größer_7.b"
    assert names.safe("ネジ部品", 100) == "ネジ部品"
    assert names.safe("नट", 100) == "नट"
    assert names.safe("a b", 100) == "a-b~c8687a08"


@pytest.mark.parametrize("text", TRAPS, ids=range(len(TRAPS)))
def test_no_part_and_no_label_leaves_its_folder_or_is_too_long(text: str) -> None:
    told = replace(verdict("fail", text, text or "x"), id=f"{text}-1")

    path = PurePosixPath(names.place(told, ".jpg").path)

    assert len(path.parts) == 4
    assert not any(piece.startswith((".", "/")) for piece in path.parts)
    assert all(len(piece.encode()) <= 255 - len(".json") for piece in path.parts)
    assert {unicodedata.category(c)[0] for c in str(path)} <= {*"LMNPS"}
    assert names.NAME.fullmatch(path.name)


def test_two_texts_never_share_a_name() -> None:
    draw = np.random.default_rng(0)
    alphabet = [*"ab./-_~ \\é部\x00"]
    texts = {
        "".join(alphabet[i] for i in draw.integers(len(alphabet), size=draw.integers(7)))
        for _ in range(10_000)
    }

    assert len({names.safe(text, 40) for text in texts}) == len(texts)
    assert len({names.safe_id(text) for text in texts}) == len(texts)
    assert not any("_" in names.safe_id(text) for text in texts)


def test_what_stands_beside_an_image_is_not_taken_for_one() -> None:
    assert names.NAME.fullmatch("120501.123_17_ab-1.jpg")
    assert not names.NAME.fullmatch("120501.123_17_ab-1.jpg.json")
