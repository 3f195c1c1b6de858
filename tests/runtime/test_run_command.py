"""``edgecls run``, specified from outside: a process, a camera that misbehaves, the verdicts."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from parts import LABELS, Made, part_image
from running import WAIT_S, Line, started
from servers import MjpegServer, free_port

GOOD, SCRATCHED = (part_image(label, np.random.default_rng(3)) for label in LABELS)
KEYS = (
    "bundle, rule, camera, cameras, trigger, views, frame_px, capture, health, format, variant, "
    "providers, placement, journal, outputs, web, timeout_ms, max_age_ms, prepare_threads, name, "
    "recipe, recipes, vote, parts, host, log"
)
TIMEOUT = "no frame within 0.3 s"


def edgecls(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def verdict(line: Line) -> tuple[object, ...]:
    return line["part"], line["outcome"], line["reason"]


def is_pass(line: Line) -> bool:
    return line["outcome"] == "pass"


def is_fail(line: Line) -> bool:
    return line["outcome"] == "fail"


def is_review(line: Line) -> bool:
    return line["outcome"] == "review"


def flags(made: Made, camera: object) -> list[object]:
    rule = ["--good", "good", "--min-score", "0.6", "--timeout-ms", "300"]
    return ["--bundle", made.path, "--camera", camera, *rule]


def station_file(path: Path, made: Made, camera: dict[str, object], more: str = "") -> Path:
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in camera.items())
    path.write_text(
        f"format = 1\nbundle = {json.dumps(str(made.path))}\ntimeout_ms = 300\n{more}\n"
        f'[camera]\n{table}\n[rule]\ngood = ["good"]\nmin_score = 0.6\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def parts(made: Made, tmp_path: Path) -> Path:
    """Return a folder of three good parts, two scratched ones and a drawing."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for label, count in (("good", 3), ("scratch", 2)):
        for photo in sorted((made.photos / label).iterdir())[-count:]:
            shutil.copy(photo, folder / f"{label}-{photo.name}")
    (folder / "drawing.png").write_text("not an image", encoding="utf-8")
    return folder


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer(GOOD) as server:
        yield server


def test_a_folder_is_judged_to_its_end_and_summed_up_in_one_line(made: Made, parts: Path) -> None:
    done = edgecls("run", *flags(made, parts))

    *lines, summary = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in lines] == [
        ["REVIEW", "drawing.png"],
        ["PASS", "good-037.png"],
        ["PASS", "good-038.png"],
        ["PASS", "good-039.png"],
        ["FAIL", "scratch-038.png"],
        ["FAIL", "scratch-039.png"],
    ]
    assert summary.startswith(
        "6 parts: 3 PASS, 2 FAIL, 1 REVIEW, 0 missed, 0 errors; 0 frames dropped; "
        "frame to verdict p50 "
    )


def test_json_is_one_object_a_line_and_the_summary_is_the_last(made: Made, parts: Path) -> None:
    done = edgecls("run", *flags(made, parts), "--json")

    *verdicts, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert Counter(line["outcome"] for line in verdicts) == {"pass": 3, "fail": 2, "review": 1}
    assert {*verdicts[0]} == {
        "id", "part", "camera", "outcome", "cause", "reason", "label", "score", "frame_number",
        "latency_ms", "waited_ms", "recorded_at", "bundle", "recipe", "image_sha256", "looks"
    }  # fmt: skip
    assert verdict(verdicts[0]) == (
        "drawing.png",
        "review",
        f"{parts / 'drawing.png'}: not an image, or a damaged one; expected JPEG, PNG, TIFF, BMP",
    )
    assert {key: last["summary"][key] for key in ("parts", "pass", "fail", "review")} == {
        "parts": 6, "pass": 3, "fail": 2, "review": 1
    }  # fmt: skip


def test_frames_ends_the_run_after_so_many_parts(made: Made, parts: Path) -> None:
    done = edgecls("run", *flags(made, parts), "--frames", 2)

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("2 parts: 1 PASS, 0 FAIL, 1 REVIEW, 0 missed")


def test_a_reader_that_goes_away_ends_the_run_with_an_error(made: Made, parts: Path) -> None:
    command = [sys.executable, "-m", "edgecls", "run", *map(str, flags(made, parts))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 5
    assert said.startswith("edgecls run: terminal output: [Errno 32] Broken pipe; nobody is told")
    assert "Traceback" not in said


def test_every_verdict_is_in_the_journal_when_the_run_is_over(
    made: Made, parts: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "verdicts.db"

    done = edgecls("run", *flags(made, parts), "--journal", journal, "--json")

    told = [verdict(json.loads(line)) for line in done.stdout.splitlines()[:-1]]
    with closing(sqlite3.connect(journal)) as database:
        kept = database.execute("SELECT part, outcome, reason FROM verdicts ORDER BY id").fetchall()
    assert len(told) == 6
    assert kept == told


@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_live_run_is_ended_by_a_signal_with_its_summary(
    made: Made, camera: MjpegServer, by: signal.Signals, code: int
) -> None:
    with started(*flags(made, camera.url)) as run:
        run.until(is_pass)

        ended, last, stderr = run.end(by)

    assert (ended, stderr) == (code, "")
    assert "summary" in last


def test_a_live_run_judges_what_is_in_front_of_the_camera(made: Made, camera: MjpegServer) -> None:
    with started(*flags(made, camera.url)) as run:
        run.until(is_pass)
        camera.show(SCRATCHED)
        run.until(is_fail)

        assert [run.next()["outcome"] for _ in range(5)] == ["fail"] * 5


def test_a_stream_that_freezes_is_reviewed_at_each_timeout_until_frames_are_back(
    made: Made, camera: MjpegServer
) -> None:
    with started(*flags(made, camera.url)) as run:
        run.until(is_pass)
        camera.freeze()
        silent = [run.until(is_review), *(run.next() for _ in range(5))]
        camera.show(SCRATCHED)
        camera.thaw()
        back = run.until(lambda line: not is_review(line))
        camera.show(GOOD)
        run.until(is_pass)

    reasons = [str(line["reason"]) for line in silent]
    assert [line["outcome"] for line in silent] == ["review"] * 6
    assert all(reason.startswith(f"http camera {camera.url}: {TIMEOUT}; ") for reason in reasons)
    assert back["outcome"] in ("pass", "fail")
    assert back["latency_ms"] is not None


def test_a_stream_frozen_for_longer_than_the_camera_waits_is_opened_again(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    table: dict[str, object] = {"kind": "http", "url": camera.url}
    table |= {"timeout_ms": 400, "silence_ms": 400}
    with started(station_file(tmp_path / "station.toml", made, table)) as run:
        run.until(is_pass)
        camera.freeze()
        lost = run.until(lambda line: "lost after" in str(line["reason"]))
        refused = run.until(lambda line: "is the camera on" in str(line["reason"]))
        camera.show(SCRATCHED)
        camera.thaw()
        after = run.until(lambda line: not is_review(line))

    assert (lost["outcome"], refused["outcome"]) == ("review", "review")
    assert after["outcome"] == "fail"


def test_a_watched_folder_is_judged_as_files_arrive_and_silence_is_no_part(
    made: Made, tmp_path: Path
) -> None:
    """Three timeouts of silence between two files: nothing is told in them."""
    found = []
    (line_folder := tmp_path / "line").mkdir()
    with started(*flags(made, f"folder:path={line_folder},watch=true")) as run:
        for name, image in (("good.png", GOOD), ("scratched.png", SCRATCHED)):
            cv2.imwrite(str(line_folder / name), image[..., ::-1])
            found.append(run.next())
            time.sleep(1.0)

        code, last, stderr = run.end(signal.SIGTERM)

    assert [(line["part"], line["outcome"]) for line in found] == [
        ("good.png", "pass"),
        ("scratched.png", "fail"),
    ]
    assert (code, stderr) == (0, "")
    assert last["summary"]["parts"] == 2  # type: ignore[index]


def test_a_camera_that_is_switched_off_and_on_again_is_judged_again(made: Made) -> None:
    with MjpegServer(GOOD) as first, started(*flags(made, first.url)) as run:
        run.until(is_pass)
        first.stop()
        gone = [run.until(is_review), *(run.next() for _ in range(4))]
        with MjpegServer(SCRATCHED, first.port):
            run.until(is_fail)

            code, last, _ = run.end(signal.SIGTERM)

    assert [line["outcome"] for line in gone] == ["review"] * 5
    assert code == 0
    assert "summary" in last


def test_a_frozen_camera_does_not_hold_up_the_end(made: Made, camera: MjpegServer) -> None:
    with started(*flags(made, camera.url)) as run:
        run.until(is_pass)
        camera.freeze()
        run.until(is_review)
        began = time.monotonic()

        code, last, stderr = run.end(signal.SIGINT)

        assert time.monotonic() - began < 5
    assert (code, stderr) == (130, "")
    assert "summary" in last


def test_a_password_in_an_address_is_neither_said_nor_written_down(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    url = camera.url.replace("://", "://joe:secret@") + "?token=secret"
    with started(*flags(made, url), "--journal", kept / "verdicts.db") as run:
        said = [run.until(is_pass)]
        camera.freeze()
        said.append(run.until(is_review))
        on_disk = b"".join(file.read_bytes() for file in kept.iterdir())
        camera.thaw()

        _, last, stderr = run.end(signal.SIGTERM)

    assert f"http://***@127.0.0.1:{camera.port}/stream.mjpg?token=***".encode() in on_disk
    assert b"secret" not in on_disk
    assert "secret" not in f"{said}{last}{stderr}"


def test_a_camera_that_cannot_be_opened_ends_the_run_before_it_begins(made: Made) -> None:
    port = free_port()
    url = f"http://joe:secret@127.0.0.1:{port}/a"

    done = edgecls("run", *flags(made, url))

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"edgecls run: http camera {url.replace('joe:secret', '***')}: "
        f"nobody listens at port {port}; is the camera on, and the address right?\n"
    )


def test_a_station_file_gives_the_same_verdicts_as_the_flags(
    made: Made, parts: Path, tmp_path: Path
) -> None:
    table: dict[str, object] = {"kind": "folder", "path": str(parts)}
    file = station_file(tmp_path / "station.toml", made, table)

    by_file = edgecls("run", file, "--json")
    by_flags = edgecls("run", *flags(made, parts), "--json")

    assert by_file.returncode == by_flags.returncode == 0
    answers = [
        [verdict(json.loads(line)) for line in done.stdout.splitlines()[:-1]]
        for done in (by_file, by_flags)
    ]
    assert len(answers[0]) == 6
    assert answers[0] == answers[1]


def test_paths_in_a_station_file_are_relative_to_the_file(
    made: Made, parts: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(made.path, tmp_path / "disc.bundle")
    (tmp_path / "station.toml").write_text(
        'bundle = "disc.bundle"\n[camera]\nkind = "folder"\npath = "parts"\n'
        '[rule]\ngood = ["good"]\nmin_score = 0.6\n[journal]\npath = "kept/verdicts.db"\n',
        encoding="utf-8",
    )

    done = edgecls("run", Path("..") / "station.toml", cwd=elsewhere)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"{len([*parts.iterdir()])} parts: ")
    assert (tmp_path / "kept" / "verdicts.db").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "max_age = 3",
            f".max_age: unknown key; known keys are {KEYS}",
        ),
        ("max_age_ms = true", ".max_age_ms: expected float, got True"),
        (
            'journal = {place = "x.db"}',
            ".journal.place: unknown key; known keys are path, reserve_mb, keep_days",
        ),
    ],
    ids=["unknown key", "wrong type", "unknown key in a table"],
)
def test_a_wrong_key_in_a_station_file_is_answered_with_the_known_ones(
    made: Made, parts: Path, tmp_path: Path, more: str, message: str
) -> None:
    table: dict[str, object] = {"kind": "folder", "path": str(parts)}
    file = station_file(tmp_path / "station.toml", made, table, more)

    done = edgecls("run", file)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edgecls run: {file}{message}\n"


@pytest.mark.parametrize(
    ("flag", "value"),
    [("camera", "0"), ("good", "good"), ("min-score", "0"), ("timeout-ms", "500")],
)
def test_a_flag_beside_a_station_file_is_refused(
    made: Made, parts: Path, tmp_path: Path, flag: str, value: str
) -> None:
    table: dict[str, object] = {"kind": "folder", "path": str(parts)}
    file = station_file(tmp_path / "station.toml", made, table)

    done = edgecls("run", file, f"--{flag}", value)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"edgecls run: --{flag}: not together with a station file; set it in {file}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera", "0", "--good", "good"], "--bundle: required without a station file"),
        (["nowhere.toml"], "nowhere.toml: No such file or directory; expected a station file"),
    ],
    ids=["no bundle", "no file"],
)
def test_a_wrong_command_line_is_answered_in_one_line(arguments: list[str], message: str) -> None:
    done = edgecls("run", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"edgecls run: {message}\n")


@pytest.mark.parametrize("value", ["0", "-5", "nan", "inf", "1e300"])
def test_a_timeout_that_no_clock_can_keep_is_refused(made: Made, parts: Path, value: str) -> None:
    done = edgecls("run", *flags(made, parts), f"--timeout-ms={value}")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"edgecls run: timeout_ms: {float(value):g}; "
        f"expected milliseconds above 0, at most 86400000 (a day)\n"
    )


def test_a_good_label_that_the_bundle_does_not_know_is_refused(made: Made, parts: Path) -> None:
    done = edgecls("run", "--bundle", made.path, "--camera", parts, "--good", "ok")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "edgecls run: rule.good: 'ok' is no label of the bundle; its labels are good, scratch\n"
    )
