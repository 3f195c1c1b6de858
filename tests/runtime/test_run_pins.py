"""A station with a light and a gate: every part that is announced comes to the gate, judged."""

import json
from pathlib import Path

import pytest

from edgecls.verdict import Outcome
from edgecls_runtime import config, lines
from edgecls_runtime.outputs.gpio import GpioOutput
from edgecls_runtime.pins.reject_gate import RejectOutput
from edgecls_runtime.wiring import open_stations
from outputs_pins import ALIVE_PIN, FAIL_PIN, GATE_PIN, PASS_PIN, REVIEW_PIN, is_high
from parts import Made
from trigger_sources import until

PARTS = 6
FAKE = 'kind = "fake"\nheight_px = 48\nwidth_px = 48'
OUTPUTS = f"""
[[outputs]]
kind = "gpio"
library = "gpiozero"
pass_pin = {PASS_PIN}
fail_pin = {FAIL_PIN}
review_pin = {REVIEW_PIN}
alive_pin = {ALIVE_PIN}
alive_ms = 60000
pulse_ms = 0
window_ms = 60000
[[outputs]]
kind = "reject"
library = "gpiozero"
pin = {GATE_PIN}
delay_ms = 3000
window_ms = 60000
pulse_ms = 20
"""


@pytest.mark.usefixtures("made_up_pins")
@pytest.mark.parametrize("good", [["good"], ["good", "scratch"]], ids=["some fail", "all pass"])
def test_each_part_that_a_trigger_announces_is_at_the_gate_with_its_verdict(
    good: list[str], made: Made, tmp_path: Path
) -> None:
    file = tmp_path / "station.toml"
    file.write_text(
        f"bundle = {json.dumps(str(made.path))}\n"
        f"[rule]\ngood = {json.dumps(good)}\nmin_score = 0.0\nmin_margin = 0.0\n"
        f'[camera]\n{FAKE}\n[trigger]\nkind = "interval"\nevery_ms = 300\n{OUTPUTS}',
        encoding="utf-8",
    )

    with open_stations([(config.read(file), tmp_path)]) as opened:
        light, gate = (outbox._output for outbox in opened.outboxes)
        assert isinstance(light, GpioOutput)
        assert isinstance(gate, RejectOutput)
        verdicts = list(lines.run(opened.stations, lambda: False, PARTS))
        until(lambda: opened.outboxes[1].state.told + opened.outboxes[1].state.failed >= PARTS)
        assert is_high(ALIVE_PIN)
        until(lambda: gate.tally.arrived >= PARTS, 30)
        tally = gate.tally

    rejected = sum(verdict.outcome is not Outcome.PASS for verdict in verdicts)
    assert tally.late == tally.arrived - PARTS, "announced when nobody looked any more"
    assert tally.rejected - tally.late == rejected
    assert tally.unseen == 0
    assert not is_high(ALIVE_PIN)
