"""``edgecls service``, specified as far as no systemd need run: what is written and refused."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from edgecls_runtime.service import systemd
from parts import Made
from services import ME, edgecls, printed, station


def test_install_writes_the_unit_and_the_folders_that_it_writes_to(
    made: Made, tmp_path: Path
) -> None:
    file = station(tmp_path / "line", made)
    units = tmp_path / "units"
    units.mkdir()

    done = edgecls("install", file, "--user", ME, "--units", units, "--json")

    answer = json.loads(done.stdout)
    assert (answer["name"], answer["started"]) == ("line", False)
    assert Path(answer["unit"]).read_text() == printed(file)
    assert (file.parent / "data").is_dir()
    assert [one.name for one in units.iterdir()] == ["edgecls-line.service"]


def test_install_again_brings_the_unit_up_to_date(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path / "line", made)
    flags = ("--user", ME, "--units", tmp_path)
    edgecls("install", file, *flags)

    done = edgecls("install", file, *flags, "--watchdog", 99)

    assert done.returncode == 0, done.stderr
    assert "WatchdogSec=99\n" in (tmp_path / "edgecls-line.service").read_text()


def test_a_unit_that_somebody_else_wrote_is_left_alone_without_force(
    made: Made, tmp_path: Path
) -> None:
    file, foreign = station(tmp_path / "line", made), tmp_path / "edgecls-line.service"
    foreign.write_text("[Service]\nExecStart=/bin/true\n")
    flags = ("--user", ME, "--units", tmp_path)

    refused = edgecls("install", file, *flags)
    kept = foreign.read_text()
    forced = edgecls("install", file, *flags, "--force")

    assert (refused.returncode, forced.returncode) == (2, 0)
    assert refused.stderr == (
        f"edgecls service: {foreign}: not written by edgecls, or changed since; expected it as "
        f"edgecls wrote it; keep changes in systemctl edit edgecls-line.service, and use --force\n"
    )
    assert kept == "[Service]\nExecStart=/bin/true\n"


def test_a_unit_of_ours_that_was_changed_by_hand_is_left_alone(made: Made, tmp_path: Path) -> None:
    file, flags = station(tmp_path / "line", made), ("--user", ME, "--units", tmp_path)
    edgecls("install", file, *flags)
    written = tmp_path / "edgecls-line.service"
    written.write_text(written.read_text().replace("WatchdogSec=30", "WatchdogSec=0"))

    install, remove = edgecls("install", file, *flags), edgecls("remove", "line", *flags[2:])

    assert (install.returncode, remove.returncode) == (2, 2)
    assert "changed since" in install.stderr
    assert "WatchdogSec=0" in written.read_text()


def test_two_stations_cannot_take_one_name_by_accident(made: Made, tmp_path: Path) -> None:
    flags = ("--user", ME, "--units", tmp_path)
    first, second = (station(tmp_path / name, made) for name in ("press", "oven"))
    edgecls("install", first, *flags)

    done = edgecls("install", second, *flags)

    assert done.returncode == 2
    assert done.stderr == (
        f"edgecls service: {tmp_path}/edgecls-line.service: runs {first}; expected {second}; "
        f"choose another --name, or --force\n"
    )
    assert edgecls("install", second, *flags, "--name", "oven").returncode == 0


def test_remove_takes_the_unit_away_and_leaves_what_was_written(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path / "line", made)
    edgecls("install", file, "--user", ME, "--units", tmp_path)

    done = edgecls("remove", "line", "--units", tmp_path)

    assert (done.returncode, [*tmp_path.glob("*.service")]) == (0, [])
    assert (file.parent / "data").is_dir()


WRONG = [
    (
        "unknown key",
        'kind = "usb"\nexposure = 4',
        "",
        "camera.exposure: unknown key; known keys are device, format, ",
    ),
    ("unknown kind", 'kind = "webcam"', "", "edgecls.cameras: no kind 'webcam'; known kinds are "),
    (
        "ends",
        'kind = "folder"\npath = "photos"',
        "",
        "camera: comes to an end, and a service begins again for ever; expected watch = true\n",
    ),
    (
        "video",
        'kind = "video"\npath = "a.mp4"',
        "",
        "camera: comes to an end, and a service begins again for ever; run it with edgecls run\n",
    ),
    (
        "output",
        'kind = "usb"',
        '[[outputs]]\nkind = "terminal"\nwindow_ms = 0',
        "outputs.window_ms: 0; expected above 0, at most 86400000\n",
    ),
    ("label", 'kind = "usb"', "", "rule.good: "),
]


@pytest.mark.parametrize(
    ("camera", "more", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_station_file_that_is_wrong_is_one_line_and_no_unit(
    made: Made, tmp_path: Path, camera: str, more: str, said: str
) -> None:
    file = station(tmp_path / "line", made, camera=camera)
    text = f"{file.read_text()}{more}\n"
    file.write_text(text.replace('["good"]', '["gold"]') if said.startswith("rule") else text)

    done = edgecls("install", file, "--user", ME, "--units", tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith(f"edgecls service: {said}")
    assert done.stderr.count("\n") == 1
    assert [*tmp_path.glob("*.service")] == []


def test_a_bundle_that_is_not_there_is_refused_before_anything_is_written(
    made: Made, tmp_path: Path
) -> None:
    file = station(tmp_path / "line", made)
    file.write_text(file.read_text().replace(str(made.path), "/nowhere.bundle"))

    done = edgecls("install", file, "--user", ME, "--units", tmp_path)

    assert done.returncode == 3
    assert "/nowhere.bundle: " in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.getuid() != 0, reason="a file of root's can only be made by root")
def test_a_station_file_of_root_s_needs_to_be_told_who_runs_it(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path, made)

    done = edgecls("install", file, "--print")

    assert done.returncode == 2
    assert done.stderr == (
        f"edgecls service: {file}: belongs to root, and a station needs no root; expected --user "
        f"with who shall run it, such as one made by: useradd --system edgecls\n"
    )


def test_a_user_who_is_unknown_is_refused_with_the_command_that_makes_one(
    made: Made, tmp_path: Path
) -> None:
    done = edgecls("install", station(tmp_path, made), "--user", "nobdoy", "--units", tmp_path)

    assert done.returncode == 2
    assert done.stderr == (
        "edgecls service: --user: nobdoy: no such user; run: useradd --system nobdoy\n"
    )


def test_a_folder_of_units_that_is_not_there_is_one_line(made: Made, tmp_path: Path) -> None:
    done = edgecls("install", station(tmp_path, made), "--user", ME, "--units", tmp_path / "no")

    assert done.returncode == 5
    assert done.stderr == (
        f"edgecls service: {tmp_path}/no/.edgecls-line.service.new: No such file or directory; "
        f"expected to write the unit; run it with sudo, or see it with --print\n"
    )


def test_status_without_any_service_says_how_to_make_one(tmp_path: Path) -> None:
    none, unknown = (edgecls("status", *name, "--units", tmp_path) for name in ((), ("line",)))

    assert (none.returncode, unknown.returncode) == (2, 2)
    assert none.stderr == (
        f"edgecls service: service: none in {tmp_path}; expected one; "
        f"run: edgecls service install\n"
    )
    assert unknown.stderr == (
        f"edgecls service: service line: {tmp_path}/edgecls-line.service: No such file or "
        f"directory; installed here: none\n"
    )


@pytest.mark.skipif(systemd.is_running(), reason="this machine has a systemd that answers")
def test_status_where_no_systemd_runs_is_one_line(made: Made, tmp_path: Path) -> None:
    edgecls("install", station(tmp_path / "line", made), "--user", ME, "--units", tmp_path)

    done = edgecls("status", "--units", tmp_path)

    assert done.returncode == 5
    assert done.stderr.startswith("edgecls service: systemctl")
    assert done.stderr.count("\n") == 1


def test_alive_answers_a_health_check_by_its_exit_code(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    never = edgecls("alive", EDGECLS_ALIVE=str(alive))
    alive.touch()
    now = edgecls("alive", "--json", EDGECLS_ALIVE=str(alive))
    os.utime(alive, (time.time() - 100, time.time() - 100))
    late = edgecls("alive", "--file", alive, "--within", 90)

    assert (never.returncode, now.returncode, late.returncode) == (1, 0, 1)
    assert never.stdout == f"{alive}: no sign of life\n"
    assert json.loads(now.stdout)["alive"] is True
    assert re.fullmatch(rf"{alive}: last sign of life 1\d\d\.\d s ago\n", late.stdout)


def test_alive_without_a_file_says_which_variable_names_it() -> None:
    done = edgecls("alive", EDGECLS_ALIVE="")

    assert done.returncode == 2
    assert done.stderr == (
        "edgecls service: --file: not given, and EDGECLS_ALIVE is not set; expected the file that "
        "the station touches\n"
    )
