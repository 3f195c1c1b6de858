"""Several cameras on one station and several stations in one process, side by side."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.errors import ConfigError, OutputError
from edgecls.frame import Frame
from edgecls.prediction import Prediction, Task
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime import config, lines
from edgecls_runtime.announcing.announcements import MOST_WAITING
from edgecls_runtime.announcing.forked import Way
from edgecls_runtime.cameras import fake
from edgecls_runtime.capture.triggered import TriggeredCamera
from edgecls_runtime.decision import Rule
from edgecls_runtime.journal import open_reader
from edgecls_runtime.station import Station
from edgecls_runtime.triggers.software import SoftwareTrigger
from edgecls_runtime.turns import Turns
from edgecls_runtime.wiring import open_stations
from parts import Made

WAIT_S = 30.0
FAKE = 'kind = "fake"\nheight_px = 48\nwidth_px = 48\n'
LEFT_AND_RIGHT = {"left": f"{FAKE}frames = 5", "right": f"{FAKE}frames = 5"}
LABELS = ("ok", "scratch")


def write(path: Path, made: Made, cameras: dict[str, str], more: str = "") -> Path:
    """Write a station file with a table for each camera; the name of a single one may be empty."""
    tables = "".join(
        f"[{f'cameras.{name}' if name else 'camera'}]\n{table}\n" for name, table in cameras.items()
    )
    path.write_text(
        f"bundle = {json.dumps(str(made.path))}\ntimeout_ms = 300\n{more}\n"
        f'[rule]\ngood = ["good"]\nmin_score = 0.0\nmin_margin = 0.0\n{tables}',
        encoding="utf-8",
    )
    return path


def run(*files: Path, parts: int | None = None) -> list[Verdict]:
    """Run station files until there are so many verdicts."""
    with open_stations([(config.read(file), file.parent) for file in files]) as opened:
        return list(lines.run(opened.stations, lambda: False, parts))


def ids(verdicts: Iterable[Verdict], camera: str) -> list[str]:
    return [verdict.part for verdict in verdicts if verdict.camera == camera]


def edgecls(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_each_camera_has_parts_of_its_own_name_and_all_are_in_one_journal(
    made: Made, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.toml", made, LEFT_AND_RIGHT, '[journal]\npath = "v.db"')

    verdicts = run(file, parts=10)

    assert ids(verdicts, "left")[:3] == ["left 1", "left 2", "left 3"]
    assert ids(verdicts, "right")[:3] == ["right 1", "right 2", "right 3"]
    with closing(sqlite3.connect(tmp_path / "v.db")) as database:
        kept = [part for (part,) in database.execute("SELECT part FROM verdicts ORDER BY id")]
    assert sorted(kept) == sorted(verdict.part for verdict in verdicts)
    assert len({*kept}) == len(kept)


def test_a_part_that_its_camera_names_has_the_camera_s_name_before_it(
    made: Made, tmp_path: Path
) -> None:
    photos = sorted((made.photos / "good").iterdir())[:2]
    for side, photo in zip(("left", "right"), photos, strict=True):
        (tmp_path / side).mkdir()
        (tmp_path / side / "1.png").write_bytes(photo.read_bytes())
    cameras = {side: f'kind = "folder"\npath = "{side}"' for side in ("left", "right")}

    verdicts = run(write(tmp_path / "a.toml", made, cameras))

    assert sorted(verdict.part for verdict in verdicts) == ["left 1.png", "right 1.png"]


def test_one_camera_that_is_lost_costs_the_others_nothing(made: Made, tmp_path: Path) -> None:
    cameras = {
        "left": f'{FAKE}script = ["frame", "gone", "open:99"]\nstate = "place"\nrate_hz = 100.0',
        "right": f"{FAKE}frames = 10_000\nrate_hz = 100.0",
    }

    verdicts = run(write(tmp_path / "a.toml", made, cameras), parts=60)

    lost = [v for v in verdicts if v.camera == "left" and v.outcome is Outcome.REVIEW]
    right = [v for v in verdicts if v.camera == "right"]
    assert len(right) > 40
    assert all(verdict.prediction for verdict in right)
    assert lost
    assert all(v.reason.endswith("; fake camera: gone") for v in lost)


def test_stations_of_one_bundle_share_one_classifier_and_of_two_have_two(
    made: Made, tmp_path: Path
) -> None:
    first = write(tmp_path / "a.toml", made, LEFT_AND_RIGHT, 'name = "a"')
    second = write(tmp_path / "b.toml", made, {"": FAKE}, 'name = "b"')
    third = write(tmp_path / "c.toml", made, {"": FAKE}, 'name = "c"\nvariant = "fp32"')

    files = [(config.read(file), tmp_path) for file in (first, second, third)]
    with open_stations(files) as opened:
        assert [station.name for station in opened.stations] == ["a left", "a right", "b", "c"]
        assert len(opened.classifiers) == 2
        turns = [one.turn for one in opened.stations if isinstance(one, Station)]
        assert turns[0] is turns[1] is turns[2] is not turns[3]


def test_of_several_files_each_is_called_by_its_own_name_and_lines_say_which(
    made: Made, tmp_path: Path
) -> None:
    press = write(tmp_path / "press.toml", made, {"": f"{FAKE}frames = 3"})
    oven = write(tmp_path / "oven.toml", made, {"": f"{FAKE}frames = 3"}, 'name = "kiln"')

    done = edgecls(press, oven, "--frames", 6, "--json")

    *verdicts, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert {line["camera"] for line in verdicts} == {"press", "kiln"}
    assert all(line["part"].startswith(f"{line['camera']} ") for line in verdicts)
    assert last["summary"]["parts"] == len(verdicts) >= 6


def test_a_run_of_so_many_parts_finishes_what_is_in_hand_and_no_more(
    made: Made, tmp_path: Path
) -> None:
    cameras = {str(n): f"{FAKE}frames = 1000" for n in range(4)}

    verdicts = run(write(tmp_path / "a.toml", made, cameras), parts=20)

    # Parts that others had in hand, and told while the last was on its way to the one who counts.
    assert 20 <= len(verdicts) < 60


@pytest.mark.parametrize(
    ("left", "right", "shared"),
    [
        ('kind = "usb"\ndevice = "7"', 'kind = "usb"\ndevice = "/dev/video7"', "/dev/video7"),
        ('kind = "usb"', 'kind = "usb"\ndevice = "0"', "/dev/video0"),
        (f'{FAKE}state = "place"', f'{FAKE}state = "place"', "place"),
        (
            'kind = "basler"\ndevice = "40001234"',
            'kind = "basler"\ndevice = "40001234"',
            "40001234",
        ),
        ('kind = "folder"\npath = "parts"', 'kind = "folder"\npath = "./parts/"', "parts"),
    ],
    ids=["an index and a path", "a default", "a script", "a serial number", "a folder"],
)
def test_two_cameras_on_one_device_are_refused_with_both_names(
    made: Made, tmp_path: Path, left: str, right: str, shared: str
) -> None:
    (tmp_path / "parts").mkdir()
    file = write(tmp_path / "a.toml", made, {"left": left, "right": right})

    with pytest.raises(ConfigError) as raised:
        run(file)

    text = str(raised.value)
    assert text.startswith("camera right: ")
    assert text.endswith(" is camera left already; expected one of its own for each camera")
    assert shared in text


def test_two_files_on_one_device_are_refused_by_the_command_in_one_line(
    made: Made, tmp_path: Path
) -> None:
    files = [write(tmp_path / f"{n}.toml", made, {"": 'kind = "usb"'}) for n in ("a", "b")]

    done = edgecls(*files)

    assert done.returncode == 2
    assert done.stderr == (
        "edgecls run: camera b: usb device /dev/video0 is camera a already; "
        "expected one of its own for each camera\n"
    )


def test_two_stations_of_one_name_are_refused(made: Made, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = [write(tmp_path / name, made, {"": FAKE}) for name in ("line.toml", "b/line.toml")]

    done = edgecls(*files)

    assert done.returncode == 2
    assert "name: 2 stations are called 'line'; expected a different name = '...'" in done.stderr


def test_an_output_that_fails_ends_all_stations_with_exit_code_5(
    made: Made, tmp_path: Path
) -> None:
    journal = tmp_path / "v.db"
    failing = write(tmp_path / "a.toml", made, {"": f"{FAKE}frames = 10_000"})
    other = write(
        tmp_path / "b.toml", made, {"": f"{FAKE}frames = 1000000\nrate_hz = 50.0"},
        f"outputs = []\n[journal]\npath = {json.dumps(str(journal))}",
    )  # fmt: skip
    command = [sys.executable, "-m", "edgecls", "run", str(failing), str(other)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()  # nobody reads on

        assert process.wait(WAIT_S) == 5
        assert "terminal output: " in process.stderr.read()
    with closing(sqlite3.connect(journal)) as database:
        assert database.execute("SELECT ended_at IS NOT NULL FROM sessions").fetchall() == [(1,)]


def test_ctrl_c_ends_all_stations_with_their_parts_finished(made: Made, tmp_path: Path) -> None:
    cameras = {
        "left": f"{FAKE}frames = 1000000\nrate_hz = 50.0",
        "right": f'{FAKE}script = ["hang"]',
    }
    file = write(tmp_path / "a.toml", made, cameras, "[capture]\nisolated = true")
    command = [sys.executable, "-m", "edgecls", "run", str(file), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        last = process.stdout.read().splitlines()[-1]

        assert process.wait(WAIT_S) == 130
        assert time.monotonic() - began < 12
    assert json.loads(last)["summary"]["parts"] >= 1


def classified(_: Frame) -> Prediction:
    return Prediction(np.array([1.0, 0.0], np.float32), LABELS, Task.MULTICLASS)


class Slip:
    """An output that hangs, or fails, at the third verdict."""

    def __init__(self, *, hangs: bool) -> None:
        self.released = threading.Event()
        self._hangs, self._count = hangs, 0

    def send(self, verdict: Verdict) -> None:
        self._count += 1
        if self._count == 3:
            if self._hangs:
                self.released.wait()
            raise OutputError(f"slip: no room for {verdict.part}")

    def close(self) -> None: ...


def station(name: str, *outputs: Slip, **keys: Any) -> Station[Prediction]:  # noqa: ANN401 - as the camera takes them
    camera = fake.open(height_px=8, width_px=8, frames=10**6, **keys)
    return Station(camera, classified, Rule(("ok",)), outputs=outputs, name=name)


def test_the_verdicts_of_a_failed_run_are_all_counted_before_the_failure_is_raised() -> None:
    verdicts: deque[Verdict] = deque()
    run = lines.run([station("a", Slip(hangs=False)), station("b", rate_hz=200.0)], lambda: False)
    with pytest.raises(OutputError, match=r"^slip: no room for a 3$"):
        verdicts.extend(run)

    assert ids(verdicts, "a") == ["a 1", "a 2"]


def test_an_output_that_hangs_does_not_keep_a_run_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "GRACE_S", 0.5)
    slip, over = Slip(hangs=True), threading.Event()
    stations = [station("a", slip, rate_hz=100.0), station("b", rate_hz=100.0)]
    counts: Counter[str] = Counter()
    ended = None
    for verdict in lines.run(stations, over.is_set):
        counts[verdict.camera] += 1
        if counts["b"] == 20:
            over.set()
            ended = time.monotonic()
    slip.released.set()

    assert ended is not None
    assert time.monotonic() - ended < 4
    assert counts["a"] == 2


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order, threads = Turns(), list[int](), []
    with turns:
        for number in range(5):
            thread = threading.Thread(target=lambda n=number: enter(turns, order, n))
            thread.start()
            threads.append(thread)
            deadline = time.monotonic() + WAIT_S
            while len(turns._waiting) < number + 2:
                assert time.monotonic() < deadline
                time.sleep(0.001)
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 3, 4]


def enter(turns: Turns, order: list[int], number: int) -> None:
    with turns:
        order.append(number)


def test_a_frame_that_grew_old_while_it_waited_for_its_turn_is_not_judged() -> None:
    turns, asked = Turns(), list[Frame]()

    def classify(frame: Frame) -> Prediction:
        asked.append(frame)
        return classified(frame)

    camera = fake.open(height_px=8, width_px=8)
    waiting = Station(camera, classify, Rule(("ok",)), max_age=0.1, turn=turns)
    found: list[Verdict] = []
    thread = threading.Thread(target=lambda: found.append(waiting.inspect("1")))
    with turns:
        thread.start()
        time.sleep(0.3)
    thread.join()

    assert asked == []
    assert found[0].outcome is Outcome.REVIEW
    assert found[0].reason.startswith("fake camera: frame is 0.")
    assert found[0].reason.endswith(" s old > 0.1 s")


def test_cameras_of_one_station_share_its_trigger(made: Made, tmp_path: Path) -> None:
    cameras = dict.fromkeys(("left", "right"), f"{FAKE}frames = 10_000\nrate_hz = 100.0")
    trigger = '[trigger]\nkind = "interval"\nevery_ms = 50.0'

    verdicts = run(write(tmp_path / "a.toml", made, cameras, trigger), parts=8)

    assert ids(verdicts, "left")[:3] == ["left 1", "left 2", "left 3"]
    assert ids(verdicts, "right")[:3] == ["right 1", "right 2", "right 3"]
    assert all(verdict.prediction for verdict in verdicts)


def test_stations_whose_verdicts_nobody_takes_wait_and_fill_no_memory() -> None:
    beyond, ending = threading.Event(), threading.Event()
    verdict = Verdict(Outcome.REVIEW, "blind")

    def station(_: Callable[[], bool]) -> Iterator[Verdict]:
        for count in range(3 * lines.MOST_WAITING):
            if count > lines.MOST_WAITING + 1:
                beyond.set()
            yield verdict

    merged = lines.merged([station], ending.is_set, ending, poll=0.01)
    first = next(merged)

    assert not beyond.wait(0.5)
    assert [first, *merged].count(verdict) == 3 * lines.MOST_WAITING


@pytest.mark.parametrize("hung", [True, False])
def test_parts_beyond_what_cameras_can_take_are_counted_once_each_in_the_journal(
    made: Made, tmp_path: Path, *, hung: bool
) -> None:
    trigger = '[trigger]\nkind = "software"\nstdin = false\n\n[journal]\npath = "v.db"'
    cameras = dict.fromkeys(("left", "right"), f"{FAKE}frames = 10_000\nrate_hz = 100.0")
    file = write(tmp_path / "a.toml", made, cameras, trigger)
    settings = config.read(file)

    with open_stations([(settings, file.parent)]) as opened:
        parts = opened.sources.parts[0]
        bell, camera = parts.trigger, parts.counters[0]
        assert isinstance(bell, SoftwareTrigger)
        assert isinstance(camera, TriggeredCamera)
        way = camera._trigger
        assert isinstance(way, Way)
        # Whoever takes parts from the bell waits for this lock: then the bell's own queue is full.
        with way._arrived if hung else nullcontext():
            for part in range(MOST_WAITING + 200):
                bell.announce(str(part))
        overrun = bell.heard.overrun
        announced = opened.journals[0].announced

    with open_reader(tmp_path / "v.db") as reader:
        counts = reader.counts()
    assert counts["triggers"] == counts["missed"] == 2 * (MOST_WAITING + 200)
    assert announced == 2 * (MOST_WAITING + 200 - overrun)
    assert overrun or not hung
