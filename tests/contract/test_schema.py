"""Errors in files, specified: each message carries the key, the value and what was wanted."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from edgecls import schema
from edgecls.errors import BundleError, ConfigError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Lamp:
    colour: Colour
    level: float = 1.0


@dataclass(frozen=True)
class Rig:
    lamp: Lamp
    size: tuple[int, int] = (1, 1)
    names: tuple[str, ...] = ()
    pins: dict[str, int] | None = None
    file: Path | None = None
    extra: object = None


def open_camera(*, index: int, exposure_ms: float = 5.0, flip: bool = False) -> tuple[object, ...]:
    return index, exposure_ms, flip


def test_keys_become_arguments_and_an_integer_serves_where_a_float_is_wanted() -> None:
    assert schema.call(open_camera, {"index": 0, "exposure_ms": 8}, "camera") == (0, 8.0, False)


@pytest.mark.parametrize("pin", [17, "GPIO17", None])
def test_a_value_may_be_one_of_several_types(pin: object) -> None:
    def open_lamp(*, pin: int | str | None = None) -> int | str | None:
        return pin

    assert schema.call(open_lamp, {"pin": pin}, "lamp") == pin
    with pytest.raises(ConfigError, match="^lamp.pin: expected int or str, got True$"):
        schema.call(open_lamp, {"pin": True}, "lamp")


def test_nested_tables_become_nested_dataclasses() -> None:
    table = {
        "lamp": {"colour": "blue"},
        "size": [3, 4],
        "names": ["a", "b"],
        "pins": {"pass": 17},
        "file": "x/y",
        "extra": [1, {"any": "thing"}],
    }

    rig = schema.call(Rig, table, "rig", base=Path("/station"))

    assert rig == Rig(
        Lamp(Colour.BLUE),
        (3, 4),
        ("a", "b"),
        {"pass": 17},
        Path("/station/x/y"),
        [1, {"any": "thing"}],
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"index": 0, "exposure": 8},
            "camera.exposure: unknown key; known keys are index, exposure_ms, flip",
        ),
        ({"index": "0"}, "camera.index: expected int, got '0'"),
        ({"index": True}, "camera.index: expected int, got True"),
        ({"index": 0, "flip": 1}, "camera.flip: expected bool, got 1"),
        ({}, "camera.index: required and not given"),
        ([], "camera: expected a table, got []"),
    ],
    ids=["misspelt", "text", "truth for a number", "number for a truth", "missing", "no table"],
)
def test_a_wrong_table_is_refused_by_naming_the_key(table: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        schema.call(open_camera, table, "camera")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lamp": {"colour": "green"}}, "rig.lamp.colour: expected one of red, blue, got 'green'"),
        ({"lamp": {"colour": ["red"]}}, "rig.lamp.colour: expected one of red, blue, got ['red']"),
        ({"lamp": {"color": "red"}}, "rig.lamp.color: unknown key; known keys are colour, level"),
        ({"size": [1]}, "rig.size: expected 2 values, got 1"),
        ({"size": [1, "2"]}, "rig.size[1]: expected int, got '2'"),
        ({"names": "a"}, "rig.names: expected a list, got 'a'"),
        ({"pins": {"pass": "17"}}, "rig.pins.pass: expected int, got '17'"),
        ({"pins": [17]}, "rig.pins: expected a table, got [17]"),
    ],
)
def test_a_fault_deep_inside_is_named_by_its_path(change: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=re.escape(message)):
        schema.call(Rig, {"lamp": {"colour": "red"}} | change, "rig", BundleError)
