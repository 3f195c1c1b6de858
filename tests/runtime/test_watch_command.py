"""``edgecls watch``, specified from outside, and what it stands on."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.cli import main
from edgecls.errors import CameraError, ImageError
from edgecls_runtime.cameras.fake import Event, FakeCamera
from edgecls_runtime.capture.live import LiveCamera
from edgecls_runtime.images import read_image
from edgecls_runtime.resizing import half_blocks
from edgecls_runtime.sight import Seen, Sight
from servers import BLUE, RED, MjpegServer, card, free_port

WAIT_S = 30.0
FAKE = "fake:rate_hz=50,frames=100000,width_px=64,height_px=48"

Line = dict[str, object]


def watch(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", "watch", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def lines(text: str) -> list[Line]:
    return [json.loads(line) for line in text.splitlines()]


def station(path: Path, text: str) -> Path:
    """Write a station file whose bundle is not there: nobody asks for it."""
    rule = '[rule]\ngood = ["ok"]\n'
    path.write_text(f'format = 1\nbundle = "none.bundle"\n{text}\n{rule}', encoding="utf-8")
    return path


def test_a_line_a_second_says_rate_age_size_and_losses() -> None:
    done = watch(FAKE, "--seconds", 2.6, "--json")

    found = lines(done.stdout)
    assert done.returncode == 0
    assert len(found) == 3
    assert {*found[0]} == {
        "camera", "source", "rate_hz", "age_ms", "width_px", "height_px", "frames", "dropped",
        "missed", "reopened", "fault", "health",
    }  # fmt: skip
    last = found[-1]
    assert (last["source"], last["width_px"], last["height_px"]) == ("fake camera", 64, 48)
    assert 35 < float(str(last["rate_hz"])) < 55
    assert 0 <= float(str(last["age_ms"])) < 500
    assert (last["missed"], last["reopened"], last["fault"]) == (0, 0, "")


def test_frames_ends_it_and_picture_keeps_the_newest(tmp_path: Path) -> None:
    with MjpegServer(BLUE) as server:
        done = watch(server.url, "--frames", 3, "--picture", tmp_path / "now.png")

    image = read_image(tmp_path / "now.png")
    assert (done.returncode, done.stderr) == (0, f"wrote {tmp_path / 'now.png'}\n")
    assert np.abs(image.mean((0, 1)) - (0, 0, 255)).max() < 5
    assert done.stdout.startswith(f"http camera {server.url}  160 x 120 px  ")


def test_a_folder_is_seen_to_its_end(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), RED)

    done = watch(tmp_path, "--json")

    assert done.returncode == 0
    assert lines(done.stdout)[-1]["frames"] == 3


def test_every_camera_of_a_station_file_is_seen_and_its_bundle_is_not_needed(
    tmp_path: Path,
) -> None:
    (tmp_path / "parts").mkdir()
    cv2.imwrite(str(tmp_path / "parts" / "1.png"), RED)
    file = station(
        tmp_path / "station.toml",
        '[cameras.left]\nkind = "folder"\npath = "parts"\n'
        '[cameras.right]\nkind = "fake"\nrate_hz = 50\nframes = 100000\n',
    )

    done = watch(
        file, "--camera", "left", "--picture", tmp_path / "left.jpg", "--json", "--seconds", 1.5
    )

    left, right = lines(done.stdout)[-2:]
    assert done.returncode == 0
    assert (left["camera"], left["frames"], left["width_px"]) == ("left", 1, 160)
    assert (right["camera"], right["width_px"]) == ("right", 640)
    assert read_image(tmp_path / "left.jpg").shape == (120, 160, 3)


@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_it_with_its_last_line(by: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "edgecls", "watch", FAKE, "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(by)
        out, err = process.communicate(timeout=WAIT_S)

    assert (process.returncode, err) == (code, "")
    assert lines(out)[-1]["fault"] == ""


def test_a_camera_that_freezes_ages_and_its_fault_is_shown() -> None:
    with MjpegServer(RED) as server:
        command = [sys.executable, "-m", "edgecls", "watch", server.url, "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            began = json.loads(process.stdout.readline())
            server.freeze()
            deadline = time.monotonic() + WAIT_S
            found = began
            while not found["fault"]:
                assert time.monotonic() < deadline
                found = json.loads(process.stdout.readline())
            process.terminate()
            process.stdout.read()

    assert began["fault"] == ""
    assert found["age_ms"] > 900
    assert found["fault"].startswith(f"http camera {server.url}: no frame within 1 s; ")


def test_on_a_terminal_the_lines_are_written_over_and_the_picture_has_colours() -> None:
    """Two looks at least; the second begins where the first did."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgecls", "watch", FAKE, "--preview", "--seconds", "1.2"]
    environment = {**os.environ, "COLORTERM": "truecolor", "COLUMNS": "40", "LINES": "12"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:  # so a terminal ends
                break
    os.close(ours)

    text = said.decode()
    looks = text.split("\033[11F\033[J")
    assert process.returncode == 0
    assert len(looks) >= 3
    assert looks[1].count("\n") == 11
    grey = r"1[23]\d;1[23]\d;1[23]\d"  # the card's 128, with its noise
    assert re.search(rf"\033\[38;2;{grey}m\033\[48;2;{grey}m▀", looks[1])


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (["nothing/here"], "--camera nothing/here: no such file or folder; ", 2),
        (["fake:", "--picture", "a.gif"], "--picture a.gif: expected a name that ends in ", 2),
        (["fake:", "--seconds", "0"], "--seconds 0: expected more than 0", 2),
        (["fake:", "--camera", "left"], "--camera left: no such camera; expected one without", 2),
        (["none.toml"], "none.toml: No such file or directory; expected a station file", 2),
        (["usb:device=97"], "usb camera 97: no such device; ", 5),
    ],
    ids=["target", "picture", "seconds", "camera", "station", "device"],
)
def test_what_cannot_be_watched_is_one_line(
    arguments: list[str], text: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = main(["watch", *arguments])

    said = capsys.readouterr()
    assert (ended, said.out) == (code, "")
    assert said.err.startswith(f"edgecls watch: {text}")
    assert said.err.count("\n") == 1


def test_too_few_frames_in_time_are_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["watch", "fake:rate_hz=20,frames=1", "--frames", "5", "--seconds", "0.6"])

    assert code == 5
    assert capsys.readouterr().err == (
        "edgecls watch: fake camera: 1 frames within 0.6 s; expected 5; give it more --seconds\n"
    )


def test_a_camera_that_is_not_there_hides_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["watch", f"http://joe:secret@127.0.0.1:{free_port()}/a"])

    assert code == 5
    assert "secret" not in capsys.readouterr().err


def seen_when(sight: Sight, count: int) -> Seen:
    deadline = time.monotonic() + WAIT_S
    while sight.frames < count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    return sight.now()


def test_figures_of_the_newest_frame_are_shown_by_their_names() -> None:
    camera = FakeCamera([card(10, 20, 30)])
    with closing(Sight("", camera, lambda image: {"brightness": float(image.mean())})) as sight:
        assert seen_when(sight, 1).health == {"brightness": 20.0}


def test_only_what_is_shown_is_decoded_and_measured_once() -> None:
    measured: list[int] = []

    def measure(image: half_blocks.Image) -> dict[str, float]:
        measured.append(image.shape[0])
        return {}

    with closing(Sight("", FakeCamera([RED] * 20, period=0.002), measure)) as sight:
        seen_when(sight, 20)
        sight.now()

    assert len(measured) == 1


def test_a_camera_that_is_fired_is_fired_and_its_frames_are_seen() -> None:
    """A camera with a software trigger gives nothing unless it is told to."""

    class Fired(FakeCamera):
        fires = True
        orders = 0

        def fire(self) -> None:
            self.orders += 1

    camera = Fired([RED] * 100)
    with closing(Sight("", camera)) as sight:
        seen_when(sight, 3)

    assert 3 <= camera.orders < 20


def test_a_damaged_frame_is_a_fault_and_the_next_one_ends_it() -> None:
    events: list[Event] = [ImageError("frame 0: damaged"), RED]
    with closing(Sight("", FakeCamera(events, period=0.2))) as sight:
        time.sleep(0.3)
        assert sight.now().fault == "frame 0: damaged"

        assert seen_when(sight, 1).fault == ""


def test_a_lost_camera_counts_how_often_it_was_opened_again() -> None:
    def again() -> FakeCamera:
        return FakeCamera([RED] * 1000, live=True, period=0.01)

    lost = FakeCamera([RED, CameraError("unplugged")], live=True)
    with closing(Sight("", LiveCamera(lost, again))) as sight:
        assert seen_when(sight, 5).reopened == 1


@pytest.mark.parametrize("all_colours", [True, False])
@pytest.mark.parametrize(("columns", "rows"), [(20, 50), (200, 6), (1, 1)])
def test_a_preview_fits_and_keeps_the_proportions(
    columns: int, rows: int, all_colours: bool
) -> None:
    drawn = half_blocks.lines(RED, columns, rows, all_colours=all_colours)

    widths = {line.count(half_blocks.BLOCK) for line in drawn}
    assert len(widths) == 1
    assert max(widths) <= columns
    assert len(drawn) <= rows
    if columns > 1:
        assert abs(max(widths) / (2 * len(drawn)) - 160 / 120) < 0.2


@pytest.mark.parametrize(
    ("all_colours", "red", "blue"), [(True, "2;255;0;0", "2;0;0;255"), (False, "5;196", "5;21")]
)
def test_a_preview_shows_the_upper_pixel_before_the_lower_one(
    all_colours: bool, red: str, blue: str
) -> None:
    image = np.concatenate([card(255, 0, 0, (1, 2)), card(0, 0, 255, (1, 2))])

    (line,) = half_blocks.lines(image, 2, 1, all_colours=all_colours)

    assert line == f"\033[38;{red}m\033[48;{blue}m▀▀\033[0m"
