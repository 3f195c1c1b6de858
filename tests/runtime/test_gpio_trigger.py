"""Parts by a pin: contacts bounce, and a bounce is no part."""

from contextlib import closing

import pytest

from edgecls.errors import TriggerError
from edgecls_runtime.pins.gpio_lines import Library
from edgecls_runtime.triggers import gpio
from edgecls_runtime.triggers.gpio import Edge, GpioTrigger
from trigger_sources import PIN, bounce, missing

MS = 0.001


def counted(edge: Edge, debounce_ms: float, *edges: tuple[float, bool]) -> tuple[list[float], int]:
    """Tell edges at milliseconds; return when parts were announced, and how many bounces came."""
    trigger = GpioTrigger(edge, debounce_ms * MS)
    for at, rising in edges:
        trigger.change(rising=rising, at=at * MS)
    found = iter(lambda: trigger.wait(0), None)
    return [round(signal.at / MS, 6) for signal in found if signal], trigger.heard.ignored


def test_a_contact_that_bounces_as_it_closes_and_opens_is_one_part_at_its_first_edge() -> None:
    closing_, opening = [100.0, 100.4, 100.9], [150.0, 150.5]
    edges = [
        *((at, number % 2 == 0) for number, at in enumerate(closing_)),
        (101.0, False), (101.2, True),
        *((at, number % 2 == 1) for number, at in enumerate(opening)),
        (151.0, False),
    ]  # fmt: skip

    assert counted(Edge.RISING, 5, *edges) == ([100.0], 3)


def test_parts_that_follow_after_quiet_are_each_one() -> None:
    edges = [(at + shift, not shift) for at in (0.0, 50.0, 100.0) for shift in (0.0, 20.0)]

    assert counted(Edge.RISING, 5, *edges) == ([0.0, 50.0, 100.0], 0)
    assert counted(Edge.FALLING, 5, *edges) == ([20.0, 70.0, 120.0], 0)


def test_without_a_time_of_quiet_every_edge_is_a_part() -> None:
    edges = [(0.0, True), (0.1, False), (0.2, True)]

    assert counted(Edge.RISING, 0, *edges) == ([0.0, 0.2], 0)


def test_a_line_that_chatters_is_one_part_and_the_rest_is_counted() -> None:
    edges = [(float(at), at % 2 == 0) for at in range(1000)]

    assert counted(Edge.RISING, 5, *edges) == ([0.0], 499)


@pytest.mark.usefixtures("made_up_pins")
@pytest.mark.parametrize(("edge", "first"), [(Edge.RISING, True), (Edge.FALLING, False)])
def test_a_pin_of_gpiozero_announces_its_edge_and_counts_its_bounces(
    edge: Edge, first: bool
) -> None:
    with closing(
        gpio.open(pin=PIN, edge=edge, library=Library.GPIOZERO, debounce_ms=200)
    ) as trigger:
        bounce(0, first=not first)
        while trigger.wait(0.3):
            pass
        before = trigger.heard
        bounce(3, first=first)

        assert trigger.wait(1) is not None
        assert trigger.wait(0.05) is None
        assert trigger.heard.announced == before.announced + 1
        assert trigger.heard.ignored == before.ignored + 3


@pytest.mark.usefixtures("made_up_pins")
def test_a_pin_that_somebody_else_has_is_said_in_one_line() -> None:
    with (
        closing(gpio.open(pin=PIN, library=Library.GPIOZERO)),
        pytest.raises(TriggerError) as raised,
    ):
        gpio.open(pin=PIN, library=Library.GPIOZERO)

    assert str(raised.value).startswith(f"gpio trigger pin {PIN}: ")
    assert str(raised.value).endswith(
        "; expected a free pin, and a board that gpiozero knows; try library = 'gpiod'"
    )
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("made_up_pins")
def test_a_pin_is_free_again_once_it_is_closed() -> None:
    for _ in range(2):
        gpio.open(pin=PIN, library=Library.GPIOZERO).close()


@pytest.mark.usefixtures("made_up_pins")
def test_a_pin_that_no_board_has_is_said() -> None:
    with pytest.raises(TriggerError, match=r"^gpio trigger pin 4000: .*; expected a free pin"):
        gpio.open(pin=4000, library=Library.GPIOZERO)


def test_a_chip_that_is_not_there_is_said_in_one_line() -> None:
    if why := missing("gpiod"):
        pytest.skip(why)
    with pytest.raises(TriggerError) as raised:
        gpio.open(pin=4, chip="gpiochip97")

    assert str(raised.value) == (
        "gpio trigger gpiochip97 line 4: No such file or directory; "
        "expected a line of /dev/gpiochip97; try: gpioinfo"
    )


def test_a_line_that_no_chip_has_is_said_with_where_it_was_looked_for() -> None:
    if why := missing("gpiod"):
        pytest.skip(why)
    with pytest.raises(TriggerError) as raised:
        gpio.open(line="light barrier")

    assert str(raised.value).startswith(
        "gpio trigger line light barrier: no line of this name; looked on: "
    )
    assert str(raised.value).endswith("; give chip, or see: gpioinfo")
