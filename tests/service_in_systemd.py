"""What ``scripts/check_service.py`` runs in its virtual machine: a station under a real systemd.

Each check is a sentence and gets a line on stdout, ``ok`` or ``FAILED``; they follow one another.
The camera is the kernel's (vivid), read inside the sandbox of the unit.
"""

import faulthandler
import json
import os
import pwd
import re
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

WAIT_S = 240.0
WATCHDOG_S = 20
HOME = Path("/srv/line")
UNIT, HANGS = "edgecls-line.service", "edgecls-hangs.service"
BUNDLE = "/opt/checks/station.bundle"
STATION = f"""
format = 1
bundle = "{BUNDLE}"
max_age_ms = 60000
timeout_ms = 3000
prepare_threads = 0
[camera]
kind = "usb"
device = "/dev/video0"
width_px = 320
height_px = 180
rate_hz = 10.0
format = "YUYV"
[rule]
good = ["good"]
[journal]
path = "data/verdicts.db"
"""
# Not live, and without a thread that reads ahead: the loop itself hangs.
HANGING = f"""
format = 1
bundle = "{BUNDLE}"
prepare_threads = 0
[camera]
kind = "fake"
script = ["frame*3", "hang"]
[rule]
good = ["good"]
[journal]
path = "data/hangs.db"
"""


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def called(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stderr}{done.stdout}"
    return done.stdout


def edgecls(*arguments: str) -> str:
    return called(sys.executable, "-m", "edgecls", *arguments)


def shown(key: str, unit: str = UNIT) -> str:
    return called("systemctl", "show", unit, f"--property={key}", "--value").strip()


def until(what: str, true: Callable[[], bool], longest: float = WAIT_S) -> float:
    """Wait for something; return the seconds that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + longest, f"not within {longest:g} s: {what}; {said()}"
        time.sleep(0.2)
    return time.monotonic() - began


def said(unit: str = UNIT) -> str:
    """Return the last lines of a unit."""
    return called("journalctl", "--no-pager", "--output=cat", "--unit", unit, "--lines=200")


def asked(sql: str, name: str = "verdicts") -> list[tuple[object, ...]]:
    file = HOME / "data" / f"{name}.db"
    if not file.exists():
        return []
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    try:
        return database.execute(sql).fetchall()
    except sqlite3.OperationalError:  # its tables are being made
        return []
    finally:
        database.close()


def judged(name: str = "verdicts") -> int:
    """Return how many verdicts are kept."""
    return int(str((asked("SELECT count(*) FROM verdicts", name) or [(0,)])[0][0]))


def is_active(unit: str = UNIT) -> bool:
    return shown("ActiveState", unit) == "active"


def prepare() -> None:
    """Make the camera and the station files, and compile what will be imported."""
    called("modprobe", "vivid", "n_devs=1")
    account = pwd.getpwnam("station")
    (HOME / "data").mkdir(parents=True)
    (HOME / "line.toml").write_text(STATION)
    (HOME / "hangs.toml").write_text(HANGING)
    for path in (HOME, *HOME.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    imported = "import cv2, numpy, onnxruntime, edgecls_runtime.commands.run"
    called(sys.executable, "-c", f"{imported}, edgecls_runtime.cameras.usb")


# The checks, in their order.


def install_writes_a_unit_without_faults_that_is_little_exposed() -> None:
    answer = json.loads(
        edgecls("service", "install", f"{HOME}/line.toml", "--watchdog", str(WATCHDOG_S), "--json")
    )

    tell(f"       exposure {answer['exposure']}, user {answer['user']}")
    assert answer["faults"] == [], answer
    assert answer["user"] == "station"
    assert answer["started"] is True
    assert answer["exposure"] <= 2.0


def it_is_ready_when_everything_is_open() -> None:
    until("ready", is_active)

    assert shown("SubState") == "running"
    assert shown("UnitFileState") == "enabled"
    assert re.match(r"\d+ parts: ", shown("StatusText")), shown("StatusText")


def it_judges_frames_of_the_kernel_s_camera_inside_its_sandbox() -> None:
    until("20 verdicts", lambda: judged() >= 20)

    status = Path(f"/proc/{shown('MainPID')}/status").read_text()
    found = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
    assert found["Uid"].split()[0] == str(pwd.getpwnam("station").pw_uid)
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2"), found
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0
    with_frames = "SELECT count(*) FROM verdicts WHERE frame_number IS NOT NULL"
    assert int(str(asked(with_frames)[0][0])) >= 10, said()


def status_says_what_it_does() -> None:
    (answer,) = json.loads(edgecls("service", "status", "--json"))

    assert answer["name"] == "line"
    assert (answer["state"], answer["restarts"], answer["ours"]) == ("active", 0, True)
    assert " parts: " in answer["said"]
    tell(f"       {answer['memory_mb']} MB; {answer['said']}")


def it_is_alive_longer_than_its_watchdog_waits() -> None:
    time.sleep(2 * WATCHDOG_S)  # nothing to wait for: nothing must happen

    assert is_active()
    assert shown("NRestarts") == "0"


def reload_reads_its_file_again_in_the_same_process() -> None:
    before = shown("MainPID")

    called("systemctl", "reload", UNIT)

    until("reload", lambda: "reload: " in said())
    until("active", is_active)
    assert shown("MainPID") == before
    count = judged()
    until("more verdicts", lambda: judged() > count)


def a_process_that_stands_still_is_ended_and_started_again() -> None:
    began = time.monotonic()
    os.kill(int(shown("MainPID")), signal.SIGSTOP)

    until("restart", lambda: shown("NRestarts") == "1")
    tell(f"       started again {time.monotonic() - began:.1f} s after it stood still")
    until("ready", is_active)
    assert "Failed with result 'watchdog'" in said()


def after_kill_9_there_is_a_verdict_again() -> None:
    until("verdicts", lambda: judged() > 0)
    restarts, killed = int(shown("NRestarts")), int(shown("MainPID"))
    began = time.monotonic()

    os.kill(killed, signal.SIGKILL)

    until("restart", lambda: int(shown("NRestarts")) == restarts + 1)
    again, count = time.monotonic() - began, judged()
    assert shown("MainPID") != str(killed)
    until("a verdict", lambda: judged() > count)
    first = time.monotonic() - began
    tell(f"       restart began after {again:.1f} s, verdict after {first:.1f} s (emulated)")


def stop_ends_it_in_good_order() -> None:
    until("ready", is_active)
    count = judged()
    until("verdicts", lambda: judged() > count)

    called("systemctl", "stop", UNIT)

    assert shown("ActiveState") == "inactive"
    assert (shown("Result"), shown("ExecMainStatus")) == ("success", "0")
    assert shown("ExecMainCode") == "1"  # CLD_EXITED: by itself
    ((ended,),) = asked("SELECT ended_at FROM sessions ORDER BY id DESC LIMIT 1")
    assert ended is not None


def a_loop_that_hangs_is_ended_and_says_where_it_hung() -> None:
    edgecls("service", "install", f"{HOME}/hangs.toml", "--watchdog", str(WATCHDOG_S), "--json")

    until("restart", lambda: int(shown("NRestarts", HANGS)) >= 1)

    text = said(HANGS)
    assert judged("hangs") >= 3
    assert "Failed with result 'watchdog'" in text
    assert "Fatal Python error: Aborted" in text
    assert "in _play" in text, text
    called("systemctl", "stop", HANGS)


def a_station_file_that_is_wrong_is_not_tried_for_ever() -> None:
    (HOME / "line.toml").write_text(STATION.replace("good =", "godo ="))

    subprocess.run(["systemctl", "restart", UNIT], check=False, capture_output=True)

    until("failed", lambda: shown("ActiveState") == "failed")
    assert shown("ExecMainStatus") == "2"
    assert "unknown key; known keys are good" in said()


def a_changed_unit_is_left_alone_and_remove_takes_ours_away() -> None:
    file = Path("/etc/systemd/system") / HANGS
    file.write_text(file.read_text() + "# by hand\n")
    refused = subprocess.run(
        [sys.executable, "-m", "edgecls", "service", "remove", "hangs"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    edgecls("service", "remove", "line")

    assert refused.returncode == 2
    assert "not written by edgecls, or changed since" in refused.stderr
    assert file.exists()
    assert not (Path("/etc/systemd/system") / UNIT).exists()
    assert shown("LoadState") == "not-found"


CHECKS = (
    install_writes_a_unit_without_faults_that_is_little_exposed,
    it_is_ready_when_everything_is_open,
    it_judges_frames_of_the_kernel_s_camera_inside_its_sandbox,
    status_says_what_it_does,
    it_is_alive_longer_than_its_watchdog_waits,
    reload_reads_its_file_again_in_the_same_process,
    a_process_that_stands_still_is_ended_and_started_again,
    after_kill_9_there_is_a_verdict_again,
    stop_ends_it_in_good_order,
    a_loop_that_hangs_is_ended_and_says_where_it_hung,
    a_station_file_that_is_wrong_is_not_tried_for_ever,
    a_changed_unit_is_left_alone_and_remove_takes_ours_away,
)


def main() -> None:
    """Run everything, and say so at the end; after a failure the rest means nothing."""
    began = time.monotonic()
    prepare()
    tell(f"       systemd {called('systemctl', '--version').split()[1]}")
    tell(f"       prepared in {time.monotonic() - began:.1f} s")
    for check in CHECKS:
        began, name = time.monotonic(), check.__name__.replace("_", " ")
        faulthandler.dump_traceback_later(3 * WAIT_S, exit=True)
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            traceback.print_exc()
            sys.stderr.write(said() + said(HANGS))
            tell(f"FAILED {name}: {type(error).__name__}: {error}")
            break
        tell(f"ok     {name} ({time.monotonic() - began:.1f} s)")
    faulthandler.cancel_dump_traceback_later()
    tell("DONE")


if __name__ == "__main__":
    main()
