"""``edgecls run`` with a trigger, from outside: each announced part has a verdict, or is missed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from parts import LABELS, Made, part_image
from running import WAIT_S, started
from servers import MjpegServer
from trigger_sources import Broker, closed_port, missing, post, until

GOOD = part_image(LABELS[0], np.random.default_rng(3))


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer(GOOD) as server:
        yield server


def station(folder: Path, made: Made, cameras: str, trigger: dict[str, object]) -> Path:
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in trigger.items())
    path = folder / "station.toml"
    path.write_text(
        f"format = 1\nbundle = {json.dumps(str(made.path))}\ntimeout_ms = 1000\n"
        f'{cameras}\n[trigger]\n{table}\n[rule]\ngood = ["good"]\nmin_score = 0.6\n',
        encoding="utf-8",
    )
    return path


def of(camera: MjpegServer, name: str = "camera") -> str:
    return f'[{name}]\nkind = "http"\nurl = "{camera.url}"\n'


def balance(summary: object) -> dict[str, object]:
    assert isinstance(summary, dict)
    return {key: summary[key] for key in ("parts", "pass", "triggers", "missed", "ignored")}


def test_a_part_that_is_posted_is_judged_under_its_id_and_silence_is_no_review(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    port = closed_port()
    file = station(tmp_path, made, of(camera), {"kind": "http", "port": port})
    with started(file) as run:
        until(lambda: answered(port, b"bolt 1"))
        assert (first := run.next())["part"] == "bolt 1"
        assert answered(port, b"")
        assert (second := run.next())["part"] == "2"

        code, last, stderr = run.end(signal.SIGINT)

    assert [first["outcome"], second["outcome"]] == ["pass", "pass"]
    assert (code, stderr) == (130, "")
    assert balance(last["summary"]) == {
        "parts": 2, "pass": 2, "triggers": 2, "missed": 0, "ignored": 0
    }  # fmt: skip


def answered(port: int, body: bytes) -> bool:
    try:
        return post(port, body)[0] == 202
    except OSError:
        return False


def test_a_port_that_is_taken_ends_the_start_with_one_line(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    file = station(tmp_path, made, of(camera), {"kind": "http", "port": camera.port})

    done = run_to_end(file)

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"edgecls run: http trigger 127.0.0.1:{camera.port}: Address already in use; "
        f"expected an address of this machine and a free port\n"
    )


def run_to_end(file: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", "run", str(file)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def test_lines_on_stdin_are_parts_of_a_folder_and_their_end_ends_the_run(
    made: Made, tmp_path: Path
) -> None:
    folder = f'[camera]\nkind = "folder"\npath = "{made.photos / "good"}"\n'
    file = station(tmp_path, made, folder, {"kind": "software"})

    done = run_to_end(file, "bolt 1\n\nbolt 3\n")

    *lines, summary = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.removeprefix("PASS").strip().partition("  ")[0] for line in lines] == [
        "bolt 1",
        "2",
        "bolt 3",
    ]
    assert summary.startswith(
        "3 parts: 3 PASS, 0 FAIL, 0 REVIEW, 0 missed, 0 errors; 3 announced; 0 frames dropped; "
    )


def test_each_camera_of_a_station_sees_each_part(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    port = closed_port()
    both = of(camera, "cameras.left") + of(camera, "cameras.right")
    file = station(tmp_path, made, both, {"kind": "http", "port": port})
    with started(file) as run:
        until(lambda: answered(port, b"bolt 1"))
        seen = [run.next()["part"] for _ in range(2)]

        code, last, stderr = run.end(signal.SIGTERM)

    assert sorted(map(str, seen)) == ["left bolt 1", "right bolt 1"]
    assert (code, stderr) == (0, "")
    assert balance(last["summary"])["triggers"] == 2


def test_a_broker_that_dies_is_one_review_and_one_line_and_its_return_another(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    if why := missing("paho", "mosquitto", "openssl"):
        pytest.skip(why)
    broker = Broker(tmp_path / "broker")
    keys = {"kind": "mqtt", "topic": "line/1/part", "part_field": "serial", **broker.table}
    try:
        with started(station(tmp_path, made, of(camera), keys)) as run:
            until(lambda: subscribed(broker), WAIT_S)
            for number in (1, 1, 2):
                broker.publish(f'{{"serial": "bolt {number}"}}')
            judged = [run.next() for _ in range(2)]
            broker.kill()
            lost = run.next()
            broker.start()
            until(lambda: subscribed(broker), WAIT_S)
            broker.publish('{"serial": "bolt 3"}')
            judged.append(run.next())

            code, last, stderr = run.end(signal.SIGINT)
    finally:
        broker.kill()

    assert [(line["part"], line["outcome"]) for line in judged] == [
        (f"bolt {number}", "pass") for number in (1, 2, 3)
    ]
    reason = f"trigger lost: mqtt trigger 127.0.0.1:{broker.port}: connection lost: "
    assert lost["outcome"] == "review"
    assert str(lost["reason"]).startswith(reason)
    assert code == 130
    assert [line[: len(reason)] for line in stderr.splitlines()] == [reason, "trigger back"]
    assert balance(last["summary"]) == {
        "parts": 3, "pass": 3, "triggers": 3, "missed": 0, "ignored": 1
    }  # fmt: skip
    assert last["summary"]["incidents"] == 1  # type: ignore[index]


def subscribed(broker: Broker) -> bool:
    """Return whether somebody listens to parts: the broker says so in its log."""
    return "\tline/1/part (QoS 1)" in broker.log.read_text(encoding="utf-8")


def test_a_broker_that_is_not_there_ends_the_start_with_one_line_without_the_password(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    if why := missing("paho"):
        pytest.skip(why)
    port = closed_port()
    keys = {"kind": "mqtt", "topic": "l", "host": "127.0.0.1", "port": port, "user": "joe"}
    file = station(tmp_path, made, of(camera), {**keys, "password": "s3cret"})

    done = run_to_end(file)

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"edgecls run: mqtt trigger 127.0.0.1:{port}: Connection refused; "
        f"is the broker running, and are host, port and tls right?\n"
    )
