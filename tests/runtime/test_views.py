"""Where to look, specified: what a view names is what comes out, upright, whole, and no more."""

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import ConfigError
from edgecls_runtime.views import tiles
from edgecls_runtime.views.cut import Image, cut
from edgecls_runtime.views.settings import View, check, of_camera

FILL = (1, 2, 3)


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def drawing(height: int, width: int, seed: int = 0) -> Image:
    """Draw something smooth, as seen by a lens: uint8 RGB, different in each corner."""
    coarse = noise(5, 6, seed)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def pictures(view: View, image: Image) -> dict[str, Image]:
    """Return copies of what is cut out of an image, by the names of the places."""
    found = cut(view, (image.shape[1], image.shape[0]), FILL)
    cut_out = found.pictures(image, found.buffer())
    return {place.name: one.copy() for place, one in zip(found.places, cut_out, strict=True)}


def picture(view: View, image: Image) -> Image:
    (one,) = pictures(view, image).values()
    return one


def difference(one: Image, other: Image) -> float:
    """Return the mean difference in grey levels, the outermost two pixels aside."""
    assert one.shape == other.shape
    apart = np.abs(one.astype(np.int16) - other)[2:-2, 2:-2]
    return float(apart.mean())


def placed(drawn: Image, corners: list[tuple[float, float]], size: tuple[int, int]) -> Image:
    """Photograph a drawing so that its corners come to lie there, in a grey frame (height, width).

    By another way than the one under test: each pixel of the frame looks up the drawing.
    """
    height, width = drawn.shape[:2]
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    rows = []
    for (x, y), (u, v) in zip(corners, flat, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(rows, np.float64), flat.reshape(-1))
    matrix = np.append(solved, 1.0).reshape(3, 3)
    down, across = np.mgrid[: size[0], : size[1]] + 0.5
    mapped = np.stack([across, down, np.ones(size)], -1) @ matrix.T
    x, y = np.moveaxis((mapped[..., :2] / mapped[..., 2:] - 0.5).astype(np.float32), -1, 0)
    return np.asarray(
        cv2.remap(drawn, x, y, cv2.INTER_LINEAR, borderValue=(128, 128, 128)), np.uint8
    )


def test_tiles_cover_every_pixel_and_share_what_was_asked() -> None:
    random = np.random.default_rng(0)
    for _ in range(500):
        tile = int(random.integers(1, 60))
        overlap = int(random.integers(0, tile))
        length = int(random.integers(tile, 400))

        found = tiles.starts(length, tile, overlap)

        seen = np.zeros(length, bool)
        for start in found:
            seen[start : start + tile] = True
        assert seen.all()
        assert (found[0], found[-1]) == (0, length - tile)
        assert all(0 < b - a <= tile - overlap for a, b in pairwise(found))
        # No fewer would do.
        assert len(found) == 1 or tile + (len(found) - 2) * (tile - overlap) < length


@pytest.mark.parametrize("seed", range(30))
def test_tiles_of_a_frame_show_every_pixel_of_it_in_its_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(20, 150, 2))
    tile = int(random.integers(15, 21))
    overlap = float(random.choice([0.0, 0.1, 0.5, 1.0, 4.0]))
    image = noise(height, width, seed)
    view = View("tile", tile_px=tile, overlap=overlap)

    found = cut(view, (width, height), FILL)

    again = np.zeros_like(image)
    seen = np.zeros((height, width), bool)
    for place, one in zip(found.places, found.pictures(image, None), strict=True):
        (left, top), _, (right, bottom), _ = (tuple(map(round, xy)) for xy in place.outline)
        assert one.shape == (tile, tile, 3)
        again[top:bottom, left:right] = one
        seen[top:bottom, left:right] = True
    assert seen.all()
    assert np.array_equal(again, image)


def test_tiles_are_named_by_column_and_row_and_come_row_by_row() -> None:
    assert list(pictures(View("tile", tile_px=10), noise(20, 30))) == [
        "tile 1,1", "tile 2,1", "tile 3,1", "tile 1,2", "tile 2,2", "tile 3,2"
    ]  # fmt: skip


def test_a_view_without_a_place_is_the_whole_frame_and_copies_nothing() -> None:
    image = noise(40, 60)
    found = cut(View("all"), (60, 40), FILL)

    (one,) = found.pictures(image, found.buffer())

    assert one.base is image
    assert np.array_equal(one, image)
    assert found.places[0].outline == ((0, 0), (60, 0), (60, 40), (0, 40))


def test_a_roi_is_those_pixels_of_the_frame_not_copied() -> None:
    image = noise(40, 60)
    found = cut(View("lid", roi=(7, 5, 20, 10)), (60, 40), FILL)

    (one,) = found.pictures(image, found.buffer())

    assert np.shares_memory(one, image)
    assert np.array_equal(one, image[5:15, 7:27])
    assert found.places[0].outline == ((7, 5), (27, 5), (27, 15), (7, 15))


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (180.0, 2), (-90.0, 3), (-180.0, 2)])
@pytest.mark.parametrize("roi", [None, (4, 3, 30, 21)], ids=["frame", "roi"])
def test_a_picture_turned_by_quarters_is_turned_back_to_the_byte(
    degrees: float, turns: int, roi: tuple[int, int, int, int] | None
) -> None:
    image = noise(40, 61)
    x, y, width, height = roi or (0, 0, 61, 40)
    upright = np.rot90(image[y : y + height, x : x + width], turns)

    found = picture(View("side", roi=roi, rotate_deg=degrees), image)

    assert np.array_equal(found, upright)


def test_the_outline_of_a_turned_view_begins_at_the_parts_own_top_left() -> None:
    found = cut(View("side", roi=(10, 20, 30, 40), rotate_deg=90.0), (100, 100), FILL)

    assert np.round(found.places[0].outline, 6).tolist() == [[40, 20], [40, 60], [10, 60], [10, 20]]


@pytest.mark.parametrize("degrees", [-170.0, -95.0, -30.0, -2.5, 7.0, 44.0, 88.0, 120.0, 175.0])
def test_a_part_that_lies_turned_comes_out_upright(degrees: float) -> None:
    drawn = drawing(120, 180)
    angle = np.radians(degrees)
    clockwise = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    flat = np.array([(-90, -60), (90, -60), (90, 60), (-90, 60)])
    frame = placed(drawn, [*map(tuple, (flat @ clockwise + 150).tolist())], (300, 300))
    # A roi is as it looks in the frame: beyond 45 degrees the part stands on its short side.
    is_upright = abs(np.cos(angle)) > np.sqrt(0.5)
    roi = (60, 90, 180, 120) if is_upright else (90, 60, 120, 180)

    found = picture(View("part", roi=roi, rotate_deg=degrees), frame)

    assert difference(found, drawn) < 1.0


@pytest.mark.parametrize(
    "corners",
    [
        [(20, 30), (260, 30), (260, 190), (20, 190)],
        [(40, 25), (270, 60), (250, 210), (15, 170)],
        [(270, 60), (250, 210), (15, 170), (40, 25)],
        [(90.5, 40.25), (210, 41), (283, 220), (12.75, 215)],
    ],
    ids=["upright", "slanted", "slanted and turned", "seen from below"],
)
def test_a_part_seen_at_a_slant_comes_out_straight(corners: list[tuple[float, float]]) -> None:
    drawn = drawing(160, 240)
    frame = placed(drawn, corners, (240, 300))
    first, second, third, fourth = corners
    view = View("plate", corners=(first, second, third, fourth), size_px=(240, 160))

    found = picture(view, frame)

    assert difference(found, drawn) < 1.5


def test_corners_that_are_a_rectangle_show_the_bytes_of_the_roi() -> None:
    image = noise(80, 120)
    corners = ((10.0, 20.0), (90.0, 20.0), (90.0, 70.0), (10.0, 70.0))

    found = picture(View("plate", corners=corners), image)

    assert np.array_equal(found, image[20:70, 10:90])


def test_a_slanted_picture_without_a_size_is_as_long_as_the_longer_sides() -> None:
    corners = ((20.0, 10.0), (80.0, 10.0), (110.0, 70.0), (10.0, 70.0))

    found = picture(View("plate", corners=corners), noise(80, 120))

    assert found.shape == (67, 100, 3)


def test_tiles_of_a_slanted_view_lie_on_the_frame_where_they_were_seen() -> None:
    corners = ((10.0, 10.0), (110.0, 10.0), (90.0, 70.0), (30.0, 70.0))
    view = View("plate", corners=corners, size_px=(100, 50), tile_px=50)

    left, right = (place.outline for place in cut(view, (120, 80), FILL).places)

    assert np.allclose([left[0], right[1], right[2], left[3]], corners)
    assert np.allclose((left[1], left[2]), (right[0], right[3]))
    assert np.allclose((left[1][0], left[2][0]), 60)


def mask(folder: Path, seen: Image) -> Path:
    cv2.imwrite(str(folder / "mask.png"), seen)
    return folder / "mask.png"


@pytest.mark.parametrize("rgb", [None, (9, 8, 7)], ids=["mean colour", "its own colour"])
def test_what_is_black_in_a_mask_is_hidden_by_the_stated_colour(
    tmp_path: Path, rgb: tuple[int, int, int] | None
) -> None:
    image, seen = noise(60, 90), np.full((20, 30), 255, np.uint8)
    cv2.circle(seen, (15, 10), 6, 0, -1)
    view = View("ring", roi=(12, 14, 30, 20), mask=mask(tmp_path, seen), mask_rgb=rgb)
    before = image.copy()

    found = picture(view, image)

    expected = image[14:34, 12:42].copy()
    expected[seen == 0] = rgb or FILL
    assert np.array_equal(found, expected)
    assert np.array_equal(image, before)


def test_a_mask_lies_on_the_turned_picture_as_it_is_seen(tmp_path: Path) -> None:
    image, seen = noise(40, 60), np.full((60, 40), 255, np.uint8)
    seen[:10] = 0

    found = picture(View("side", rotate_deg=90.0, mask=mask(tmp_path, seen)), image)

    assert (found[:10] == FILL).all()
    assert np.array_equal(found[10:], np.rot90(image)[10:])


def test_a_tile_that_a_mask_hides_wholly_is_not_looked_at(tmp_path: Path) -> None:
    seen = np.full((20, 30), 255, np.uint8)
    seen[:10, 10:20] = 0
    seen[10:, 0] = 0

    found = pictures(View("tile", tile_px=10, mask=mask(tmp_path, seen)), noise(20, 30))

    assert list(found) == ["tile 1,1", "tile 3,1", "tile 1,2", "tile 2,2", "tile 3,2"]


def test_a_mask_that_does_not_fit_is_refused_with_both_sizes(tmp_path: Path) -> None:
    file = mask(tmp_path, np.full((20, 30), 255, np.uint8))
    for view, message in (
        (View("a", mask=file), f"{file} is 30 x 20 px; expected 60 x 40, as large as what the vie"),
        (View("a", mask=tmp_path / "no.png"), "no.png: No such file or directory; expected an ima"),
        (
            View("a", roi=(0, 0, 8, 8), mask=mask(tmp_path / "..", np.zeros((8, 8), np.uint8))),
            "hides everything; black is hidden",
        ),
    ):
        with pytest.raises(ConfigError, match=rf"view 'a': mask .*{re.escape(message)}"):
            cut(view, (60, 40), FILL)


OUTSIDE = "beyond the frame of 60 x 40 px; expected inside it"


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (
            View("lid", roi=(50, 5, 20, 10)),
            f"view 'lid': roi [50, 5, 20, 10] reaches from 50, 5 to 70, 15, {OUTSIDE}",
        ),
        (
            View("lid", roi=(0, 0, 60, 40), rotate_deg=10.0),
            "view 'lid': roi [0, 0, 60, 40] turned by 10 degrees reaches from -3.0172, -4.",
        ),
        (
            View("lid", corners=((0, 0), (61, 0), (60, 40), (0, 40))),
            "view 'lid': corners [[0.0, 0.0], [61.0, 0.0], [60.0, 40.0], [0.0, 40.0]] reaches",
        ),
        (
            View("lid", corners=((0, 0), (0, 40), (60, 40), (60, 0))),
            "run anticlockwise, which shows a mirror image; expected the part's own top left fir",
        ),
        (View("lid", corners=((0, 0), (60, 40), (60, 0), (0, 40))), "are no four-sided area"),
        (View("lid", corners=((0, 0), (30, 0), (60, 0), (0, 40))), "are no four-sided area"),
        (View("lid", corners=((0, 0), (np.nan, 0), (60, 9), (0, 40))), "; expected numbers"),
        (View("lid", tile_px=41), "view 'lid': 40 px are less than a tile of 41 px; expected a"),
        (View("lid", tile_px=1), "view 'lid': 2400 tiles; expected at most 1024; make them larger"),
    ],
    ids=[
        "beside the frame", "turned out of it", "corners beside it", "mirrored", "crossing",
        "in line", "no number", "too large a tile", "too many tiles",
    ],
)  # fmt: skip
def test_what_a_frame_does_not_hold_is_refused_in_one_line(view: View, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        cut(view, (60, 40), FILL)

    assert "\n" not in str(refused.value)


ROI = (0, 0, 9, 9)
CORNERS = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": " "}, "views: a name is empty"),
        ({"roi": (-1, 0, 9, 9)}, "view 'a': roi [-1, 0, 9, 9]; expected [x, y, width, height] in"),
        ({"roi": (0, 0, 0, 9)}, "view 'a': roi [0, 0, 0, 9]; expected"),
        ({"roi": ROI, "corners": CORNERS}, "view 'a': roi beside corners; corners say where it is"),
        ({"rotate_deg": 5.0, "corners": CORNERS}, "view 'a': rotate_deg beside corners"),
        ({"rotate_deg": 200.0}, "view 'a': rotate_deg 200; expected -180 to 180, clockwise"),
        ({"rotate_deg": float("nan")}, "view 'a': rotate_deg nan; expected -180 to 180"),
        ({"rotate_deg": 5.0}, "view 'a': rotate_deg 5 without roi; the whole frame can be turned"),
        ({"roi": ROI, "size_px": (9, 9)}, "view 'a': size_px without corners; a roi has its own"),
        ({"corners": CORNERS, "size_px": (0, 9)}, "view 'a': size_px [0, 9]; expected 1 px"),
        ({"mask_rgb": (0, 0, 0)}, "view 'a': mask_rgb without mask; there is nothing to hide"),
        ({"mask": Path("a.png"), "mask_rgb": (0, 0, 256)}, "mask_rgb [0, 0, 256]; expected 0..255"),
        ({"overlap": 0.5}, "view 'a': overlap without tile_px; there are no tiles"),
        ({"tile_px": 0}, "view 'a': tile_px 0; expected 1 or more"),
        ({"tile_px": 9, "overlap": 9.0}, "view 'a': overlap 9; expected a share of the tile below"),
        ({"tile_px": 9, "overlap": -0.1}, "view 'a': overlap -0.1; expected a share"),
        ({"tile_px": 9, "overlap": float("inf")}, "view 'a': overlap inf; expected a share"),
        ({"tile_px": 9, "overlap": float("nan")}, "view 'a': overlap nan; expected a share"),
        ({"good": "ok"}, "view 'a': good 'ok' is one text; expected a list"),
    ],
)  # fmt: skip
def test_a_view_that_contradicts_itself_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        View(**{"name": "a", **table})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("views", "frame_px", "cameras", "message"),
    [
        ([View("a"), View("a")], None, (), "view 'a': given twice; expected a name for each"),
        (
            [View("a", camera="top"), View("a")],
            None,
            ("top", "side"),
            "view 'a': given twice; expected a name for each",
        ),
        (
            [View("a", camera="left")],
            None,
            ("top", "side"),
            "view 'a': camera 'left'; expected one of top, side",
        ),
        (
            [View("a", camera="left")],
            None,
            (),
            "view 'a': camera 'left'; expected none with a single [camera]",
        ),
        (
            [View("a", roi=ROI)],
            None,
            (),
            "view 'a': roi without frame_px; add at the top of the file: frame_px = [width,",
        ),
        ([View("a", corners=CORNERS)], None, (), "view 'a': corners without frame_px"),
        ([], (60, 40), (), "frame_px: given without [[views]]; it says what they are measured in"),
        ([View("a")], (60, 0), (), "frame_px: [60, 0]; expected [width, height], 1 px or more"),
    ],
)
def test_views_that_do_not_go_together_are_refused(
    views: list[View], frame_px: tuple[int, int] | None, cameras: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        check(views, frame_px, cameras)


def test_a_view_of_one_camera_is_not_of_another_and_one_of_none_is_of_all() -> None:
    views = [View("a", camera="top"), View("b"), View("a", camera="side")]

    check(views, None, ("top", "side"))

    assert of_camera(views, "top") == (views[0], views[1])
    assert of_camera(views, "side") == (views[1], views[2])
    assert of_camera(views, "") == (views[1],)
