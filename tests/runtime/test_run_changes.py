"""``edgecls run`` from outside: a recipe or a bundle is changed while parts come by."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from bundles import lying, renamed
from outputs_field import asker
from parts import LABELS, Made, part_image
from running import WAIT_S, Run, started
from servers import MjpegServer
from trigger_sources import closed_port, missing, post, until

GOOD = part_image(LABELS[0], np.random.default_rng(3))
SPEED_MS = 25


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer(GOOD) as server:
        yield server


class Station:
    """A station file that tests write again and again, and its journal."""

    def __init__(self, folder: Path, camera: MjpegServer, trigger: str, bundle: Path) -> None:
        self.file, self.journal = folder / "station.toml", folder / "verdicts.db"
        self._camera, self._trigger = camera, trigger
        self.write(bundle)

    def write(self, bundle: Path, recipe: str = "m6", more: str = "") -> None:
        """Write the file: of recipe m6 the good part passes, of m8 it fails."""
        self.file.write_text(
            f'bundle = {json.dumps(str(bundle))}\nrecipe = "{recipe}"\n{more}\n'
            f'[camera]\nkind = "http"\nurl = "{self._camera.url}"\n[trigger]\n{self._trigger}\n'
            f'[journal]\npath = "verdicts.db"\n[rule]\ngood = ["good"]\nmin_score = 0.6\n'
            f'[recipes.m6]\n[recipes.m8.rule]\ngood = ["scratch"]\nmin_score = 0.6\n',
            encoding="utf-8",
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.journal)) as database:
            return database.execute(query).fetchall()

    @property
    def notes(self) -> list[str]:
        return [str(text) for (text,) in self.rows("SELECT text FROM notes ORDER BY id")]

    def hang_up(self, run: Run) -> str:
        """Have the file read again; return what the journal says of it."""
        count = len(self.notes)
        run.send(signal.SIGHUP)
        until(lambda: len(self.notes) > count, WAIT_S)
        return self.notes[-1]


def test_a_recipe_and_a_bundle_are_changed_between_two_parts_and_a_wrong_one_is_refused(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    port = closed_port()
    other = renamed(made.path, tmp_path / "other.bundle", "9.0")
    wrong = lying(made.path, tmp_path / "wrong.bundle")
    station = Station(tmp_path, camera, f'kind = "http"\nport = {port}', made.path)
    with started(station.file) as run:
        until(lambda: announced(port, "bolt 1"), WAIT_S)
        judged = [run.next()]
        said = []
        for number, (bundle, recipe, more) in enumerate(
            [
                (made.path, "m8", ""),
                (wrong, "m8", ""),
                (made.path, "m6", "timeout_ms = 2000"),
                (other, "m6", ""),
            ],
            2,
        ):
            station.write(bundle, recipe, more)
            said.append(station.hang_up(run))
            assert announced(port, f"bolt {number}")
            judged.append(run.next())
        code, last, stderr = run.end(signal.SIGTERM)

    assert code == 0
    assert [(line["part"], line["outcome"], line["recipe"]) for line in judged] == [
        ("bolt 1", "pass", "m6"),
        ("bolt 2", "fail", "m8"),
        ("bolt 3", "fail", "m8"),
        ("bolt 4", "fail", "m8"),
        ("bolt 5", "pass", "m6"),
    ]
    bundles = [str(line["bundle"]) for line in judged]
    assert len(set(bundles[:4])) == 1
    assert bundles[4].split()[1] == "9.0"
    assert said[0] == f"reload: recipe m8, {bundles[0]} judges from now on"
    assert said[1].startswith(f"reload: refused: {wrong}: ")
    assert "answers wrongly here on" in said[1]
    assert said[1].endswith("; what judged before still does")
    assert said[2].startswith(
        "reload: refused: timeout_ms: changed in the file; only rule, bundle,"
    )
    assert said[3] == f"reload: recipe m6, {bundles[4]} judges from now on"
    assert [text for text in stderr.splitlines() if text.startswith("reload: ")] == said
    assert last["summary"]["triggers"] == 5  # type: ignore[index]
    assert station.rows(
        "SELECT sessions.recipe, count(*) FROM sessions JOIN verdicts ON session = sessions.id "
        "GROUP BY sessions.id ORDER BY sessions.id"
    ) == [("m6", 1), ("m8", 3), ("m6", 1)]
    assert checked(station.journal) == 0


def announced(port: int, part: str) -> bool:
    try:
        return post(port, part.encode())[0] == 202
    except OSError:
        return False


def checked(journal: Path) -> int:
    command = [sys.executable, "-m", "edgecls", "journal", "verify", str(journal)]
    return subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False).returncode


def test_while_parts_come_none_is_lost_or_doubled_and_each_is_judged_by_its_recipe(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    other = renamed(made.path, tmp_path / "other.bundle", "9.0")
    trigger = f'kind = "interval"\nevery_ms = {SPEED_MS}'
    station = Station(tmp_path, camera, trigger, made.path)
    with started(station.file) as run:
        run.next()
        for bundle, recipe in [(made.path, "m8"), (other, "m6"), (other, "m8"), (made.path, "m6")]:
            station.write(bundle, recipe)
            assert "refused" not in station.hang_up(run)
            run.until(lambda line, wanted=recipe: line["recipe"] == wanted)  # type: ignore[misc]
        code, last, _ = run.end(signal.SIGTERM)

    assert code == 0
    rows = station.rows("SELECT part, outcome, cause, recipe, session FROM verdicts ORDER BY id")
    numbers = sorted(int(str(part)) for part, *_ in rows)
    assert numbers == list(range(1, len(rows) + 1))
    assert last["summary"]["triggers"] == len(rows)  # type: ignore[index]
    judged = {(recipe, outcome) for _, outcome, cause, recipe, _ in rows if cause == "judged"}
    assert judged <= {("m6", "pass"), ("m8", "fail"), ("m6", "review"), ("m8", "review")}
    assert {("m6", "pass"), ("m8", "fail")} <= judged
    assert [recipe for (recipe,) in station.rows("SELECT recipe FROM sessions ORDER BY id")] == [
        "m6",
        "m8",
        "m6",
        "m8",
        "m6",
    ]


def test_frames_vote_and_cameras_look_together_at_a_part_that_is_posted(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    port = closed_port()
    cameras = "".join(
        f'[cameras.{name}]\nkind = "http"\nurl = "{camera.url}"\n' for name in ("left", "right")
    )
    file = tmp_path / "station.toml"
    file.write_text(
        f'bundle = {json.dumps(str(made.path))}\nname = "press"\n{cameras}'
        f'[trigger]\nkind = "http"\nport = {port}\n[rule]\ngood = ["good"]\nmin_score = 0.6\n'
        f'[vote]\nframes = 3\nneed = 2\n[parts]\ncameras = "together"\n'
        f'[capture]\nwindow_ms = 5000\n[journal]\npath = "verdicts.db"\n',
        encoding="utf-8",
    )
    with started(file) as run:
        until(lambda: announced(port, "bolt 1"), WAIT_S)
        line = run.next()
        code, last, stderr = run.end(signal.SIGTERM)

    assert (code, stderr) == (0, "")
    assert (line["part"], line["camera"], line["outcome"]) == ("press bolt 1", "press", "pass")
    assert str(line["reason"]).endswith("frames pass; 2 of 2 cameras pass")
    looks = line["looks"]
    assert isinstance(looks, list)
    assert [look["name"] for look in looks] == ["left", "right"]
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert (summary["parts"], summary["triggers"]) == (1, 1)
    with closing(sqlite3.connect(tmp_path / "verdicts.db")) as database:
        assert database.execute("SELECT part FROM verdicts").fetchall() == [("press bolt 1",)]
        assert database.execute("SELECT count(*) FROM open_parts").fetchone() == (0,)


def test_a_hang_up_without_a_station_file_is_refused_and_the_run_goes_on(
    made: Made, camera: MjpegServer
) -> None:
    flags = ("--bundle", made.path, "--camera", camera.url, "--good", "good")
    with started(*flags) as run:
        run.next()
        run.send(signal.SIGHUP)
        for _ in range(20):
            run.next()
        code, _, stderr = run.end(signal.SIGTERM)

    assert code == 0
    assert stderr == (
        "reload: refused: no station file; what flags say is changed by a restart; "
        "what judged before still does\n"
    )


def test_a_plc_orders_a_recipe_by_its_number(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    if why := missing("pymodbus"):
        pytest.skip(why)
    port, modbus = closed_port(), closed_port()
    station = Station(tmp_path, camera, f'kind = "http"\nport = {port}', made.path)
    output = f'[[outputs]]\nkind = "modbus_server"\nport = {modbus}\n'
    terminal = '[[outputs]]\nkind = "terminal"\n'
    text = station.file.read_text(encoding="utf-8")
    station.file.write_text(f"{text}{output}{terminal}", encoding="utf-8")

    with started(station.file) as run:
        until(lambda: announced(port, "bolt 1"), WAIT_S)
        judged = [run.next()]
        with closing(asker(modbus)) as plc:
            refused = plc.write_register(1001, 3)
            taken = plc.write_register(1001, 2)
        until(lambda: bool(station.notes), WAIT_S)
        announced(port, "bolt 2")
        judged.append(run.next())
        run.end(signal.SIGTERM)

    assert [(line["recipe"], line["outcome"]) for line in judged] == [
        ("m6", "pass"), ("m8", "fail")
    ]  # fmt: skip
    assert (refused.isError(), taken.isError()) == (True, False)
