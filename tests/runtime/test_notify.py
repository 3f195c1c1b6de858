"""What systemd is told, specified against a real datagram socket."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgecls_runtime import signals
from edgecls_runtime.host.settings import HostSettings
from edgecls_runtime.service import notify
from edgecls_runtime.service.attendance import Attendance
from edgecls_runtime.service.notify import Notifier

WAIT_S = 20.0


class Manager:
    """The other side: what a service manager hears."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def heard(self) -> list[str]:
        """Return all that has come."""
        self._socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found

    def until(self, wanted: Callable[[str], bool]) -> list[str]:
        """Return what comes, up to the wanted."""
        self._socket.settimeout(WAIT_S)
        found: list[str] = []
        while not found or not wanted(found[-1]):
            found.append(self._socket.recv(4096).decode())
        return found

    def close(self) -> None:
        self._socket.close()


@contextmanager
def manager(address: str) -> Iterator[Manager]:
    with closing(Manager(address)) as found:
        yield found


class Clock:
    """Monotonic seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def abstract(path: Path) -> tuple[str, str]:
    """Return an abstract address as the environment has it, and as the kernel has it."""
    name = f"edgecls-{os.getpid()}-{path.name}"
    return f"@{name}", f"\0{name}"


def test_a_socket_at_a_path_hears_what_a_station_says(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as other, closing(Notifier(address)) as notifier:
        notifier.ready("0 parts")
        notifier.status("3 parts:\n2 pass")
        notifier.stopping()

        assert other.heard() == ["READY=1\nSTATUS=0 parts", "STATUS=3 parts: 2 pass", "STOPPING=1"]


def test_an_abstract_socket_hears_it_too(tmp_path: Path) -> None:
    named, bound = abstract(tmp_path)
    with manager(bound) as other, closing(Notifier(named)) as notifier:
        notifier.ready()

        assert other.heard() == ["READY=1"]


def test_a_reload_carries_the_moment_it_began(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as other, closing(Notifier(address)) as notifier:
        before = time.monotonic_ns() // 1000
        notifier.reloading()

        reloading, _, usec = other.heard()[0].partition("\nMONOTONIC_USEC=")
        assert reloading == "RELOADING=1"
        assert before <= int(usec) <= time.monotonic_ns() // 1000


def test_signs_of_life_are_sent_at_beats_a_few_in_the_time_of_the_watchdog(tmp_path: Path) -> None:
    address, clock = str(tmp_path / "notify"), Clock()
    with manager(address) as other, closing(Notifier(address, 8.0, clock=clock)) as notifier:
        for _ in range(100):
            notifier.beat()
            clock.now += 0.1

        assert other.heard() == ["WATCHDOG=1"] * 5


def test_without_a_beat_time_alone_sends_none(tmp_path: Path) -> None:
    address, clock = str(tmp_path / "notify"), Clock()
    with manager(address) as other, closing(Notifier(address, 8.0, clock=clock)) as notifier:
        notifier.beat()
        clock.now += 1000
        notifier.status("still here")

        assert other.heard() == ["WATCHDOG=1", "STATUS=still here"]


def test_one_station_of_several_that_hangs_is_not_hidden_by_the_others(tmp_path: Path) -> None:
    address, clock = str(tmp_path / "notify"), Clock()
    with manager(address) as other, closing(Notifier(address, 8.0, clock=clock)) as notifier:
        left, right = notifier.beating(), notifier.beating()
        left.beat()
        right.beat()
        for _ in range(50):
            clock.now += 1
            left.beat()

        assert other.heard() == ["WATCHDOG=1"]


def test_a_station_at_its_end_is_not_waited_for(tmp_path: Path) -> None:
    address, clock = str(tmp_path / "notify"), Clock()
    with manager(address) as other, closing(Notifier(address, 8.0, clock=clock)) as notifier:
        left, right = notifier.beating(), notifier.beating()
        right.close()
        right.close()
        right.beat()
        left.beat()

        assert other.heard() == ["WATCHDOG=1"]


def test_the_environment_says_who_is_told_and_children_do_not_inherit_it(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "8000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    with manager(address) as other, closing(notify.from_environment(environment)) as notifier:
        notifier.beat()

        assert notifier.watched
        assert environment == {}
        assert other.heard() == ["WATCHDOG=1"]


def test_a_watchdog_of_another_process_is_not_fed(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "1"}
    with manager(address) as other, closing(notify.from_environment(environment)) as notifier:
        notifier.beat()
        notifier.ready()

        assert other.heard() == ["READY=1"]


def test_with_nobody_to_tell_nothing_is_opened_and_a_beat_is_a_question() -> None:
    with closing(notify.from_environment({})) as notifier:
        beats = notifier.beating()
        beats.beat()
        notifier.beat()
        notifier.ready("0 parts")

        assert (notifier.watched, beats.beaten, notifier._socket) == (False, False, None)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("vsock:2:9999", "NOTIFY_SOCKET: vsock:2:9999: expected a path or @name; nobody is told\n"),
        (
            "/nowhere/notify",
            (
                "NOTIFY_SOCKET: /nowhere/notify: No such file or directory; expected the service "
                "manager's\n"
            ),
        ),
    ],
    ids=["of a kind we do not know", "not there"],
)
def test_an_address_that_leads_nowhere_is_said_once_and_harms_nothing(
    address: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(notify.from_environment({"NOTIFY_SOCKET": address})) as notifier:
        notifier.ready()
        notifier.stopping()

    assert capsys.readouterr().err == said


def test_a_manager_that_does_not_read_holds_nothing_up_for_long(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address), closing(Notifier(address)) as notifier:
        began = time.monotonic()
        while not notifier._said and time.monotonic() < began + WAIT_S:
            notifier.status("x" * 1000)

        assert notifier._said == {"NOTIFY_SOCKET: nobody reads it; is the service manager busy?"}


def test_a_file_tells_a_health_check_when_the_last_beat_was(tmp_path: Path) -> None:
    alive, clock = tmp_path / "alive", Clock()
    with closing(Notifier(alive=alive, clock=clock)) as notifier:
        assert notify.age_of(alive) is None

        notifier.beat()
        os.utime(alive, (1000, 1000))
        notifier.beat()
        old = notify.age_of(alive)
        clock.now += notify.EVERY_S
        notifier.beat()

        assert old is not None
        assert old > 1e6
        assert (notify.age_of(alive) or 0.0) < WAIT_S


def test_a_clock_that_was_set_back_does_not_make_a_station_look_dead(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    alive.touch()
    later = time.time() + 3600
    os.utime(alive, (later, later))

    assert notify.age_of(alive) == 0.0


def test_a_running_station_says_what_it_does_and_what_is_wrong_with_its_machine(
    tmp_path: Path,
) -> None:
    address = str(tmp_path / "notify")
    notes: list[str] = []
    never_enough = HostSettings(disk_free_mb=1e12)
    with (
        manager(address) as other,
        closing(Attendance(never_enough, [tmp_path], Notifier(address))) as attendance,
    ):
        attendance.ready(lambda: "7 parts", notes.append, lambda: None)

        told = other.until(lambda text: "disk" in text)
        assert told[0] == "READY=1\nSTATUS=7 parts"
        assert told[-1].startswith(f"STATUS=7 parts; disk {tmp_path}: ")
    assert len(notes) == 1
    assert other_lines(notes[0]) == (f"disk {tmp_path}", "expected 1e+12 or more", "free space")


def other_lines(text: str) -> tuple[str, ...]:
    """Return the subject of a line, and what stands behind its first semicolon."""
    where, _, rest = text.partition(": ")
    return where, *rest.split("; ")[1:]


def test_sighup_has_the_file_read_again_between_reloading_and_ready(tmp_path: Path) -> None:
    address, reloads = str(tmp_path / "notify"), []
    with (
        manager(address) as other,
        closing(Attendance(notifier=Notifier(address))) as attendance,
        signals.collected(attendance.hung_up) as received,
    ):
        attendance.ready(lambda: "", lambda _: None, lambda: reloads.append("read"))
        other.until(lambda text: text == "READY=1")
        os.kill(os.getpid(), signal.SIGHUP)

        told = other.until(lambda text: text == "READY=1")
        assert any(text.startswith("RELOADING=1\nMONOTONIC_USEC=") for text in told)
        assert (reloads, received) == (["read"], [])
        attendance.stop()
        attendance.stop()
        assert other.heard().count("STOPPING=1") == 1
