"""The split of a data folder: calibration and measured images never meet."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from edgecls.errors import ExportError
from edgecls_exporters.splits import Split, split
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


def contents(items: list[Labelled]) -> set[bytes]:
    return {read_image(item.path).tobytes() for item in items}


def shares(items: list[Labelled]) -> dict[str | None, int]:
    return dict(Counter(item.label for item in items))


def test_no_image_both_calibrates_and_measures(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 50, "scratch": 30})

    found = split(data, 20, 1000, seed=0)

    assert not contents(found.calibrate) & contents(found.measure)
    assert contents(found.calibrate) | contents(found.measure) == contents(data)
    assert (len(found.calibrate), len(found.measure)) == (20, 60)


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_in_another_format_is_the_same_image(tmp_path: Path, seed: int) -> None:
    data = files(tmp_path, {"good": 20, "scratch": 20})
    for i, item in enumerate(data[::2]):
        copy = tmp_path / str(item.label) / f"copy{i}.bmp"
        with Image.open(item.path) as picture:
            picture.save(copy)
        data.append(Labelled(copy, item.label))

    found = split(data, 20, 1000, seed)

    assert found.duplicates == 20
    assert not contents(found.calibrate) & contents(found.measure)
    assert len(found.calibrate) + len(found.measure) == 40


def test_both_halves_keep_the_proportions_of_the_labels(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 200, "scratch": 20, "dent": 100})

    found = split(data, 64, 1000, seed=3)

    calibrate, measure = shares(found.calibrate), shares(found.measure)
    assert abs(calibrate["good"] - 40) <= 1
    assert abs(calibrate["scratch"] - 4) <= 1
    assert abs(calibrate["dent"] - 20) <= 1
    assert measure == {label: count - calibrate[label] for label, count in shares(data).items()}


def test_a_limit_on_images_keeps_the_proportions_too(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 90, "scratch": 30})

    found = split(data, 10, 40, seed=0)

    assert len(found.calibrate) == 10
    assert len(found.measure) == 30
    assert abs(shares(found.calibrate + found.measure)["good"] - 30) <= 1


def test_one_seed_gives_one_split_and_another_seed_another(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 40, "scratch": 40})

    first, again, other = (split(data, 16, 1000, seed) for seed in (5, 5, 6))

    assert first == again
    assert contents(first.calibrate) != contents(other.calibrate)


def test_a_flat_folder_is_split_and_has_no_labels(tmp_path: Path) -> None:
    found = split(files(tmp_path, {None: 30}), 10, 1000, seed=0)

    assert (len(found.calibrate), len(found.measure)) == (10, 20)
    assert {item.label for item in found.calibrate + found.measure} == {None}


def test_one_picture_under_two_labels_is_refused_and_both_are_named(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 2, "scratch": 1})
    data[2].path.write_bytes(data[0].path.read_bytes())

    with pytest.raises(
        ExportError, match=r"scratch/000.png: the same picture as .*good/000.png, u"
    ):
        split(data, 1, 1000, seed=0)


@pytest.mark.parametrize(("images", "calibrated"), [(1, 0), (2, 1), (3, 1), (9, 4), (300, 128)])
def test_calibration_takes_at_most_half_of_what_there_is(
    tmp_path: Path, images: int, calibrated: int
) -> None:
    found = split(files(tmp_path, {"good": images}), 128, 1000, seed=0)

    assert len(found.calibrate) == calibrated
    assert len(found.measure) == images - calibrated


def test_without_data_there_is_nothing_to_split() -> None:
    assert split([], 128, 1000, seed=0) == Split([], [], 0)
