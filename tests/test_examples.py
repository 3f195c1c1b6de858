"""The examples under scripts/examples, run with made-up hardware: what they promise, they do."""

import csv
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.verdict import Outcome, Verdict
from edgecls_runtime import config, lines
from edgecls_runtime.config import Settings
from edgecls_runtime.journal import open_reader
from edgecls_runtime.pins.reject_gate import RejectOutput
from edgecls_runtime.service import checking
from edgecls_runtime.wiring import Opened, open_stations
from outputs_pins import is_high, levels, made_up
from parts import Made, part_image, tray
from servers import MjpegServer
from trigger_sources import Plc, closed_port, missing, until

EXAMPLES = Path(__file__).parents[1] / "scripts/examples"
BOLTS, CASTINGS = EXAMPLES / "bolt_reject_pi.toml", EXAMPLES / "jetson_line_modbus.toml"
WAIT_S = 60.0
GOOD, BAD = (part_image(label, np.random.default_rng(3)) for label in ("good", "scratch"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_key_of_an_example_is_known(path: Path) -> None:
    settings = config.read(path)

    known = [checking.known(table, path.parent) for table in checking.tables(settings)]

    assert {one.room for one in known} >= {"cameras", "triggers", "outputs"}


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer(GOOD) as server:
        yield server


def elsewhere(path: Path, made: Made, camera: MjpegServer, folder: Path) -> Settings:
    """Return an example with another bundle, its labels, a camera that is here, and its own place.

    Only what a test bench cannot have is replaced; every other key is the example's.
    """
    settings = config.read(path)
    assert settings.journal is not None
    return replace(
        settings,
        bundle=made.path,
        rule=replace(settings.rule, good=("good",)),
        camera={"kind": "http", "url": camera.url},
        journal=replace(settings.journal, path=folder / settings.journal.path.name),
    )


def changed(
    tables: tuple[dict[str, object], ...], more: Mapping[str, Mapping[str, object]]
) -> tuple[dict[str, object], ...]:
    """Return tables of outputs, with keys for each kind that reaches hardware."""
    return tuple({**table, **more.get(str(table["kind"]), {})} for table in tables)


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[tuple[Opened, list[Verdict]]]:
    """Run a station in a thread; its verdicts come into the list."""
    verdicts: list[Verdict] = []
    stop = threading.Event()
    with open_stations([(settings, folder)]) as opened:

        def run() -> None:
            for verdict in lines.run(opened.stations, stop.is_set):
                verdicts.append(verdict)  # noqa: PERF402 - as they come

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield opened, verdicts
        finally:
            stop.set()
            thread.join()


def rises(pin: int) -> int:
    """Return how often a pin went up."""
    seen = [level for _, level in levels(pin)]
    return sum(after and not before for before, after in pairwise(seen))


@pytest.mark.skipif(find_spec("gpiozero") is None, reason=missing("gpiozero"))
@pytest.mark.usefixtures("made_up_pins")
def test_a_bad_bolt_is_blown_off_and_a_good_one_is_not(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    settings = elsewhere(BOLTS, made, camera, tmp_path)
    board = {"library": "gpiozero"}
    settings = replace(
        settings,
        trigger={**(settings.trigger or {}), **board},
        outputs=changed(
            settings.outputs, {"reject": board, "gpio": board, "image": {"min_free_mb": 1}}
        ),
    )
    with running(settings, tmp_path) as (opened, verdicts):
        gate = opened.outboxes[0]._output
        assert isinstance(gate, RejectOutput)
        line = Line(gate, verdicts)
        line.until_one_is(Outcome.PASS)  # before it, the gate is in its safe state: open

        camera.show(BAD)
        bad = line.until_one_is(Outcome.FAIL)
        until(lambda: is_high(6) and not is_high(5), WAIT_S)
        camera.show(GOOD)
        good = line.until_one_is(Outcome.PASS)
        until(lambda: is_high(5) and not is_high(6), WAIT_S)
        assert is_high(19), "the station works"

    assert (bad, good) == (1, 0), "how often the gate opened"
    assert not is_high(19)
    with open_reader(tmp_path / "bolts.db") as reader:
        counts = reader.counts()
    assert counts["triggers"] == len(verdicts)
    assert counts["pass"] >= 2
    assert counts["fail"] >= 1
    assert (counts["waiting"], counts["incident"]) == (0, 0)
    assert [*(tmp_path / "bolts").rglob("*.jpg")], "what was thrown out is kept"


class Line:
    """A belt with bolts on it, one after the other."""

    def __init__(self, gate: RejectOutput, verdicts: list[Verdict]) -> None:
        self._gate, self._verdicts = gate, verdicts

    def until_one_is(self, wanted: Outcome) -> int:
        """Let bolts come until one is judged so; return how often the gate opened for that one.

        On a busy machine a frame may come too late: that bolt is missed, and the next one comes.
        """
        for _ in range(10):
            opened = rises(24)
            if self._next().outcome is wanted:
                return rises(24) - opened
        raise AssertionError(f"no {wanted} among {self._verdicts}")

    def _next(self) -> Verdict:
        count = len(self._verdicts)
        made_up(17).drive_high()
        until(lambda: len(self._verdicts) > count, WAIT_S)
        made_up(17).drive_low()
        until(lambda: self._gate.tally.arrived > count and not is_high(24), WAIT_S)
        return self._verdicts[count]


@pytest.mark.skipif(bool(missing("pymodbus")), reason=missing("pymodbus"))
def test_the_plc_announces_a_casting_and_reads_its_verdict(
    made: Made, camera: MjpegServer, tmp_path: Path
) -> None:
    plc = Plc()
    try:
        here = {"host": "127.0.0.1", "port": plc.port}
        settings = elsewhere(CASTINGS, made, camera, tmp_path)
        settings = replace(
            settings,
            trigger={**(settings.trigger or {}), **here},
            outputs=changed(
                settings.outputs, {"modbus": here, "prometheus": {"port": closed_port()}}
            ),
            providers=({"kind": "cpu"},),
        )
        with running(settings, tmp_path) as (_, verdicts):
            read = [announce(plc, 7)]
            camera.show(BAD)
            until(lambda: len(verdicts) == 1, WAIT_S)
            read += announced_until(plc, 2)
    finally:
        plc.kill()

    assert [verdict.part for verdict in verdicts][:1] == ["7"]
    assert read[0][1:3] == [1, 0], "7 passes"
    assert read[-1][1:3] == [2, 0], "a bad one fails"
    with open_reader(tmp_path / "castings.db") as reader:
        counts = reader.counts()
    assert counts["triggers"] == len(verdicts)
    assert counts["waiting"] == 0


def announce(plc: Plc, number: int) -> list[int]:
    """Announce a casting as the PLC's program does; return the block that it reads then."""
    before = plc.registers(200)[0]
    plc.write(110, number)
    plc.set(100, True)
    until(lambda: plc.is_on(101), WAIT_S)
    plc.set(100, False)
    until(lambda: not plc.is_on(101), WAIT_S)
    until(lambda: plc.registers(200)[0] != before, WAIT_S)
    return plc.registers(200, 16)


def announced_until(plc: Plc, outcome: int) -> list[list[int]]:
    """Announce castings until one is judged so: the camera may show the last one for a moment."""
    found = []
    for number in range(8, 18):
        found.append(announce(plc, number))
        if found[-1][1] == outcome:
            return found
    raise AssertionError(found)


def test_the_scout_says_where_sick_leaves_are_and_which_photos_to_take_again(
    made: Made, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, rows in {
        "a.png": [["good", "good"]],
        "b.png": [["good", "scratch"]],
        "d.png": [["scratch", "scratch"]],
    }.items():
        cv2.imwrite(str(photos / name), tray(rows)[..., ::-1])
    (photos / "c.png").write_bytes(b"\x89PNG half a photo")
    script, to = str(EXAMPLES / "leaf_scouting.py"), str(tmp_path / "found.csv")
    command = [sys.executable, script, str(made.path), str(photos)]
    flags = ["--good", "good", "--tile-px", "100", "--to", to]

    done = subprocess.run(
        [*command, *flags], capture_output=True, text=True, timeout=WAIT_S, check=False
    )

    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert (done.returncode, done.stderr) == (0, "")
    keys = ("outcome", "sick tiles", "of")
    assert [(Path(row["photo"]).name, *map(row.get, keys)) for row in table] == [
        ("d.png", "FAIL", "2", "2"),
        ("b.png", "FAIL", "1", "2"),
        ("a.png", "PASS", "0", "2"),
        ("c.png", "REVIEW", "0", "0"),
    ]  # fmt: skip
    assert table[1]["worst"].startswith("tile 2,1: scratch ")
    assert "c.png" in table[3]["reason"]
    first, *where = done.stdout.splitlines()
    assert first == f"4 photos, 2 with sick leaves; {tmp_path / 'found.csv'}"
    assert [line.split(":")[0].strip().rpartition("/")[2] for line in where] == ["d.png", "b.png"]
