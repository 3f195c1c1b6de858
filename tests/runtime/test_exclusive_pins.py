"""Pins that two would want: refused before anything is opened."""

from pathlib import Path
from typing import Any

import pytest

from edgecls.errors import ConfigError
from edgecls_runtime import config, exclusive
from edgecls_runtime.wiring import open_stations

LIGHT = {"kind": "gpio", "pass_pin": 17, "fail_pin": 27}
GATE = {"kind": "reject", "pin": 24, "delay_ms": 100}
OWN = "expected a pin of its own"


@pytest.mark.parametrize(
    ("stations", "message"),
    [
        (
            [("", None, [LIGHT, {**GATE, "pin": 27}])],
            f"output reject.pin: GPIO27 is output gpio.fail_pin already; {OWN}",
        ),
        (
            [("", None, [LIGHT, {**GATE, "name": "blow off", "encoder_pin": "GPIO17"}])],
            f"output blow off.encoder_pin: GPIO17 is output gpio.pass_pin already; {OWN}",
        ),
        (
            [("", {"kind": "gpio", "line": "GPIO17"}, [{"kind": "terminal"}, LIGHT])],
            f"output gpio.pass_pin: GPIO17 is trigger.line already; {OWN}",
        ),
        (
            [
                ("press", None, [{**LIGHT, "chip": "gpiochip1"}]),
                ("oven", None, [{**GATE, "chip": "/dev/gpiochip1", "pin": 17}]),
            ],
            (
                "oven output reject.pin: line 17 of gpiochip1 is press output gpio.pass_pin "
                f"already; {OWN}"
            ),
        ),
    ],
    ids=["two outputs", "by name", "a trigger", "two stations"],
)
def test_one_pin_of_two_is_refused_by_naming_both(stations: list[Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        exclusive.check_pins(stations)

    assert str(raised.value) == message


def test_the_same_number_of_another_chip_is_another_pin() -> None:
    other = {**LIGHT, "chip": "gpiochip1"}

    exclusive.check_pins(
        [("", {"kind": "interval", "every_ms": 5}, [LIGHT, GATE]), ("b", None, [other])]
    )


def test_a_value_that_is_no_pin_is_left_to_what_opens_it() -> None:
    exclusive.check_pins([("", None, [{**LIGHT, "pass_pin": 1.5}, {**GATE, "pin": []}])])


def test_a_station_file_with_one_pin_twice_is_refused_before_anything_is_opened(
    tmp_path: Path,
) -> None:
    file = tmp_path / "station.toml"
    file.write_text(
        """
        bundle = "there is none"
        [camera]
        kind = "fake"
        [rule]
        good = ["ok"]
        [[outputs]]
        kind = "gpio"
        pass_pin = 17
        [[outputs]]
        kind = "reject"
        pin = 17
        delay_ms = 5
        """,
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as raised, open_stations([(config.read(file), tmp_path)]):
        pass

    assert str(raised.value) == (
        f"output reject.pin: GPIO17 is output gpio.pass_pin already; {OWN}"
    )
