"""The unit of a station: what it has systemd do, what it allows, and what no unit can hold."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from edgecls.errors import ConfigError
from edgecls_runtime.service import checking, installing, systemd, unit
from parts import Made
from services import ME, edgecls, keys, printed, station

# systemd-analyze: 0 is not exposed at all, 10 is a program that may do everything.
MOST_EXPOSED = 2.0
TOOL = shutil.which("systemd-analyze")


def test_print_shows_the_unit_of_a_station_and_writes_nothing(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path / "line", made)

    found = keys(printed(file, "--units", tmp_path))

    assert found["Type"] == "notify"
    assert found["ExecStart"] == f"{sys.executable} -m edgecls run {file}"
    assert found["ExecReload"] == '/bin/sh -c "kill -HUP $MAINPID"'
    assert found["User"] == ME
    assert found["StateDirectory"] == "edgecls/line"
    assert (found["StandardOutput"], found["StandardError"]) == ("null", "journal")
    assert found["ReadWritePaths"].split()[-1] == str(file.parent / "data")
    assert (found["Restart"], found["RestartPreventExitStatus"]) == ("always", "2 3 6")
    assert [*tmp_path.glob("*.service")] == []
    assert not (file.parent / "data").exists()


@pytest.mark.skipif(TOOL is None, reason="systemd-analyze not installed")
@pytest.mark.parametrize(
    "camera",
    [
        'kind = "usb"',
        'kind = "http"\nurl = "http://10.0.0.7/a"',
        'kind = "gstreamer"\nsource = "test"',
    ],
    ids=["a device", "no device", "many devices"],
)
def test_systemd_finds_no_fault_in_it_and_calls_it_little_exposed(
    made: Made, tmp_path: Path, camera: str
) -> None:
    file = station(tmp_path, made, camera=camera)

    done = edgecls("install", file, "--user", "edgecls", "--print", "--json")

    answer = json.loads(done.stdout)
    assert answer["faults"] == []
    assert 0 < answer["exposure"] <= MOST_EXPOSED


@pytest.mark.parametrize(
    ("camera", "devices", "modules"),
    [
        ('kind = "usb"', "char-video4linux rw", "modprobe@videodev.service"),
        (
            'kind = "libcamera"',
            "char-dma_heap rw char-media rw char-video4linux rw",
            "modprobe@mc.service modprobe@videodev.service",
        ),
        ('kind = "aravis"', "char-usb_device rw", None),
    ],
)
def test_only_the_devices_of_its_cameras_are_allowed(
    made: Made, tmp_path: Path, camera: str, devices: str, modules: str | None
) -> None:
    found = keys(printed(station(tmp_path, made, camera=camera)))

    assert found["DevicePolicy"] == "closed"
    assert found["DeviceAllow"] == devices
    assert found.get("Wants") == modules
    assert "PrivateDevices" not in found


def test_a_trigger_s_pin_is_allowed_too(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path, made, camera='kind = "http"\nurl = "http://10.0.0.7/a"')
    file.write_text(file.read_text() + '[trigger]\nkind = "gpio"\npin = 4\n')

    assert keys(printed(file))["DeviceAllow"] == "char-gpiochip rw"


def test_a_station_without_devices_sees_none(made: Made, tmp_path: Path) -> None:
    found = keys(
        printed(station(tmp_path, made, camera='kind = "http"\nurl = "http://10.0.0.7/a"'))
    )

    assert found["PrivateDevices"] == "yes"
    assert "DeviceAllow" not in found


def test_the_watchdog_waits_for_several_time_outs_and_no_less_than_half_a_minute(
    made: Made, tmp_path: Path
) -> None:
    usual = keys(printed(station(tmp_path, made)))["WatchdogSec"]
    patient = keys(printed(station(tmp_path, made, more="timeout_ms = 60000")))["WatchdogSec"]
    wanted = keys(printed(station(tmp_path, made), "--watchdog", 7.5))["WatchdogSec"]

    assert (usual, patient, wanted) == ("30", "300", "7.5")


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/srv/line.toml", "/srv/line.toml"),
        ("/srv/two words.toml", '"/srv/two words.toml"'),
        ('/srv/a"b\\c.toml', '"/srv/a\\"b\\\\c.toml"'),
        ("/srv/50%.toml", "/srv/50%%.toml"),
    ],
)
def test_a_path_reaches_systemd_as_it_is(path: str, written: str) -> None:
    assert unit.quoted(path) == written


@pytest.mark.skipif(TOOL is None, reason="systemd-analyze not installed")
def test_a_folder_of_any_name_gives_a_unit_without_faults(made: Made, tmp_path: Path) -> None:
    file = station(tmp_path / "a $HOME 50% 'b'", made)

    plan = installing.planned(checking.checked(file), user="edgecls")
    text = unit.text(plan)

    assert systemd.faults(plan.unit, text) == []
    assert 'run "' in keys(text)["ExecStart"]
    assert "$$HOME 50%% 'b'" in keys(text)["ExecStart"]


def test_a_line_break_in_a_path_cannot_smuggle_a_setting_in() -> None:
    with pytest.raises(ConfigError) as caught:
        unit.quoted("/srv/x\nUser=root")

    assert str(caught.value) == (
        "'/srv/x\\nUser=root': holds a control character; expected another name"
    )


@pytest.mark.parametrize("name", ["a b", "../x", "", "-x", "a/b", "x" * 101, "Ж"])
def test_a_name_that_no_unit_can_have_is_refused(made: Made, tmp_path: Path, name: str) -> None:
    if not name:
        name = "\n"
    done = edgecls("install", station(tmp_path, made), "--user", ME, "--print", f"--name={name}")

    assert done.returncode == 2
    assert done.stderr == (
        f"edgecls service: --name: {name!r}; expected letters, digits, '_', '-' and '.', such as "
        f"line-1\n"
    )


def test_files_that_outputs_write_may_be_written_and_nothing_else(
    made: Made, tmp_path: Path
) -> None:
    file = station(tmp_path / "line", made)
    told = '[[outputs]]\nkind = "file"\npath = "told/verdicts.jsonl"\n'
    kept = '[[outputs]]\nkind = "image"\npath = "kept/images"\n'
    file.write_text(f"{file.read_text()}{told}{kept}")

    # The last ones: where there is a cache of the user's, it comes first.
    found = keys(printed(file))["ReadWritePaths"].split()[-3:]

    assert found == [str(file.parent / name) for name in ("data", "kept", "told")]
