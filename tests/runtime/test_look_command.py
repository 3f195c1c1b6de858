"""``edgecls look``, specified as a person uses it: to see what a station sees, and where."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edgecls_runtime.images import read_image
from parts import Made, tray

TILES = '[[views]]\nname = "tile"\ntile_px = 100\n'
LID = '[[views]]\nname = "lid"\nroi = [0, 0, 90, 71]\n'
TRAY = [["good", "good", "scratch"], ["good", "good", "good"]]


def edgecls(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Return a folder with a photo of six parts, one of them scratched."""
    folder = tmp_path / "parts"
    folder.mkdir()
    cv2.imwrite(str(folder / "tray.png"), tray(TRAY)[..., ::-1])
    return folder


def station_file(made: Made, parts: Path, views: str = TILES, top: str = "") -> Path:
    path = parts.parent / "station.toml"
    path.write_text(
        f"bundle = {json.dumps(str(made.path))}\n{top}\n"
        f'[camera]\nkind = "folder"\npath = {json.dumps(str(parts))}\n'
        f'[rule]\ngood = ["good"]\nmin_score = 0.6\n{views}',
        encoding="utf-8",
    )
    return path


def test_one_frame_of_the_camera_is_judged_place_by_place(made: Made, parts: Path) -> None:
    done = edgecls("look", station_file(made, parts))

    first, verdict, head, *rows = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert first == f"folder {parts}: frame_px = [300, 200]"
    assert verdict.startswith("FAIL  tile 3,1: scratch scored ")
    assert verdict.endswith("; 5 of 6 places pass, 1 fail")
    assert head.split() == ["place", "outcome", "label", "score", "x", "y", "width", "height"]
    assert [(*row.split()[:4], *row.split()[5:]) for row in rows] == [
        ("tile", "1,1", "PASS", "good", "0", "0", "100", "100"),
        ("tile", "2,1", "PASS", "good", "100", "0", "100", "100"),
        ("tile", "3,1", "FAIL", "scratch", "200", "0", "100", "100"),
        ("tile", "1,2", "PASS", "good", "0", "100", "100", "100"),
        ("tile", "2,2", "PASS", "good", "100", "100", "100", "100"),
        ("tile", "3,2", "PASS", "good", "200", "100", "100", "100"),
    ]


def test_the_picture_shows_where(made: Made, parts: Path, tmp_path: Path) -> None:
    to = tmp_path / "where.png"

    done = edgecls("look", station_file(made, parts), "--to", to)

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"picture: {to}"
    picture = read_image(to)
    assert picture.shape == (600, 900, 3)
    assert picture[200, 602].tolist() == [213, 94, 0]
    assert picture[200, 302].tolist() == [0, 158, 115]


def test_an_image_file_may_stand_in_for_the_camera_and_json_is_for_programs(
    made: Made, parts: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), tray([["good", "good"]])[..., ::-1])

    done = edgecls("look", station_file(made, parts), "--image", tmp_path / "one.png", "--json")

    (found,) = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (found["camera"], found["frame_px"]) == (str(tmp_path / "one.png"), [200, 100])
    assert (found["outcome"], found["picture"]) == ("pass", None)
    assert [look["name"] for look in found["looks"]] == ["tile 1,1", "tile 2,1"]
    assert found["looks"][1]["outline"] == [[100, 0], [200, 0], [200, 100], [100, 100]]


def test_a_station_without_views_shows_its_frame_as_one_place(made: Made, parts: Path) -> None:
    done = edgecls("look", station_file(made, parts, views=""))

    assert done.returncode == 0
    assert done.stdout.splitlines()[3].split()[0] == "frame"
    assert done.stdout.splitlines()[3].split()[-4:] == ["0", "0", "300", "200"]


def test_nothing_is_kept_and_no_output_is_told(made: Made, parts: Path) -> None:
    more = '[journal]\npath = "kept.db"\n[[outputs]]\nkind = "terminal"\njson = true\n'

    done = edgecls("look", station_file(made, parts, TILES + more))

    assert done.returncode == 0
    assert "latency_ms" not in done.stdout
    assert not (parts.parent / "kept.db").exists()


def test_each_camera_of_a_station_has_its_own_views_and_its_own_picture(
    made: Made, parts: Path, tmp_path: Path
) -> None:
    file = station_file(made, parts, TILES + 'camera = "top"\n')
    text = file.read_text(encoding="utf-8").replace("[camera]", "[cameras.top]")
    more = f'[cameras.side]\nkind = "folder"\npath = {json.dumps(str(parts))}\n'
    file.write_text(text + more, encoding="utf-8")
    image = parts / "tray.png"

    both = edgecls("look", file, "--to", tmp_path / "where.png", "--json")
    one = edgecls("look", file, "--camera", "side", "--image", image, "--json")
    which = edgecls("look", file, "--image", image)
    none = edgecls("look", file, "--camera", "left")

    assert [len(found["looks"]) for found in json.loads(both.stdout)] == [6, 1]
    assert [found["picture"] for found in json.loads(both.stdout)] == [
        str(tmp_path / "where-top.png"),
        str(tmp_path / "where-side.png"),
    ]
    assert (tmp_path / "where-side.png").is_file()
    assert [len(found["looks"]) for found in json.loads(one.stdout)] == [1]
    assert (which.returncode, none.returncode) == (2, 2)
    assert which.stderr == (
        f"edgecls look: --image {image}: the station has cameras top, side; "
        f"say with --camera whose views are meant\n"
    )
    assert none.stderr == (
        "edgecls look: --camera left: no such camera in the station file; "
        "expected one of top, side\n"
    )


@pytest.mark.parametrize(
    ("settings", "flags", "answer"),
    [
        (
            (TILES, ""),
            ["--image", "no.png"],
            (5, "no.png: No such file or directory; expected an image file\n"),
        ),
        (
            (LID.replace("[0,", "[250,"), "frame_px = [300, 200]"),
            [],
            (2, "view 'lid': roi [250, 0, 90, 71] reaches from 250, 0 to 340, 71, beyond the fram"),
        ),
        ((LID, ""), [], (2, "view 'lid': roi without frame_px; add at the top of the file: fram")),
        (
            (LID, "frame_px = [640, 480]"),
            [],
            (2, "frame of 300 x 200 px; the views were measured in 640 x 480 (frame_px); "),
        ),
        (
            (TILES, ""),
            ["--to", "where.xyz"],
            (2, "--to where.xyz: no kind of picture; expected .png or .jpg\n"),
        ),
        (
            (TILES, ""),
            ["--to", "no/where.png"],
            (5, "--to no/where.png: No such file or directory; choose another place\n"),
        ),
    ],
    ids=["no file", "roi outside", "no frame_px", "another size", "no picture", "no folder"],
)
def test_what_cannot_be_looked_at_is_said_in_one_line(
    made: Made, parts: Path, settings: tuple[str, str], flags: list[str], answer: tuple[int, str]
) -> None:
    code, message = answer

    done = edgecls("look", station_file(made, parts, *settings), *flags)

    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(f"edgecls look: {message}")


def test_a_camera_that_shows_nothing_is_an_error(made: Made, parts: Path) -> None:
    file = station_file(made, parts, top="timeout_ms = 50")
    text = file.read_text(encoding="utf-8")
    fake = 'kind = "fake"\nframes = 0\n'
    start, end = text.index("kind ="), text.index("[rule]")
    file.write_text(text[:start] + fake + text[end:], encoding="utf-8")

    done = edgecls("look", file)

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == "edgecls look: fake camera: no frame within 0.05 s\n"
