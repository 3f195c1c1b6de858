"""The picture of where, specified: outlines where the places are, texts that can be read."""

import numpy as np
import pytest

from edgecls.verdict import Look, Outcome, Outline
from edgecls_runtime.overlay import COLOURS, LEAST_PX, Image, draw


def rectangle(left: float, top: float, right: float, bottom: float) -> Outline:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def look(outcome: Outcome, outline: Outline, name: str = "lid") -> Look:
    return Look(name, outline, outcome, "scratch", 0.97)


def grey(height: int, width: int) -> Image:
    return np.full((height, width, 3), 90, np.uint8)


def coloured(picture: Image, outcome: Outcome) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((picture == COLOURS[outcome]).all(axis=2))


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize(
    "size", [(60, 90), (480, 640), (1080, 1920), (3000, 4000)], ids=lambda size: f"{size[1]} wide"
)
def test_a_place_is_outlined_in_the_colour_of_its_outcome(
    size: tuple[int, int], outcome: Outcome
) -> None:
    image = grey(*size)
    shares = zip((size[1], size[0]) * 2, (0.2, 0.1, 0.8, 0.9), strict=True)
    left, top, right, bottom = (round(side * share) for side, share in shares)

    picture = draw(image, [look(outcome, rectangle(left, top, right, bottom))])

    times = picture.shape[0] // size[0]
    rows, columns = np.nonzero(coloured(picture, outcome))
    near = picture.shape[1] / 100
    assert abs(columns.min() - left * times) <= near
    assert abs(columns.max() - right * times) <= near
    assert abs(rows.min() - top * times) <= near
    assert abs(rows.max() - bottom * times) <= near
    assert max(picture.shape) >= LEAST_PX


def test_the_frame_itself_is_left_as_it_is() -> None:
    image = grey(900, 900)

    picture = draw(image, [look(Outcome.FAIL, rectangle(0, 0, 900, 900))])

    assert (image == 90).all()
    assert picture.shape == image.shape
    assert not np.shares_memory(picture, image)


def test_without_places_the_picture_is_the_frame() -> None:
    image = grey(900, 900)

    assert np.array_equal(draw(image, []), image)


@pytest.mark.parametrize("size", [(64, 64), (480, 640), (1080, 1920)])
def test_the_text_of_a_place_is_large_enough_and_inside_it(size: tuple[int, int]) -> None:
    height, width = size
    place = look(Outcome.FAIL, rectangle(0, 0, width, height))

    plate = coloured(draw(grey(*size), [place]), Outcome.FAIL)

    # A text stands on a plate of its place's colour: longer rows of it than the outline is thick.
    rows = np.nonzero(plate[:, : plate.shape[1] // 8].sum(axis=1) > plate.shape[1] / 40)[0]
    inner = rows[(rows > 10) & (rows < len(plate) - 10)]
    assert inner.size >= 12


def test_a_place_too_small_for_any_text_still_has_its_outline() -> None:
    place = look(Outcome.FAIL, rectangle(100, 100, 112, 112))

    plate = coloured(draw(grey(1080, 1920), [place]), Outcome.FAIL)

    rows, columns = np.nonzero(plate)
    assert rows.size
    assert (columns.max(), rows.max()) <= (113, 113)


def test_a_bad_place_is_drawn_over_a_good_one() -> None:
    places = [
        look(Outcome.FAIL, rectangle(100, 100, 600, 600)),
        look(Outcome.PASS, rectangle(100, 100, 600, 600)),
    ]

    picture = draw(grey(900, 900), places)

    assert coloured(picture, Outcome.FAIL).any()
    assert not coloured(picture, Outcome.PASS)[300, 90:120].any()


def test_a_name_in_letters_that_the_font_lacks_is_no_error() -> None:
    draw(grey(900, 900), [look(Outcome.FAIL, rectangle(0, 0, 900, 900), "Kachel 3,1 ü 左")])
