"""The split of a data folder: images that calibrate, choose and measure never meet."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from edgecls.errors import ExportError
from edgecls_exporters.splits import Split, Wanted, split
from edgecls_runtime.images import Labelled, read_image


def files(folder: Path, counts: dict[str | None, int]) -> list[Labelled]:
    """Write pictures that differ from each other, so many of each label."""
    data, shade = [], 0
    for label, count in counts.items():
        (folder / (label or ".")).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            path = folder / (label or ".") / f"{i:03}.png"
            shade += 1
            Image.new("RGB", (2, 2), (shade % 256, shade // 256, 0)).save(path)
            data.append(Labelled(path, label))
    return data


def parted(data: list[Labelled], each: int, most: int, seed: int) -> Split:
    """Divide: so many to calibrate, as many to choose, the rest to measure."""
    return split(data, [], Wanted(each, each, most, seed))


def contents(items: list[Labelled]) -> set[bytes]:
    return {read_image(item.path).tobytes() for item in items}


def shares(items: list[Labelled]) -> dict[str | None, int]:
    return dict(Counter(item.label for item in items))


def test_no_image_calibrates_chooses_or_measures_twice(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 50, "scratch": 30})

    found = parted(data, 20, 1000, seed=0)

    parts = [contents(part) for part in (found.calibrate, found.choose, found.measure)]
    assert set.union(*parts) == contents(data)
    assert [len(part) for part in parts] == [20, 20, 40]


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_in_another_format_is_the_same_image(tmp_path: Path, seed: int) -> None:
    data = files(tmp_path, {"good": 20, "scratch": 20})
    for i, item in enumerate(data[::2]):
        copy = tmp_path / str(item.label) / f"copy{i}.bmp"
        with Image.open(item.path) as picture:
            picture.save(copy)
        data.append(Labelled(copy, item.label))

    found = parted(data, 20, 1000, seed)

    assert found.duplicates == 20
    parts = [contents(part) for part in (found.calibrate, found.choose, found.measure)]
    assert [len(part) for part in parts] == [10, 10, 20]
    assert len(set.union(*parts)) == 40


def test_each_part_keeps_the_proportions_of_the_labels(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 200, "scratch": 20, "dent": 100})

    found = parted(data, 64, 1000, seed=3)

    calibrate, choose = shares(found.calibrate), shares(found.choose)
    for part in (calibrate, choose):
        assert abs(part["good"] - 40) <= 1
        assert abs(part["scratch"] - 4) <= 1
        assert abs(part["dent"] - 20) <= 1
    assert shares(found.measure) == {
        label: count - calibrate[label] - choose[label] for label, count in shares(data).items()
    }


def test_a_limit_on_images_keeps_the_proportions_too(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 90, "scratch": 30})

    found = parted(data, 10, 40, seed=0)

    assert len(found.calibrate) == 10
    assert len(found.measure) == 20
    assert abs(shares(found.calibrate + found.choose + found.measure)["good"] - 30) <= 1


def test_one_seed_gives_one_split_and_another_seed_another(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 40, "scratch": 40})

    first, again, other = (parted(data, 16, 1000, seed) for seed in (5, 5, 6))

    assert first == again
    assert contents(first.calibrate) != contents(other.calibrate)


def test_a_flat_folder_is_split_and_has_no_labels(tmp_path: Path) -> None:
    found = parted(files(tmp_path, {None: 30}), 10, 1000, seed=0)

    assert [len(found.calibrate), len(found.choose), len(found.measure)] == [7, 7, 16]
    assert {item.label for item in found.calibrate + found.choose + found.measure} == {None}


def test_one_picture_under_two_labels_is_refused_and_both_are_named(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 2, "scratch": 1})
    data[2].path.write_bytes(data[0].path.read_bytes())

    with pytest.raises(
        ExportError, match=r"scratch/000.png: the same picture as .*good/000.png, u"
    ):
        parted(data, 1, 1000, seed=0)


@pytest.mark.parametrize(
    ("images", "calibrated"), [(1, 0), (3, 0), (4, 1), (9, 2), (300, 75), (600, 128)]
)
def test_calibration_and_choosing_take_at_most_a_quarter_each_of_what_there_is(
    tmp_path: Path, images: int, calibrated: int
) -> None:
    found = parted(files(tmp_path, {"good": images}), 128, 1000, seed=0)

    assert len(found.calibrate) == len(found.choose) == calibrated
    assert len(found.measure) == images - 2 * calibrated


def test_without_data_there_is_nothing_to_split() -> None:
    assert parted([], 128, 1000, seed=0) == Split([], [], [], 0)


def test_other_images_calibrate_and_choose_so_that_all_of_the_data_measure(tmp_path: Path) -> None:
    data = files(tmp_path / "data", {"good": 12, "scratch": 8})
    aside = files(tmp_path / "aside", {"good": 60})[20:]

    found = split(data, aside, Wanted(16, 10, 1000, 0))

    assert contents(found.measure) == contents(data)
    assert [len(found.calibrate), len(found.choose)] == [16, 10]
    assert contents(found.calibrate) | contents(found.choose) <= contents(aside)
    assert not contents(found.calibrate) & contents(found.choose)
