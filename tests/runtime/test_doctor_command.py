"""``edgecls doctor`` before a shift: every room is one line, and nobody is told."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from bundles import lying
from edgecls import cli
from edgecls_runtime.journal import Journal
from edgecls_runtime.journal.reading import open_reader
from journals import SESSION, verdict
from outputs_pins import GATE_PIN, made_up
from parts import Made, tray
from servers import MjpegServer
from trigger_sources import ACKNOWLEDGE, COIL, Plc, closed_port, listens, missing

TILES = '[[views]]\nname = "tile"\ntile_px = 100\n'
RULE = '[rule]\ngood = ["good"]\nmin_score = 0.6\n'
FOLDER = '[camera]\nkind = "folder"\npath = "parts"\n'
EVIDENCE = '[[outputs]]\nkind = "image"\npath = "kept"\nmin_free_mb = 1\n'
GATE = f'[[outputs]]\nkind = "reject"\nlibrary = "gpiozero"\npin = {GATE_PIN}\ndelay_ms = 500\n'
Capture = pytest.CaptureFixture[str]


class Bench:
    """A folder with a bundle, images and a station file, and what the doctor says of it."""

    def __init__(self, folder: Path, made: Made, capture: Capture) -> None:
        self.folder, self._made, self._capture = folder, made, capture
        (folder / "parts").mkdir()
        cv2.imwrite(str(folder / "parts/tray.png"), tray([["good", "scratch"]])[..., ::-1])
        (folder / "bundle").symlink_to(made.path)

    def station(self, *tables: str, top: str = "", camera: str = FOLDER, rule: str = RULE) -> Path:
        host = "[host]\ndisk_free_mb = 0\nmemory_free_percent = 0\npressure_percent = 100\n"
        path = self.folder / "station.toml"
        text = "\n".join(['bundle = "bundle"', top, camera, rule, *tables, host])
        path.write_text(text, encoding="utf-8")
        return path

    def times(self) -> dict[str, int]:
        """Return when each file was written; what engines keep in the user's cache left out."""
        files = (*self.folder.glob("*"), *self.folder.glob("parts/*"))
        return {
            str(path): path.stat().st_mtime_ns for path in files if path != self.folder / "cache"
        }

    def asked(self, path: Path, *flags: str) -> tuple[int, list[str]]:
        """Return the exit code and the lines."""
        code = cli.main(["doctor", str(path), *flags])
        out, err = self._capture.readouterr()
        assert err == ""
        return code, out.splitlines()


@pytest.fixture
def bench(made: Made, tmp_path: Path, capsys: Capture) -> Bench:
    return Bench(tmp_path, made, capsys)


@pytest.fixture
def busy_port() -> Iterator[int]:
    with MjpegServer(tray([["good"]])) as server:
        yield server.port


def judged(path: Path, parts: int = 3) -> None:
    """Make a journal of some parts."""
    with closing(Journal(path, SESSION)) as journal:
        for number in range(parts):
            journal.record(verdict(f"bolt {number}"))


def one(lines: list[str], room: str) -> str:
    (found,) = (line for line in lines if line[7:].startswith(f"{room}:"))
    return found


def test_a_station_that_is_well_is_a_line_for_each_room_and_exit_code_0(bench: Bench) -> None:
    port = closed_port()
    file = bench.station(
        TILES,
        '[trigger]\nkind = "interval"\nevery_ms = 500\n',
        '[journal]\npath = "verdicts.db"\n',
        f"[web]\nport = {port}\n",
        EVIDENCE,
        '[[outputs]]\nkind = "terminal"\n',
    )

    code, lines = bench.asked(file)

    rooms = [line[7:].partition(":")[0] for line in lines if not line.startswith("   ")]
    assert code == 0
    assert {line[:7] for line in lines} == {"ok     ", "       "}
    assert rooms == [
        "file", "bundle", "rule", "provider", "camera", "verdict", "trigger", "journal",
        "output image", "output terminal", "evidence", "web", "machine",
    ]  # fmt: skip
    assert one(lines, "file") == f"ok     file: {file}: 1 camera, 2 outputs; every key is known"
    assert "files unaltered, labels good, scratch" in one(lines, "bundle")
    assert "on CPUExecutionProvider: 8 golden samples within " in one(lines, "provider")
    assert "100 % of the arithmetic" in one(lines, "provider")
    assert one(lines, "camera").startswith(f"ok     camera: folder {file.parent}/parts: 200 x 100 ")
    assert one(lines, "verdict").startswith("ok     verdict: FAIL in ")
    at = lines.index(one(lines, "verdict"))
    assert [line.rpartition(" ")[0].strip() for line in lines[at + 1 : at + 3]] == [
        "tile 1,1: PASS, good",
        "tile 2,1: FAIL, scratch",
    ]
    assert one(lines, "trigger") == "ok     trigger: interval: opened and closed"
    assert one(lines, "output image") == (
        "ok     output image: image: needs nothing; not opened (--open-outputs opens it)"
    )
    assert f"http://127.0.0.1:{port} was served, with a link " in one(lines, "web")


def test_nothing_is_written_and_the_page_is_closed_again(bench: Bench) -> None:
    port = closed_port()
    file = bench.station('[journal]\npath = "verdicts.db"\n', f"[web]\nport = {port}\n", EVIDENCE)
    judged(bench.folder / "verdicts.db")
    before = bench.times()

    code, lines = bench.asked(file)

    assert code == 0
    assert "3 parts, the newest 3 entries hold; " in one(lines, "journal")
    assert bench.times() == before
    assert not listens(port)


def test_json_is_for_programs(bench: Bench) -> None:
    file = bench.station(TILES)

    code, lines = bench.asked(file, "--json")

    found = json.loads("\n".join(lines))
    rooms: dict[str, dict[str, Any]] = {room["room"]: room for room in found["rooms"]}
    assert (code, found["well"], found["station"]) == (0, True, str(file))
    assert rooms["verdict"]["outcome"] == "fail"
    assert [place["name"] for place in rooms["verdict"]["places"]] == ["tile 1,1", "tile 2,1"]
    assert rooms["camera"]["frame_px"] == [200, 100]
    assert rooms["journal"]["state"] == "not tried"
    assert rooms["machine"]["memory_available_mb"] > 0


OUTPUT = "[[outputs]]\n"
WRONG_FILES = [
    (
        ["no_such_table = 1"],
        FOLDER,
        RULE,
        "file: {file}.no_such_table: unknown key; known keys are bundle, rule, camera, ",
    ),
    (
        [f'{OUTPUT}kind = "image"\npth = "kept"\n'],
        FOLDER,
        RULE,
        "file: outputs[0].pth: unknown key; known keys are path, pass_share, ",
    ),
    (
        [f'{OUTPUT}kind = "image"\npath = "a"\nonly = ["bad"]\n'],
        FOLDER,
        RULE,
        "file: outputs.only: 'bad'; expected of pass, fail, review, missed, error, incident",
    ),
    (
        [f'{OUTPUT}kind = "lamp"\n'],
        FOLDER,
        RULE,
        "file: edgecls.outputs: no kind 'lamp'; known kinds are ",
    ),
    (
        [f'{OUTPUT}kind = "terminal"\n{OUTPUT}kind = "terminal"\n'],
        FOLDER,
        RULE,
        "file: outputs: 2 are called 'terminal'; expected a different name = '...' in each table",
    ),
    (
        [f'{OUTPUT}kind = "webhook"\nurl = "https://line.example/"\n'],
        FOLDER,
        RULE,
        "file: outputs[0]: webhook is told later what was decided while it was down, which needs ",
    ),
    (
        [GATE, f'{OUTPUT}kind = "gpio"\npass_pin = {GATE_PIN}\n'],
        FOLDER,
        RULE,
        f"file: output gpio.pass_pin: GPIO{GATE_PIN} is output reject.pin already; expected a pin",
    ),
    (
        [],
        FOLDER,
        '[rule]\ngood = ["fine"]\n',
        "rule: rule.good: 'fine' is no label of the bundle; its labels are good, scratch",
    ),
    (
        [],
        '[camera]\nkind = "fake"\nwidth_px = 0\n',
        RULE,
        "camera: ",
    ),
]


@pytest.mark.parametrize(("tables", "camera", "rule", "fault"), WRONG_FILES)
def test_a_file_that_is_wrong_is_said_with_the_key_and_is_exit_code_2(
    bench: Bench, tables: list[str], camera: str, rule: str, fault: str
) -> None:
    top = tables[0] if tables and "[" not in tables[0] else ""
    file = bench.station(*tables[bool(top) :], top=top, camera=camera, rule=rule)

    code, lines = bench.asked(file)

    expected = f"FAULT  {fault.format(file=file)}"
    assert code == 2
    assert any(line.startswith(expected) for line in lines), lines


def test_a_table_that_is_wrong_keeps_nobody_from_the_other_rooms(bench: Bench) -> None:
    file = bench.station(
        f'{OUTPUT}kind = "image"\npth = "kept"\n', f'{OUTPUT}kind = "terminal"\nbell = true\n'
    )

    code, lines = bench.asked(file)

    assert code == 2
    assert sum(line.startswith("FAULT  file: ") for line in lines) == 2
    assert one(lines, "output image") == "-      output image: its table is wrong"
    assert one(lines, "verdict").startswith("ok ")
    assert one(lines, "machine").startswith("ok ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "{file}: No such file or directory; expected a station file"),
        ("bundle = ", "{file}: not TOML: Invalid value (at end of document)"),
    ],
)
def test_what_is_no_station_file_is_one_line(bench: Bench, text: str | None, fault: str) -> None:
    file = bench.folder / "other.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    code, lines = bench.asked(file)

    assert (code, lines) == (2, [f"FAULT  file: {fault.format(file=file)}"])


def no_bundle(bench: Bench) -> None:
    (bench.folder / "bundle").unlink()


def altered_bundle(bench: Bench) -> None:
    path = (bench.folder / "bundle").resolve()
    no_bundle(bench)
    shutil.copytree(path, bench.folder / "bundle")
    with next((bench.folder / "bundle").glob("*.onnx")).open("ab") as model:
        model.write(b"!")


@pytest.mark.parametrize("damage", [no_bundle, altered_bundle])
def test_without_its_bundle_the_rest_of_a_station_is_looked_at_all_the_same(
    bench: Bench, damage: Callable[[Bench], None]
) -> None:
    damage(bench)

    code, lines = bench.asked(bench.station())

    assert code == 1
    assert one(lines, "bundle").startswith("FAULT  bundle: ")
    assert str(bench.folder / "bundle") in one(lines, "bundle")
    assert one(lines, "provider") == "-      provider: not without the bundle"
    assert one(lines, "camera").startswith("ok ")
    assert one(lines, "verdict") == "-      verdict: nothing answers"


def test_a_bundle_that_answers_wrongly_here_is_a_fault_of_the_provider(
    bench: Bench, made: Made
) -> None:
    no_bundle(bench)
    lying(made.path, bench.folder / "bundle")

    code, lines = bench.asked(bench.station())

    assert code == 1
    assert " answers wrongly here on CPUExecutionProvider: " in one(lines, "provider")
    assert one(lines, "provider").endswith("choose another variant (edgecls verify)")


def test_what_was_passed_over_for_a_provider_is_said(bench: Bench) -> None:
    cuda = '[[providers]]\nkind = "cuda"\n[[providers]]\nkind = "cpu"\n'

    code, lines = bench.asked(bench.station(cuda))

    assert code == 0
    assert any(line.startswith("         passed over: CUDAExecutionProv") for line in lines), lines


def test_a_camera_that_is_not_there_is_a_fault_and_no_verdict(bench: Bench) -> None:
    port = closed_port()
    camera = f'[camera]\nkind = "http"\nurl = "http://127.0.0.1:{port}/"\n'

    code, lines = bench.asked(bench.station(camera=camera))

    assert code == 1
    assert one(lines, "camera").startswith(
        f"FAULT  camera: http camera http://127.0.0.1:{port}/: nobody "
    )
    assert one(lines, "verdict") == "-      verdict: not without a frame"


def test_each_camera_is_opened_and_judged_by_its_name(bench: Bench) -> None:
    with MjpegServer(tray([["good"]])) as server:
        cameras = (
            f'[cameras.left]\nkind = "http"\nurl = "{server.url}"\n'
            '[cameras.right]\nkind = "folder"\npath = "nowhere"\n'
        )
        code, lines = bench.asked(bench.station(camera=cameras))

    assert code != 0
    assert ": 100 x 100 px, " in one(lines, "camera left")
    assert one(lines, "verdict left").startswith("ok     verdict left: PASS in ")
    assert one(lines, "camera right").startswith("FAULT  camera right: ")
    assert one(lines, "verdict right") == "-      verdict right: not without a frame"


def test_a_frame_that_is_not_fit_to_be_judged_is_a_fault(bench: Bench) -> None:
    black = (
        'timeout_ms = 300\n[camera]\nkind = "fake"\nlive = true\nrate_hz = 50\n'
        'script = ["black*100"]\n'
    )

    code, lines = bench.asked(bench.station(camera=black))

    assert code == 1
    assert one(lines, "camera").startswith("FAULT  camera: frame not fit to be judged: fake camera")


def test_a_trigger_whose_port_is_taken_is_a_fault(bench: Bench, busy_port: int) -> None:
    trigger = f'[trigger]\nkind = "http"\nport = {busy_port}\n'

    code, lines = bench.asked(bench.station(trigger))

    assert code == 1
    assert one(lines, "trigger") == (
        f"FAULT  trigger: http trigger 127.0.0.1:{busy_port}: Address already in use; "
        f"expected an address of this machine and a free port"
    )


@pytest.mark.skipif(bool(missing("pymodbus")), reason=missing("pymodbus"))
def test_a_part_is_acknowledged_to_nobody_without_that_being_said(bench: Bench) -> None:
    plc = Plc()
    plc.set(COIL, True)
    keys = {"kind": "modbus", **plc.table, "acknowledge": ACKNOWLEDGE}
    trigger = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    try:
        for _ in range(5):  # it is heard or not, as it happens
            code, lines = bench.asked(bench.station(f"[trigger]\n{trigger}\n"))
            is_taken = plc.is_on(ACKNOWLEDGE)
            plc.set(ACKNOWLEDGE, False)

            assert (code == 1) is is_taken
            assert one(lines, "trigger") == (
                "FAULT  trigger: modbus: announced 1 parts meanwhile, which nobody judges; "
                "expected a line that stands still while it is looked at"
                if is_taken
                else "ok     trigger: modbus: opened and closed"
            )
    finally:
        plc.kill()


def test_lines_of_stdin_are_left_to_the_station(bench: Bench) -> None:
    code, lines = bench.asked(bench.station('[trigger]\nkind = "software"\n'))

    assert code == 0
    assert one(lines, "trigger") == (
        "-      trigger: software: not opened: it takes the lines of stdin, and each is a part"
    )


def test_a_port_of_the_page_that_is_taken_is_a_fault(bench: Bench, busy_port: int) -> None:
    code, lines = bench.asked(bench.station(f"[web]\nport = {busy_port}\n"))

    assert code == 1
    assert one(lines, "web") == (
        f"FAULT  web: web 127.0.0.1:{busy_port}: Address already in use; expected a free port of "
        f"this machine; set another one as web.port"
    )


KEPT = '[journal]\npath = "verdicts.db"\n'


def test_a_journal_that_was_changed_is_a_fault_with_the_command_that_says_more(
    bench: Bench,
) -> None:
    path = bench.folder / "verdicts.db"
    judged(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE verdicts SET outcome = 'fail' WHERE id = 2")

    code, lines = bench.asked(bench.station(KEPT))

    assert code == 1
    assert one(lines, "journal") == (
        f"FAULT  journal: {path}: row 2, part bolt 1: does not fit its hash; it, its session or "
        f"the entry before it was changed; see: edgecls journal verify {path}"
    )


def test_only_the_newest_entries_are_held_to_the_one_before_them(tmp_path: Path) -> None:
    from edgecls_runtime.journal.checking import check_end  # noqa: PLC0415

    judged(tmp_path / "v.db", 5)
    with closing(sqlite3.connect(tmp_path / "v.db")) as database, database:
        database.execute("UPDATE verdicts SET reason = '' WHERE id = 2")

    with open_reader(tmp_path / "v.db") as reader:
        found = {entries: check_end(reader, entries) for entries in (0, 2, 3, 4, 5, 9)}

    assert {n: (one.entries, len(one.faults)) for n, one in found.items()} == {
        0: (0, 0), 2: (2, 0), 3: (3, 0), 4: (4, 1), 5: (5, 1), 9: (5, 1)
    }  # fmt: skip
    assert {one.head_row for one in found.values()} == {5}


def test_a_journal_that_a_station_writes_is_said_before_its_cameras_are_missed(
    bench: Bench,
) -> None:
    with closing(Journal(bench.folder / "verdicts.db", SESSION)):
        code, lines = bench.asked(bench.station(KEPT))

    assert code == 1
    assert one(lines, "journal").endswith(
        "verdicts.db: a station is writing it; end that one first, for it has the cameras and pins "
        "too"
    )


def test_a_journal_that_is_somebody_else_s_is_a_fault(bench: Bench) -> None:
    path = bench.folder / "verdicts.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE songs (title TEXT)")

    code, lines = bench.asked(bench.station(KEPT))

    assert code == 1
    assert one(lines, "journal") == (
        f"FAULT  journal: journal {path}: a database, but not an edgecls journal"
    )


def test_a_journal_of_an_earlier_version_is_well(bench: Bench) -> None:
    path = bench.folder / "verdicts.db"
    judged(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 3")

    code, lines = bench.asked(bench.station(KEPT))

    assert code == 0
    assert f"{path}: of version 3; the station brings it up to date; " in one(lines, "journal")


def test_a_place_that_is_no_folder_is_a_fault(bench: Bench) -> None:
    (bench.folder / "file").write_text("", encoding="utf-8")
    tables = '[journal]\npath = "file/verdicts.db"\n', EVIDENCE.replace("kept", "file")

    code, lines = bench.asked(bench.station(*tables))

    where = f"{bench.folder / 'file'}: is no folder; choose another path"
    assert code == 1
    assert one(lines, "journal") == f"FAULT  journal: journal {where}"
    assert one(lines, "evidence") == f"FAULT  evidence: image output {where}"


def test_a_disk_without_room_is_a_fault(bench: Bench) -> None:
    more = EVIDENCE.replace("min_free_mb = 1", "min_free_mb = 900000000")
    file = bench.station(KEPT, more)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("disk_free_mb = 0", "disk_free_mb = 9e8"), encoding="utf-8")

    code, lines = bench.asked(file)

    machine = [line for line in lines if line[7:].startswith("machine:")]
    assert code == 1
    assert one(lines, "evidence").endswith(
        "MB free on its disk; expected 9e+08 (min_free_mb); no image would be kept: free space"
    )
    assert len(machine) == 2
    assert all(line.startswith("FAULT  machine: disk ") for line in machine)


@pytest.mark.usefixtures("made_up_pins")
def test_pins_are_driven_only_when_that_is_asked_for(bench: Bench) -> None:
    file = bench.station(f'{GATE}name = "gate"\n')

    bench.asked(file)
    untouched = made_up_board()
    code, lines = bench.asked(file, "--open-outputs")

    assert not untouched
    assert (code, one(lines, "output gate")) == (0, "ok     output gate: reject: opened and closed")
    assert made_up(GATE_PIN).states[1:], "nobody drove it"


def made_up_board() -> object:
    from gpiozero import Device  # noqa: PLC0415

    return Device.pin_factory


@pytest.mark.usefixtures("made_up_pins")
def test_an_output_that_cannot_be_opened_is_a_fault(bench: Bench) -> None:
    file = bench.station(GATE.replace(f"pin = {GATE_PIN}", "pin = 4000"))

    code, lines = bench.asked(file, "--open-outputs")

    assert code == 1
    assert one(lines, "output reject").startswith("FAULT  output reject: reject output pin 4000: ")


def test_without_a_file_it_says_what_is_here() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgecls", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    found = json.loads(done.stdout)
    texts = [(room["room"], room["state"], room["text"]) for room in found["rooms"]]
    assert (done.returncode, found["well"], found["station"]) == (0, True, None)
    assert texts[0][:2] == ("python", "ok")
    assert texts[1][:2] == ("engine", "ok")
    assert any(room == "provider" and text.startswith("cpu: ran ") for room, _, text in texts)
    assert any(room == "camera" and text.startswith("http: ") for room, _, text in texts)
