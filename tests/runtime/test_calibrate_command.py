"""``edgecls calibrate`` as a user runs it, and ``edgecls run`` with what it learned."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecls_runtime.health import kept
from parts import Made, part_image
from places import Image, blurred, place, write_places
from servers import MjpegServer, card, free_port

WAIT_S = 60.0
Line = dict[str, object]


def edgecls(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def station_file(path: Path, camera: dict[str, object], bundle: Path, more: str = "") -> Path:
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in camera.items())
    path.write_text(
        f"bundle = {json.dumps(str(bundle))}\ntimeout_ms = 300\n[camera]\n{table}\n"
        f'[rule]\ngood = ["good"]\nmin_score = 0.0\nmin_margin = 0.0\n{more}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp("frames") / "good", 40)


@pytest.fixture
def station(good: Path, tmp_path: Path) -> Path:
    table: dict[str, object] = {"kind": "folder", "path": str(good)}
    return station_file(tmp_path / "line.toml", table, tmp_path / "no.bundle")


def test_it_learns_from_the_stations_camera_and_says_how_to_use_it(
    station: Path, tmp_path: Path
) -> None:
    done = edgecls("calibrate", station)

    folder = tmp_path / "line.health"
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].endswith(": 40 good frames of 320 x 240")
    assert lines[1].split() == ["lowest", "middle", "highest", "least", "most"]
    assert {"brightness", "sharpness", "shift", "likeness"} <= {line.split()[0] for line in lines}
    assert lines[-1] == (
        "false alarms on these frames: 0 of 40 when each is left out in turn, 0 when each tenth "
        "is; if the next ones are like these, expect at most 7.5 %"
    )
    assert done.stderr.splitlines()[-1] == (
        f'wrote {folder}; to use it, write limits = "line.health" under [health] in {station}'
    )
    assert sorted(file.name for file in folder.iterdir()) == ["camera.png", "camera.toml"]


def test_json_is_what_was_learned(station: Path) -> None:
    done = edgecls("calibrate", station, "--json")

    table = json.loads(done.stdout)["cameras"][""]
    assert (done.returncode, table["frames"], table["view"]) == (0, 40, True)
    assert table["false_alarms"] == {"of": 40, "each": 0, "tenths": 0}
    assert table["most"].keys() >= {"brightness", "torn", "shift_px"}


def test_what_was_learned_before_is_replaced_only_by_force(station: Path, tmp_path: Path) -> None:
    file = tmp_path / "line.health" / "camera.toml"
    edgecls("calibrate", station)
    before = file.read_bytes()

    refused = edgecls("calibrate", station, "--margin", "2")
    kept_it = file.read_bytes() == before
    forced = edgecls("calibrate", station, "--margin", "2", "--force")

    assert (refused.returncode, refused.stdout, kept_it) == (2, "", True)
    assert refused.stderr == f"edgecls calibrate: {file}: exists; --force replaces it\n"
    assert forced.returncode == 0
    assert "\nmargin = 2.0\n" in file.read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--frames", "5"], "--frames 5: expected 20 to 5000"),
        (["--margin", "nan"], "--margin nan: expected 0 to 100"),
        (["--every-ms", "-1"], "--every-ms -1: expected 0 to 3600000"),
        (
            ["--camera", "left"],
            "--camera left: {station} has one camera, without a name; leave the flag out",
        ),
    ],
)
def test_a_flag_that_makes_no_sense_is_refused(
    station: Path, flags: list[str], message: str
) -> None:
    done = edgecls("calibrate", station, *flags)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edgecls calibrate: {message.format(station=station)}\n"
    assert not station.with_suffix(".health").exists()


def test_a_folder_without_frames_or_with_few_teaches_nothing(station: Path, tmp_path: Path) -> None:
    few = write_places(tmp_path / "few", 3)

    missing = edgecls("calibrate", station, "--images", tmp_path / "none")
    too_few = edgecls("calibrate", station, "--images", few)

    assert (missing.returncode, too_few.returncode) == (5, 2)
    assert missing.stderr == (
        f"edgecls calibrate: folder {tmp_path / 'none'}: no such folder; "
        f"expected a folder of images\n"
    )
    assert too_few.stderr.splitlines()[-1] == (
        f"edgecls calibrate: {few}: 3 good frames; expected 20 or more; let more of them be taken"
    )
    assert not station.with_suffix(".health").exists()


def test_a_station_file_that_is_missing_and_a_camera_that_is_off_are_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/a"
    file = station_file(tmp_path / "a.toml", {"kind": "http", "url": url}, tmp_path)

    missing = edgecls("calibrate", tmp_path / "b.toml")
    off = edgecls("calibrate", file)

    assert (missing.returncode, off.returncode) == (2, 5)
    assert missing.stderr == (
        f"edgecls calibrate: {tmp_path / 'b.toml'}: No such file or directory; "
        f"expected a station file\n"
    )
    assert off.stderr.startswith(f"edgecls calibrate: http camera {url}: ")


def test_of_several_cameras_each_has_its_own_files(good: Path, tmp_path: Path) -> None:
    station = tmp_path / "two.toml"
    camera = f'{{kind = "folder", path = "{good}"}}'
    station.write_text(
        f'bundle = "b"\n[rule]\ngood = ["good"]\n[cameras]\nleft = {camera}\nright = {camera}\n'
    )

    of_which = edgecls("calibrate", station, "--images", good)
    unknown = edgecls("calibrate", station, "--camera", "top")
    one = edgecls("calibrate", station, "--camera", "left", "--to", tmp_path / "h")
    both = edgecls("calibrate", station)

    assert of_which.stderr == (
        "edgecls calibrate: --images: of which camera? say --camera with one of left, right\n"
    )
    assert unknown.stderr == (
        f"edgecls calibrate: --camera top: no such camera in {station}; "
        f"its cameras are left, right\n"
    )
    assert (one.returncode, both.returncode) == (0, 0)
    assert sorted(file.name for file in (tmp_path / "h").iterdir()) == ["left.png", "left.toml"]
    assert len([*(tmp_path / "two.health").iterdir()]) == 4


def test_ctrl_c_writes_nothing(tmp_path: Path) -> None:
    with MjpegServer(place(1)) as server:
        table: dict[str, object] = {"kind": "http", "url": server.url}
        file = station_file(tmp_path / "line.toml", table, tmp_path)
        command = [sys.executable, "-m", "edgecls", "calibrate", str(file), "--frames", "5000"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(3)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=WAIT_S)[1]

    assert (process.returncode, said.splitlines()[-1]) == (
        130,
        "edgecls calibrate: interrupted",
    )
    assert not (tmp_path / "line.health").exists()


def test_a_live_camera_that_shows_a_card_is_told_that_frozen_is_not_watched(tmp_path: Path) -> None:
    with MjpegServer(place(1), rate_hz=100) as server:
        table: dict[str, object] = {"kind": "http", "url": server.url}
        file = station_file(tmp_path / "line.toml", table, tmp_path)
        done = edgecls("calibrate", file, "--frames", 40)

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "warning: frozen is not watched: 100 % of the frames repeat the one before: "
        "a frozen camera cannot be told"
    )
    assert kept.read(tmp_path / "line.health", "")[0].frozen is None


def lines_of(process: subprocess.Popen[str]) -> Iterator[Line]:
    assert process.stdout is not None
    for text in process.stdout:
        yield json.loads(text)


def until_review(station: Path, server: MjpegServer, then: Image) -> list[Line]:
    """Run a station; after its first judged part show another image; return its next reviews."""
    command = [sys.executable, "-m", "edgecls", "run", str(station), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = lines_of(process)
            next(line for line in found if line["outcome"] != "review")
            server.show(then)
            first = next(line for line in found if line["outcome"] == "review")
            return [first, *(next(found) for _ in range(5))]
        finally:
            process.kill()


@pytest.mark.parametrize("threads", [0, 2])
def test_a_camera_that_goes_black_is_review_with_the_value(
    made: Made, tmp_path: Path, threads: int
) -> None:
    part = part_image("good", np.random.default_rng(3))
    with MjpegServer(part) as server:
        table: dict[str, object] = {"kind": "http", "url": server.url}
        file = station_file(tmp_path / "line.toml", table, made.path)
        file.write_text(f"prepare_threads = {threads}\n{file.read_text()}")
        told = until_review(file, server, card(2, 2, 2, part.shape[:2]))

    assert {(line["outcome"], line["reason"]) for line in told} == {
        (
            "review",
            f"http camera {server.url}: too dark: black pixels 100 % > 99.9 %",
        )
    }


def test_a_station_with_learned_limits_reviews_what_is_out_of_focus(
    made: Made, good: Path, tmp_path: Path
) -> None:
    with MjpegServer(place(500)) as server:
        table: dict[str, object] = {"kind": "http", "url": server.url}
        health = '[health]\nlimits = "line.health"'
        file = station_file(tmp_path / "line.toml", table, made.path, health)
        learned = edgecls("calibrate", file, "--images", good)
        told = until_review(file, server, blurred(place(500), 2.0))

    assert learned.stderr.splitlines()[-1] == (
        f"wrote {tmp_path / 'line.health'}; edgecls run {file} uses it"
    )
    assert all(line["outcome"] == "review" for line in told)
    assert str(told[0]["reason"]).startswith(f"http camera {server.url}: blurred: sharpness ")


def test_frames_of_another_size_than_was_learned_end_the_run(
    made: Made, station: Path, tmp_path: Path
) -> None:
    edgecls("calibrate", station)
    table: dict[str, object] = {"kind": "folder", "path": str(made.photos / "good")}
    health = '[health]\nlimits = "line.health"'
    file = station_file(tmp_path / "other.toml", table, made.path, health)

    done = edgecls("run", file)

    assert done.returncode == 2
    assert done.stderr.startswith(
        f"edgecls run: {tmp_path}/line.health/camera.toml: limits for frames of 320 x 240; folder "
    )
    assert done.stderr.count("\n") == 1


def test_a_wrong_health_table_is_answered_with_the_known_keys(
    made: Made, good: Path, tmp_path: Path
) -> None:
    table: dict[str, object] = {"kind": "folder", "path": str(good)}
    file = station_file(tmp_path / "a.toml", table, made.path, "[health]\nblurry = true")

    done = edgecls("run", file)

    assert done.returncode == 2
    assert done.stderr == (
        f"edgecls run: {file}.health.blurry: unknown key; "
        f"known keys are limits, off, least, most, frozen_ms\n"
    )
