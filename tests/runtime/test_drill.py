"""The drill, end to end: what a station does about faults, expected and seen, on a real station."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drilled import station
from edgecls.cli import main
from edgecls_runtime.drill.table import FAULTS
from parts import Made

WAIT_S = 120.0
NAMES = [
    "steady", "unplug", "freeze", "black", "repeated", "provider", "disk", "output", "clock",
    "kill",
]  # fmt: skip

Rows = dict[str, dict[str, object]]


def drill(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Rows]:
    """Drill; return the exit code, and what came of each fault."""
    code = main(["drill", *map(str, arguments), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is (code == 0)
    return code, {row["fault"]: row for row in report["faults"]}


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


def texts(rows: Rows, key: str = "result") -> dict[str, object]:
    return {name: row[key] for name, row in rows.items()}


def test_the_faults_are_listed_with_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["drill", "--list", "--json"])

    listed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [one["fault"] for one in listed] == NAMES
    assert all(one["done"] and one["expected"] for one in listed)


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_station_does_what_is_expected_and_nothing_real_is_touched(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real.jsonl"
    outputs = f'outputs = [{{ kind = "file", path = {json.dumps(str(real))} }}]'
    trigger = 'trigger = { kind = "modbus", host = "192.0.2.1", address = 1 }'
    file = station(made, tmp_path, outputs, trigger)

    code, rows = drill(capsys, file, *only("black", "output", "kill"))

    assert (code, texts(rows)) == (
        0,
        dict.fromkeys(["steady", "black", "output", "kill"], "as expected"),
    )
    assert "too dark: black pixels 100 %" in str(rows["black"]["seen"])
    assert "all were told when it was back" in str(rows["output"]["seen"])
    assert "none lost or doubled, the chain holds" in str(rows["kill"]["seen"])
    page = (tmp_path / "disc line.drill.html").read_text(encoding="utf-8")
    assert page.count("<tr class=") == 4
    assert "http" not in page.replace("http camera", "")  # it needs nothing from elsewhere
    assert {one.name for one in tmp_path.iterdir()} - {"cache"} == {
        "disc line.toml", "disc line.drill.html",
    }  # fmt: skip


def test_a_station_that_looks_at_no_picture_first_is_found_out(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = station(made, tmp_path, 'health = { off = ["all"] }')

    code, rows = drill(capsys, file, *only("black"))

    assert code == 1
    assert texts(rows) == {"steady": "as expected", "black": "NOT as expected"}
    assert "such pictures were judged" in str(rows["black"]["seen"])


def test_what_cannot_be_tried_is_said_and_not_counted(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images: dict[str, object] = {"kind": "folder", "path": str(made.photos / "good")}
    file = station(made, tmp_path, camera=images, journal=False)

    code, rows = drill(
        capsys, file, *only("unplug", "freeze", "black", "repeated", "disk", "output", "kill")
    )

    assert code == 0
    untried = {name: row["seen"] for name, row in rows.items() if row["result"] == "not tried"}
    no_camera = "the camera is a folder: what lies there is no camera to lose"
    no_journal = "the station keeps no journal; expected [journal] with its path"
    assert untried == {
        **dict.fromkeys(["unplug", "freeze", "black", "repeated"], no_camera),
        **dict.fromkeys(["disk", "output", "kill"], no_journal),
    }


def test_without_its_camera_the_samples_of_the_bundle_are_shown(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera: dict[str, object] = {"kind": "rtsp", "url": "rtsp://me:secret@127.0.0.1:1/line"}
    file = station(made, tmp_path, camera=camera)

    code = main(["drill", str(file), *only("black")])

    told = capsys.readouterr()
    assert code == 0
    assert "golden samples of the bundle instead" in told.err
    assert "golden samples, for rtsp camera rtsp://***@127.0.0.1:1/line: " in told.out
    assert "secret" not in told.out + told.err


def test_a_station_that_judges_nothing_fails_and_says_why(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = station(made, tmp_path, 'providers = [{ kind = "none of these" }]')

    code, rows = drill(capsys, file, *only("black", "clock"))

    assert code == 1
    assert rows["steady"]["result"] == "NOT as expected"
    assert "the station ended: edgecls.providers: no kind 'none of these'" in str(
        rows["steady"]["seen"]
    )
    assert str(rows["black"]["seen"]).startswith("without any fault, too: nothing was judged: ")


def test_a_place_where_the_page_cannot_be_written_is_said_before_anything_is_done(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "none" / "page.html"

    code = main(["drill", str(station(made, tmp_path)), "--to", str(to)])

    assert code == 5
    expected = f"edgecls drill: --to {to}: No such file or directory; choose another place\n"
    assert capsys.readouterr().err == expected


def test_without_a_station_it_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["drill"])

    assert code == 2
    assert capsys.readouterr().err == (
        "edgecls drill: STATION.toml: required; expected a station file, or --list\n"
    )


def test_ctrl_c_ends_the_station_and_tells_what_was_seen(made: Made, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgecls", "drill", str(station(made, tmp_path))]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        while "drill: unplug: " not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(1.0)  # in the middle of it, or not: either is well
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)

    assert process.returncode == 130, err
    assert "ok  steady: nothing" in out
    assert err.endswith("edgecls drill: interrupted\n")
    assert not [*scratch.glob("edgecls-drill-*")]
    assert not stations(scratch)


def stations(scratch: Path) -> list[str]:
    """Return the processes of stations in a folder that still run."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if str(scratch) in line]


@pytest.mark.slow
@pytest.mark.parametrize("announced", [False, True], ids=["each frame is a part", "announced"])
def test_every_fault_is_tried_and_goes_as_expected(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], announced: bool
) -> None:
    trigger = 'trigger = { kind = "interval", every_ms = 100 }' if announced else ""

    code, rows = drill(capsys, station(made, tmp_path, trigger))

    assert texts(rows) == dict.fromkeys(NAMES, "as expected"), texts(rows, "seen")
    assert code == 0


@pytest.mark.slow
def test_several_cameras_that_are_isolated_are_drilled_too(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = station(made, tmp_path, "capture = { isolated = true }")
    text = file.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("camera ="))
    both = f"cameras.left {line[6:]}\ncameras.right {line[6:]}"
    file.write_text(text.replace(line, both), encoding="utf-8")

    code, rows = drill(capsys, file, *only("unplug", "freeze", "kill"))

    assert texts(rows) == dict.fromkeys(["steady", "unplug", "freeze", "kill"], "as expected")
    assert "in a process of its own" in str(rows["freeze"]["seen"])
    assert code == 0


@pytest.mark.slow
def test_with_minutes_the_faults_are_tried_again(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = drill(capsys, station(made, tmp_path), *only("black", "clock"), "--minutes", "0.7")

    assert code == 0
    assert all(int(str(row["tries"])) >= 2 for row in rows.values()), rows


def test_outputs_of_the_station_are_told_where_that_is_wanted(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real.jsonl"
    outputs = f'outputs = [{{ kind = "file", path = {json.dumps(str(real))} }}]'

    code, _ = drill(capsys, station(made, tmp_path, outputs), *only("steady"), "--with-outputs")

    assert code == 0
    assert len(real.read_text(encoding="utf-8").splitlines()) > 30
