"""Figures as text: nothing is invented, nothing missing is hidden."""

import math
from collections.abc import Callable

import pytest

from edgecls_exporters import figures


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (figures.percent, 0.98765, "98.77 %"),
        (figures.points, 0.271, "0.27"),
        (figures.points, -1.5, "\u22121.50"),
        (figures.points, -0.001, "0.00"),
        (figures.probability, 0.0625, "0.06"),
        (figures.probability, 1e-9, "<0.01"),
        (figures.file_size, 13_650_000, "13.7 MB"),
        (figures.file_size, 4200, "4.2 kB"),
        (figures.milliseconds, 9.66, "9.7 ms"),
        (figures.milliseconds, 0.0534, "0.05 ms"),
        (figures.decimal, 0, "0"),
        (figures.decimal, 0.12345, "0.12"),
        (figures.decimal, 0.0099951, "0.010"),
        (figures.decimal, 123.4, "120"),
        (figures.decimal, 3.2e-7, "3e-7"),
    ],
)
def test_a_figure_is_written_with_the_digits_that_count(
    write: Callable[..., str], value: float, text: str
) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    "write",
    [figures.percent, figures.points, figures.probability, figures.milliseconds, figures.decimal],
)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_missing_or_no_number_is_a_dash(
    write: Callable[..., str], value: float | None
) -> None:
    assert write(value) == "-"


def test_words_are_listed_and_counted_as_in_a_sentence() -> None:
    assert figures.listed(["a", "b", "c"]) == "a, b and c"
    assert figures.listed(["a"]) == "a"
    assert figures.listed([]) == ""
    assert figures.counted(1, "image") == "1 image"
    assert figures.counted(3, "image") == "3 images"
