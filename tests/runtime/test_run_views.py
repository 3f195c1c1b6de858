"""``edgecls run`` with views, from outside: a folder of trays, some with a scratched part."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from parts import Made, tray

GOOD = [["good", "good", "good"], ["good", "good", "good"]]
ONE = [["good", "good", "good"], ["good", "scratch", "good"]]
TWO = [["scratch", "good", "good"], ["good", "scratch", "good"]]
TRAYS = {"a.png": GOOD, "b.png": ONE, "c.png": TWO, "e.png": GOOD}
SEED = 20  # the network is sure about each of these parts
TILES = '[[views]]\nname = "tile"\ntile_px = 100\n'
# The middle part of the lower row, and the first of the upper one, measured by hand.
ROIS = (
    '[[views]]\nname = "lid"\nroi = [100, 100, 100, 100]\n'
    '[[views]]\nname = "seal"\nroi = [0, 0, 100, 100]\n'
)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    for seed, (name, labels) in enumerate(TRAYS.items(), SEED):
        cv2.imwrite(str(folder / name), tray(labels, seed)[..., ::-1])
    cv2.imwrite(str(folder / "d-small.png"), tray([["good", "good"]])[..., ::-1])
    return folder


Line = dict[str, object]


def run(made: Made, parts: Path, views: str, rule: str = "", top: str = "") -> list[Line]:
    """Run a station over the trays; return its verdicts."""
    file = parts.parent / "station.toml"
    file.write_text(
        f"bundle = {json.dumps(str(made.path))}\nmax_age_ms = 20000\n{top}\n"
        f'[camera]\nkind = "folder"\npath = {json.dumps(str(parts))}\n'
        f'[rule]\ngood = ["good"]\nmin_score = 0.6\n{rule}\n'
        f'[journal]\npath = "verdicts.db"\n{views}',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "edgecls", "run", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def outcomes(lines: list[Line]) -> list[object]:
    return [line["outcome"] for line in lines]


@pytest.mark.parametrize("top", ["", "prepare_threads = 0"], ids=["ahead", "one by one"])
def test_one_scratched_tile_fails_the_part_and_is_named(made: Made, parts: Path, top: str) -> None:
    lines = run(made, parts, TILES, top=top)

    assert outcomes(lines) == ["pass", "fail", "fail", "pass", "pass"]
    assert str(lines[1]["reason"]).startswith("tile 2,2: scratch scored ")
    assert str(lines[1]["reason"]).endswith("; 5 of 6 places pass, 1 fail")
    looks = lines[1]["looks"]
    assert isinstance(looks, list)
    assert [one["outcome"] for one in looks] == ["pass"] * 4 + ["fail"] + ["pass"]
    assert looks[4]["outline"] == [[100, 100], [200, 100], [200, 200], [100, 200]]
    assert (lines[1]["label"], lines[1]["score"]) == ("scratch", looks[4]["score"])


def test_the_journal_keeps_every_place_and_where_it_was(made: Made, parts: Path) -> None:
    lines = run(made, parts, TILES)

    with closing(sqlite3.connect(parts.parent / "verdicts.db")) as database:
        kept = database.execute("SELECT looks FROM verdicts ORDER BY id").fetchall()
        (rule,) = database.execute("SELECT rule FROM sessions").fetchone()
    assert [json.loads(looks) for (looks,) in kept] == [line["looks"] for line in lines]
    assert json.loads(rule)["views"] == [
        {"name": "tile", "tile_px": 100, "overlap": 0.0, "rotate_deg": 0.0}
    ]


def test_rois_are_judged_in_their_order_and_another_size_of_frame_is_reviewed(
    made: Made, parts: Path
) -> None:
    lines = run(made, parts, ROIS, top="frame_px = [300, 200]")

    assert outcomes(lines) == ["pass", "fail", "fail", "review", "pass"]
    names = [one["name"] for line in lines[:3] for one in line["looks"]]  # type: ignore[attr-defined]
    assert names == ["lid", "seal"] * 3
    assert str(lines[1]["reason"]).startswith("lid: scratch scored ")
    assert lines[3]["reason"] == (
        "frame of 200 x 100 px; the views were measured in 300 x 200 (frame_px); measure them "
        "again, or set the camera to that size"
    )
    assert (lines[3]["part"], lines[3]["looks"]) == ("d-small.png", [])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("most_bad = 1", ["pass", "pass", "fail", "pass", "pass"]),
        ("places = 'any'", ["pass", "pass", "pass", "pass", "pass"]),
    ],
)
def test_the_rule_says_how_many_places_may_be_bad(
    made: Made, parts: Path, rule: str, expected: list[str]
) -> None:
    assert outcomes(run(made, parts, TILES, rule)) == expected


def test_a_label_may_be_good_in_one_view_and_bad_in_another(made: Made, parts: Path) -> None:
    lines = run(
        made,
        parts,
        ROIS.replace('name = "lid"', 'name = "lid"\ngood = ["scratch", "good"]'),
        top="frame_px = [300, 200]",
    )

    assert outcomes(lines) == ["pass", "pass", "fail", "review", "pass"]
    assert str(lines[2]["reason"]).startswith("seal: scratch scored ")
