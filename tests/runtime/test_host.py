"""What is said of a machine: from files as Linux has them, and clocks that a test moves."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgecls.errors import ConfigError
from edgecls.progress import Level
from edgecls_runtime.host import readings
from edgecls_runtime.host.clocks import Clocks, ClockWatch
from edgecls_runtime.host.conditions import SHOWN_S, Conditions
from edgecls_runtime.host.settings import HostSettings

GB_KB = 2**20


class Machine:
    """Files of a machine below a folder, and what was said of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[tuple[str, Level]] = []
        self.clocks = Moved()
        self.memory(available_gb=4)

    def write(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def memory(self, available_gb: float) -> None:
        kb = (
            f"MemTotal: {8 * GB_KB} kB\nMemFree: 1 kB\nMemAvailable: {int(available_gb * GB_KB)} kB"
        )
        self.write("proc/meminfo", kb)

    def conditions(self, settings: HostSettings | None = None, *disks: Path) -> Conditions:
        def say(text: str, level: Level) -> None:
            self.said.append((text, level))

        return Conditions(settings, disks, say, self.root, self.clocks.clocks())


@dataclass
class Moved:
    """Clocks of a machine that a test moves."""

    wall: float = 1_000_000.0
    awake: float = 500.0
    asleep: float = 0.0
    late: list[float] = field(default_factory=list)

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall, lambda: self.awake, self.boottime)

    def boottime(self) -> float:
        if self.late:  # another process ran between two readings
            self.pass_by(self.late.pop())
        return self.awake + self.asleep

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.awake += seconds


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def names(conditions: Conditions) -> list[str]:
    return [one.name for one in conditions.sample()]


def test_a_machine_that_is_well_is_not_spoken_of(machine: Machine) -> None:
    conditions = machine.conditions()

    assert (conditions.sample(), machine.said) == ((), [])
    assert conditions.figures.memory_available_mb == 4096


def test_a_machine_that_tells_nothing_is_not_spoken_of(tmp_path: Path) -> None:
    conditions = Conditions(root=tmp_path)

    assert conditions.sample() == ()
    assert conditions.figures.memory_available_mb is None
    assert conditions.figures.temperature_c is None
    assert conditions.figures.speed_share is None


def test_low_memory_is_said_once_and_over_only_when_clearly_over(machine: Machine) -> None:
    conditions = machine.conditions()
    seen = []
    for available_gb in (0.41, 0.39, 0.38, 0.5, 0.59, 0.61, 0.5):
        machine.memory(available_gb)
        seen.append(names(conditions))

    assert seen == [[], ["memory"], ["memory"], ["memory"], ["memory"], [], []]
    assert machine.said == [
        (
            (
                "memory: 399 of 8192 MB of the machine left; expected 5 % or more; end what "
                "else runs here"
            ),
            Level.WARNING,
        ),
        ("memory: 625 of 8192 MB of the machine left again", Level.INFO),
    ]


def test_the_limit_of_a_service_counts_where_it_is_nearer(machine: Machine) -> None:
    group = "sys/fs/cgroup/system.slice/edgecls-line.service"
    machine.write("proc/self/cgroup", "0::/system.slice/edgecls-line.service")
    machine.write(f"{group}/memory.max", 512 * 2**20)
    machine.write(f"{group}/memory.current", 510 * 2**20)
    machine.write(f"{group}/memory.stat", f"anon 5\ninactive_file {8 * 2**20}")
    conditions = machine.conditions()

    conditions.sample()

    assert machine.said[0][0].startswith("memory: 10 of 512 MB of the service left; ")


def test_a_service_without_a_limit_is_as_the_machine(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/")
    machine.write("sys/fs/cgroup/memory.max", "max")
    machine.write("sys/fs/cgroup/memory.current", 7)

    found = readings.memory(machine.root)

    assert found is not None
    assert found.whose == "machine"


def test_processes_that_wait_for_memory_are_pressure(machine: Machine) -> None:
    machine.write("proc/pressure/memory", "some avg10=34.50 avg60=1.00 avg300=0.1 total=1\nfull 0")
    conditions = machine.conditions()

    assert names(conditions) == ["memory pressure"]
    assert conditions.figures.memory_pressure_percent == 34.5
    machine.write("proc/pressure/memory", "some avg10=1.00 avg60=1.00 avg300=0.1 total=1")
    assert names(conditions) == []


def test_heat_begins_where_the_kernel_slows_down_and_ends_5_degrees_below(machine: Machine) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    machine.write(f"{zone}/type", "cpu-thermal")
    machine.write(f"{zone}/trip_point_0_type", "passive")
    machine.write(f"{zone}/trip_point_0_temp", 75000)
    machine.write(f"{zone}/trip_point_1_type", "critical")
    machine.write(f"{zone}/trip_point_1_temp", 110000)
    conditions = machine.conditions()
    seen = []
    for degrees in (74, 76, 73, 69):
        machine.write(f"{zone}/temp", degrees * 1000)
        seen.append(names(conditions))

    assert seen == [[], ["temperature cpu-thermal"], ["temperature cpu-thermal"], []]
    assert [text for text, _ in machine.said] == [
        (
            "temperature cpu-thermal: 76 C; expected less than 75; the processor is slowed down: "
            "cool it"
        ),
        "temperature cpu-thermal: 69 C, cool again",
    ]


@pytest.mark.parametrize("nonsense", [-273_000, 250_000, "", "n/a"])
def test_a_sensor_that_is_not_there_is_no_heat(machine: Machine, nonsense: object) -> None:
    machine.write("sys/class/thermal/thermal_zone0/temp", nonsense)

    assert readings.zones(machine.root) == []


def test_without_a_limit_of_the_kernel_80_degrees_are_hot_and_the_file_may_say_less(
    machine: Machine,
) -> None:
    machine.write("sys/class/thermal/thermal_zone0/temp", 79_000)

    usual, stricter = machine.conditions(), machine.conditions(HostSettings(temperature_c=70.0))

    assert (names(usual), names(stricter)) == ([], ["temperature thermal_zone0"])


def test_a_capped_processor_is_said_with_its_share(machine: Machine) -> None:
    for cpu, now in ((0, 2_400_000), (1, 1_200_000)):
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq", 2_400_000)
        machine.write(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_max_freq", now)
    conditions = machine.conditions()

    assert names(conditions) == ["speed"]
    assert conditions.figures.speed_share == 0.5
    assert machine.said[0][0].startswith("speed: the processor may run at 50 % of its frequency; ")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("0", []),
        ("50000", []),
        ("1", ["power"]),
        ("50005", ["power", "board"]),
        ("80008", ["board"]),
    ],
    ids=["well", "was low once", "under-voltage", "throttled by power", "soft limit"],
)
def test_the_firmware_of_a_raspberry_pi_is_asked(
    machine: Machine, flags: str, expected: list[str]
) -> None:
    machine.write(readings.THROTTLED, flags)

    assert names(machine.conditions()) == expected


def test_throttlings_of_an_x86_processor_are_counted_from_the_start(machine: Machine) -> None:
    count = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    machine.write(count, 1000)
    conditions = machine.conditions()
    assert names(conditions) == []

    machine.write(count, 1003)
    during = names(conditions)
    machine.clocks.pass_by(SHOWN_S + 1)
    after = names(conditions)

    assert (during, after) == (["throttling"], [])
    assert "slowed the processor down 3 times since the last look" in machine.said[0][0]


def test_a_full_disk_is_said_with_its_path_and_what_is_left(machine: Machine) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "not" / "there" / "yet.db"
        conditions = machine.conditions(HostSettings(disk_free_mb=1e12), file)

        assert names(conditions) == [f"disk {file}"]
        found = os.statvfs(name)
        free_mb = found.f_bavail * found.f_frsize / 2**20
        assert abs(conditions.figures.disk_free_mb[str(file)] - free_mb) < 1000


@pytest.mark.parametrize(
    ("jump", "said"), [(3600.0, "clock: set forward by 3600.0 s"), (-90.0, "clock: set back by 90")]
)
def test_a_clock_that_jumps_is_said_each_time_and_shown_for_a_minute(
    machine: Machine, jump: float, said: str
) -> None:
    conditions = machine.conditions()
    conditions.sample()
    machine.clocks.pass_by(5)
    machine.clocks.wall += jump

    during = names(conditions)
    machine.clocks.wall += jump
    again = names(conditions)
    machine.clocks.pass_by(SHOWN_S + 1)
    after = names(conditions)

    assert (during, again, after) == (["clock"], ["clock"], [])
    assert [text.startswith(said) for text, _ in machine.said] == [True, True]
    assert conditions.figures.clock_jumped_s == 2 * jump


def test_what_a_time_server_corrects_little_by_little_is_no_jump(machine: Machine) -> None:
    conditions = machine.conditions()
    for _ in range(1000):
        machine.clocks.pass_by(5)
        machine.clocks.wall += 0.0025  # 500 ppm, the fastest there is
        conditions.sample()

    assert machine.said == []


def test_sleep_is_said_with_its_length_and_is_no_jump(machine: Machine) -> None:
    conditions = machine.conditions()
    conditions.sample()
    machine.clocks.asleep += 7200
    machine.clocks.wall += 7200

    assert names(conditions) == ["sleep"]
    assert machine.said[0][0].startswith(
        "sleep: this machine was asleep for 7200.0 s; parts that came meanwhile were not seen; "
    )
    assert conditions.figures.asleep_s == 7200


def test_a_busy_machine_between_two_readings_is_no_jump() -> None:
    clocks = Moved()
    watch = ClockWatch(clocks.clocks())
    clocks.late = [0.0, 3.0]  # the second reading of the first try

    assert watch.look() == (0.0, 0.0)


def test_the_real_clocks_of_this_machine_stand_still_to_each_other() -> None:
    watch = ClockWatch(Clocks())

    jump, sleep = watch.look()

    assert (jump, sleep) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"memory_free_percent": 101.0}, "host.memory_free_percent: 101; expected 0 to 100"),
        ({"pressure_percent": float("nan")}, "host.pressure_percent: nan; expected 0 to 100"),
        ({"disk_free_mb": -1.0}, "host.disk_free_mb: -1; expected 0 or more"),
        ({"temperature_c": 0.0}, "host.temperature_c: 0; expected above 0, at most 150"),
    ],
)
def test_what_no_machine_can_be_is_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HostSettings(**settings)

    assert str(caught.value) == said
