"""What ``scripts/check_gpio.py`` runs in its virtual machine: pins against the kernel's own chips.

Each check is a sentence and gets a line on stdout, ``ok`` or ``FAILED``. The chips are of gpio-sim:
a line can be looked at and pulled from outside while somebody has it, and a chip unplugged.
"""

import faulthandler
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from edgecls import plugins
from edgecls.errors import ConfigError, EdgeclsError, OutputError, TriggerError
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime import triggers
from edgecls_runtime.outputs.gpio import GpioOutput, probed
from edgecls_runtime.pins.gpio_lines import MOST_KEPT, ChipLine, Place
from edgecls_runtime.pins.reject_gate import RejectOutput
from edgecls_runtime.protocols import Trigger

# A process that is emulated takes half a minute to begin.
WAIT_S, HUNG_S = 120.0, 400.0
SIM = Path("/sys/kernel/config/gpio-sim")
LINES = 32
PASS, FAIL, REVIEW, ALIVE, GATE, ENCODER, BARRIER = 17, 27, 22, 23, 24, 25, 4
OUTCOMES = (PASS, FAIL, REVIEW)
NOBODY = 65534
LIGHT: dict[str, object] = {"kind": "gpio", "pass_pin": 17, "fail_pin": 27, "review_pin": 22}
LASTING: dict[str, object] = {**LIGHT, "pulse_ms": 0}
# A station that shows a pass, and lives for so many beats.
STATION = """
import sys, time
from pins_in_kernel import light, verdict
output = light(alive_pin=23, **eval(sys.argv[1]))
output.send(verdict("pass"))
for _ in range(int(sys.argv[2])):
    output.beat()
    time.sleep(0.02)
time.sleep(1000)
"""


class Chip:
    """A chip of gpio-sim whose lines are called as those of a Raspberry Pi."""

    def __init__(self, name: str, first: int = 0) -> None:
        self._own, self._first = SIM / name, first
        bank = self._own / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(LINES))
        for number in range(LINES):
            (bank / f"line{number}").mkdir()
            (bank / f"line{number}" / "name").write_text(f"GPIO{first + number}")
        self.plug()

    def plug(self) -> None:
        (self._own / "live").write_text("1")
        device = (self._own / "dev_name").read_text().strip()
        self.name = (self._own / "bank0" / "chip_name").read_text().strip()
        self._lines = Path("/sys/devices/platform") / device / self.name
        until(lambda: Path("/dev", self.name).exists())

    def unplug(self) -> None:
        (self._own / "live").write_text("0")

    def is_high(self, pin: int) -> bool:
        return (self._lines / f"sim_gpio{pin - self._first}" / "value").read_text().strip() == "1"

    def pull(self, pin: int, up: bool) -> None:
        level = "pull-up" if up else "pull-down"
        (self._lines / f"sim_gpio{pin - self._first}" / "pull").write_text(level)

    def pulse(self, pin: int, times: int = 1, every: float = 0.0) -> None:
        for _ in range(times):
            self.pull(pin, True)
            time.sleep(every / 2)
            self.pull(pin, False)
            time.sleep(every / 2)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def until(condition: Callable[[], object], wait: float = WAIT_S) -> float:
    """Wait until something is so; return the seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + wait, "waited in vain"
        time.sleep(0.001)
    return time.monotonic() - began


@contextmanager
def refused(error: type[EdgeclsError], text: str) -> Iterator[None]:
    """Expect an error whose one line matches."""
    caught = None
    try:
        yield
    except error as found:
        caught = found
    assert caught is not None, f"nothing refused; expected {text}"
    assert re.search(text, str(caught)), f"{caught} does not match {text}"
    assert "\n" not in str(caught), caught
    tell(f"       {caught}")


def verdict(outcome: str, part: str = "1", at: float | None = None) -> Verdict:
    scores = Prediction(np.array([0.9, 0.1], np.float32), ("ok", "scratch"))
    now = time.monotonic()
    return Verdict(Outcome(outcome), "as told", scores, part=part, announced_at=at, captured_at=now)


def light(**keys: object) -> GpioOutput:
    output: GpioOutput = plugins.open_table(
        "edgecls_runtime.outputs", {**LASTING, **keys}, "outputs"
    )
    return output


def gate(**keys: object) -> RejectOutput:
    table = {"kind": "reject", "pin": GATE, "pulse_ms": 300, "safe_state": "off", **keys}
    output: RejectOutput = plugins.open_table("edgecls_runtime.outputs", table, "outputs")
    return output


def barrier(**keys: object) -> Trigger:
    return triggers.open_table({"kind": "gpio", "pin": BARRIER, **keys})


def high() -> list[int]:
    return [pin for pin in OUTCOMES if BOARD.is_high(pin)]


@contextmanager
def station(beats: int = 100_000, **keys: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a station in a process of its own, and wait until it lives."""
    command = [sys.executable, "-c", STATION, repr(keys), str(beats)]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: high() == [PASS])
            until(lambda: BOARD.is_high(ALIVE))
            yield process
        finally:
            process.kill()


# The gpio output


def each_outcome_has_its_line_and_no_other_is_energised() -> None:
    with closing(light()) as output:
        assert high() == []
        for outcome, pin in (("pass", PASS), ("fail", FAIL), ("review", REVIEW)):
            output.send(verdict(outcome))
            assert high() == [pin], (outcome, high())


def lines_are_found_by_name_or_by_number_of_a_chip() -> None:
    with closing(light(pass_pin="GPIO5", chip=BOARD.name)) as output:  # noqa: S106 - a pin
        output.send(verdict("pass"))
        assert BOARD.is_high(5)
    with closing(light(fail_pin="GPIO105")) as output:
        output.send(verdict("fail"))
        assert SECOND.is_high(105)
        output.send(verdict("pass"))
        assert not SECOND.is_high(105)
        assert high() == [PASS]


def active_low_is_low_when_it_is_energised() -> None:
    with closing(light(active="low")) as output:
        assert high() == [*OUTCOMES]
        output.send(verdict("pass"))
        assert high() == [FAIL, REVIEW]


def a_pulse_ends_by_itself() -> None:
    with closing(light(pulse_ms=200)) as output:
        output.send(verdict("pass"))
        assert high() == [PASS]
        took = until(lambda: not high())
        assert 0.1 < took < 10, took


def the_safe_state_is_shown_first_and_after_a_failure() -> None:
    with closing(light(safe_state="fail")) as output:
        assert high() == [FAIL]
        output.send(verdict("pass"))
        output.make_safe("the disk is full")
        assert high() == [FAIL]


def lines_that_cannot_be_had_are_refused_in_one_line_and_nothing_is_kept() -> None:
    with closing(light()), refused(OutputError, r"^gpio output line GPIO17, GPIO27, GPIO22: Dev"):
        light()
    with refused(OutputError, r"^gpio output line GPIO4000: no line of this name; looked on: /dev"):
        light(review_pin=4000)
    with refused(
        OutputError, rf"^gpio output {BOARD.name} line 99: .*; expected a line of /dev/gp"
    ):
        light(review_pin=99, chip=BOARD.name)
    with refused(ConfigError, r"^outputs.review_pin: GPIO17 is line 17 of .*, as pass_pin is; exp"):
        light(review_pin="GPIO17", chip=BOARD.name)
    light().close()


def somebody_who_may_not_is_told_the_group() -> None:
    os.chmod(f"/dev/{BOARD.name}", 0o600)  # noqa: PTH101 - as udev does
    os.seteuid(NOBODY)
    try:
        with refused(OutputError, r"no permission; are you in group gpio\?"):
            light(chip=BOARD.name)
    finally:
        os.seteuid(0)


def a_chip_that_is_unplugged_is_an_error_until_it_is_back() -> None:
    with closing(light()) as output:
        output.send(verdict("pass"))
        BOARD.unplug()
        with refused(OutputError, r"^gpio output /dev/gpiochip\d+: No such device; expected to be"):
            output.send(verdict("fail"))
        with refused(
            OutputError, r"^gpio output line GPIO17: no line of this name; looked on: /de"
        ):
            output.send(verdict("fail"))
        BOARD.plug()
        output.send(verdict("fail"))
        assert high() == [FAIL]


def chips_are_listed() -> None:
    assert probed().ready
    assert f"/dev/{BOARD.name}" in probed().devices, probed()


# The watchdog


def killed_with_9_all_lines_are_let_go_of_and_drop() -> None:
    with station() as process:
        process.send_signal(signal.SIGKILL)
        took = until(lambda: not BOARD.is_high(ALIVE) and not high())
        tell(f"       dropped {1000 * took:.0f} ms after the kill")


def a_station_that_hangs_drops_the_alive_pin_and_shows_its_safe_state() -> None:
    with station(beats=10, alive_ms=500, safe_state="fail"):
        until(lambda: not BOARD.is_high(ALIVE))
        until(lambda: high() == [FAIL])


def a_process_that_is_frozen_leaves_a_level_and_ends_toggling() -> None:
    with station() as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        assert BOARD.is_high(ALIVE), "the kernel keeps a line as it was left"
    with station(alive="toggle", toggle_ms=50) as process:
        for level in (True, False, True):
            until(lambda level=level: BOARD.is_high(ALIVE) is level)  # type: ignore[misc]
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        before = BOARD.is_high(ALIVE)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert BOARD.is_high(ALIVE) is before


# The reject gate


def by_the_clock_the_gate_opens_for_the_right_part() -> None:
    with closing(gate(delay_ms=2000)) as output:
        at = time.monotonic()
        for number, outcome in enumerate(("pass", "fail", "pass")):
            output.expect(str(number), at + number)
            output.send(verdict(outcome, str(number), at + number))
        until(lambda: BOARD.is_high(GATE))
        seen = time.monotonic() - at
        until(lambda: not BOARD.is_high(GATE))
        until(lambda: output.tally.arrived == 3)
        assert 3.0 <= seen < 3.5, seen
        assert output.tally.rejected == 1
        tell(f"       seen open {1000 * (seen - 3):.1f} ms after the moment")


def by_real_edges_of_an_encoder_the_gate_opens_at_the_count() -> None:
    with closing(gate(encoder_pin=ENCODER, delay_counts=20)) as output:
        for number, outcome in enumerate(("pass", "fail", "pass")):
            output.expect(str(number), time.monotonic())
            BOARD.pulse(ENCODER, 5, 0.01)
            output.send(verdict(outcome, str(number)))
        BOARD.pulse(ENCODER, 9, 0.01)
        until(lambda: output.tally.arrived == 1)
        time.sleep(0.3)
        assert not BOARD.is_high(GATE), "one count before"
        BOARD.pulse(ENCODER)
        until(lambda: BOARD.is_high(GATE))
        until(lambda: not BOARD.is_high(GATE))
        BOARD.pulse(ENCODER, 5, 0.01)
        until(lambda: output.tally.arrived == 3)
        assert not BOARD.is_high(GATE)


def an_encoder_whose_chip_is_lost_takes_all_trust_until_it_is_back() -> None:
    with closing(gate(encoder_pin="GPIO101", delay_counts=3, safe_state="reject")) as output:
        output.expect("1", time.monotonic())
        output.send(verdict("pass"))
        SECOND.pulse(101, 3, 0.01)
        until(lambda: not BOARD.is_high(GATE))
        output.expect("2", time.monotonic())
        SECOND.unplug()
        until(lambda: BOARD.is_high(GATE))
        with refused(OutputError, r"^reject output: part 2: its place on the belt was lost before"):
            output.send(verdict("pass", "2"))
        SECOND.plug()
        time.sleep(1.5)
        SECOND.pulse(101, 1)
        output.expect("3", time.monotonic())
        with refused(OutputError, r"^reject output line GPIO101: "):
            output.send(verdict("pass", "3"))
        SECOND.pulse(101, 3, 0.01)
        until(lambda: not BOARD.is_high(GATE))


# The gpio trigger


def each_edge_after_quiet_is_a_part_at_the_kernel_s_time() -> None:
    with closing(barrier(debounce_ms=20)) as trigger:
        for _ in range(3):
            before = time.monotonic()
            BOARD.pulse(BARRIER, 3)  # bounces
            after = time.monotonic()
            time.sleep(0.3)  # asked late, it is told when it was
            signal_ = trigger.wait(WAIT_S)
            assert signal_ is not None
            assert before <= signal_.at <= after, (before, signal_.at, after)
        assert trigger.wait(0.1) is None
        heard = trigger.heard  # type: ignore[attr-defined]
        assert (heard.announced, heard.overrun) == (3, 0), heard
        assert heard.ignored == 6, heard


def a_falling_edge_is_one_where_it_is_asked_for() -> None:
    with closing(barrier(edge="falling", debounce_ms=20)) as trigger:
        BOARD.pull(BARRIER, True)
        assert trigger.wait(0.3) is None
        BOARD.pull(BARRIER, False)
        assert trigger.wait(WAIT_S) is not None


def a_line_of_the_trigger_that_somebody_has_is_refused() -> None:
    with (
        closing(light(pass_pin=BARRIER)),
        refused(TriggerError, r"^gpio trigger line GPIO4: Devic"),
    ):
        barrier()
    with closing(barrier()), refused(OutputError, r"^gpio output line GPIO4, .*: Device or resou"):
        light(pass_pin=BARRIER)
    with refused(TriggerError, r"^gpio trigger line light barrier: no line of this name; looked"):
        triggers.open_table({"kind": "gpio", "line": "light barrier"})


def a_trigger_whose_chip_is_unplugged_is_lost_and_comes_back() -> None:
    with closing(barrier(debounce_ms=0)) as trigger:
        BOARD.pulse(BARRIER)
        assert trigger.wait(WAIT_S) is not None
        BOARD.unplug()
        with refused(
            TriggerError, r"^gpio trigger line GPIO4: No such device; is the chip plugged"
        ):
            trigger.wait(WAIT_S)
        BOARD.plug()
        until(lambda: is_back(trigger))
        BOARD.pulse(BARRIER)
        assert trigger.wait(WAIT_S) is not None


def is_back(trigger: Trigger) -> bool:
    try:
        trigger.wait(0.7)
    except TriggerError:
        return False
    return True


def more_edges_than_the_kernel_keeps_are_told_as_lost() -> None:
    held = threading.Event()
    lost: list[str] = []
    place = Place(BARRIER, None, None)
    with closing(ChipLine(place, lambda **_: held.wait(), lost.append, lambda: None)):
        BOARD.pulse(BARRIER, MOST_KEPT)
        held.set()
        BOARD.pulse(BARRIER)
        until(lambda: lost)
    text = (
        r"^gpio trigger line GPIO4: \d+ edges were lost, too many at once; parts may have been mis"
    )
    assert re.match(text, lost[0]), lost
    tell(f"       {lost[0]}")


CHECKS = (
    each_outcome_has_its_line_and_no_other_is_energised,
    lines_are_found_by_name_or_by_number_of_a_chip,
    active_low_is_low_when_it_is_energised,
    a_pulse_ends_by_itself,
    the_safe_state_is_shown_first_and_after_a_failure,
    lines_that_cannot_be_had_are_refused_in_one_line_and_nothing_is_kept,
    somebody_who_may_not_is_told_the_group,
    a_chip_that_is_unplugged_is_an_error_until_it_is_back,
    chips_are_listed,
    killed_with_9_all_lines_are_let_go_of_and_drop,
    a_station_that_hangs_drops_the_alive_pin_and_shows_its_safe_state,
    a_process_that_is_frozen_leaves_a_level_and_ends_toggling,
    by_the_clock_the_gate_opens_for_the_right_part,
    by_real_edges_of_an_encoder_the_gate_opens_at_the_count,
    an_encoder_whose_chip_is_lost_takes_all_trust_until_it_is_back,
    each_edge_after_quiet_is_a_part_at_the_kernel_s_time,
    a_falling_edge_is_one_where_it_is_asked_for,
    a_line_of_the_trigger_that_somebody_has_is_refused,
    a_trigger_whose_chip_is_unplugged_is_lost_and_comes_back,
    more_edges_than_the_kernel_keeps_are_told_as_lost,
)


def main() -> None:
    """Run everything, and say so at the end."""
    for check in CHECKS:
        began, name = time.monotonic(), check.__name__.replace("_", " ")
        faulthandler.dump_traceback_later(HUNG_S, exit=True)
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still run
            traceback.print_exc()
            tell(f"FAILED {name}: {type(error).__name__}: {error}")
        else:
            tell(f"ok     {name} ({time.monotonic() - began:.1f} s)")
    faulthandler.cancel_dump_traceback_later()
    tell("DONE")


if __name__ == "__main__":
    BOARD, SECOND = Chip("board"), Chip("second", 100)
    main()
