"""The split of a data folder: calibration and measured images never meet."""

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


def contents(items: list[Labelled]) -> set[bytes]:
    return {read_image(item.path).tobytes() for item in items}


def shares(items: list[Labelled]) -> dict[str | None, int]:
    return dict(Counter(item.label for item in items))


def all_of(found: Split) -> list[Labelled]:
    return found.calibrate + found.choose + found.measure


def wanted(calibrate: int, choose: int, most: int = 1000, seed: int = 0) -> Wanted:
    return Wanted(calibrate, choose, most, seed)


def test_no_image_does_two_of_calibrating_choosing_and_measuring(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 50, "scratch": 30})

    found = split(data, [], wanted(20, 12))

    seen = [contents(part) for part in (found.calibrate, found.choose, found.measure)]
    assert [len(part) for part in seen] == [20, 12, 48]
    assert set.union(*seen) == contents(data)
    assert len(set.union(*seen)) == 80


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_in_another_format_is_the_same_image(tmp_path: Path, seed: int) -> None:
    data = files(tmp_path, {"good": 20, "scratch": 20})
    for i, item in enumerate(data[::2]):
        copy = tmp_path / str(item.label) / f"copy{i}.bmp"
        with Image.open(item.path) as picture:
            picture.save(copy)
        data.append(Labelled(copy, item.label))

    found = split(data, [], wanted(10, 10, seed=seed))

    assert found.duplicates == 20
    assert len(all_of(found)) == len(contents(all_of(found))) == 40


def test_every_part_keeps_the_proportions_of_the_labels(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 200, "scratch": 20, "dent": 100})

    found = split(data, [], wanted(64, 64, seed=3))

    for part, most in ((found.calibrate, 1), (found.choose, 2)):  # it begins where the other ends
        counts = shares(part)
        assert abs(counts["good"] - 40) <= most
        assert abs(counts["scratch"] - 4) <= most
        assert abs(counts["dent"] - 20) <= most
    assert shares(all_of(found)) == shares(data)


def test_a_limit_on_images_keeps_the_proportions_too(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 90, "scratch": 30})

    found = split(data, [], wanted(10, 10, most=40))

    assert (len(found.calibrate), len(found.choose), len(found.measure)) == (10, 10, 20)
    assert abs(shares(all_of(found))["good"] - 30) <= 1


def test_one_seed_gives_one_split_and_another_seed_another(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 40, "scratch": 40})

    first, again, other = (split(data, [], wanted(16, 16, seed=seed)) for seed in (5, 5, 6))

    assert first == again
    assert contents(first.calibrate) != contents(other.calibrate)
    assert contents(first.choose) != contents(other.choose)


def test_a_flat_folder_is_split_and_has_no_labels(tmp_path: Path) -> None:
    found = split(files(tmp_path, {None: 40}), [], wanted(10, 8))

    assert (len(found.calibrate), len(found.choose), len(found.measure)) == (10, 8, 22)
    assert {item.label for item in all_of(found)} == {None}


def test_one_picture_under_two_labels_is_refused_and_both_are_named(tmp_path: Path) -> None:
    data = files(tmp_path, {"good": 2, "scratch": 1})
    data[2].path.write_bytes(data[0].path.read_bytes())

    with pytest.raises(
        ExportError,
        match=r"scratch/000.png: the same picture as .*good/000.png, under another label; keep one",
    ):
        split(data, [], wanted(1, 1))


@pytest.mark.parametrize(("images", "taken"), [(1, 0), (3, 0), (4, 1), (9, 2), (600, 128)])
def test_calibrating_and_choosing_take_at_most_a_quarter_each(
    tmp_path: Path, images: int, taken: int
) -> None:
    found = split(files(tmp_path, {"good": images}), [], wanted(128, 128))

    assert len(found.calibrate) == len(found.choose) == taken
    assert len(found.measure) == images - 2 * taken


def test_images_set_aside_calibrate_and_choose_and_all_the_others_measure(tmp_path: Path) -> None:
    data, aside = files(tmp_path / "a", {"good": 12}), files(tmp_path / "b", {None: 45})[12:]

    found = split(data, aside, wanted(20, 8))

    assert (len(found.calibrate), len(found.choose)) == (16, 8)
    assert contents(found.calibrate) | contents(found.choose) <= contents(aside)
    assert not contents(found.calibrate) & contents(found.choose)
    assert contents(found.measure) == contents(data)


def test_a_picture_that_is_set_aside_and_measured_is_refused(tmp_path: Path) -> None:
    data, aside = files(tmp_path / "a", {"good": 3}), files(tmp_path / "b", {None: 1})

    with pytest.raises(
        ExportError,
        match=r"b/000.png: the same picture as .*a/good/000.png; an image that calibrates must not "
        r"measure; remove it from --calibration-data or from --data",
    ):
        split(data, aside, wanted(1, 1))


def test_copies_among_the_images_set_aside_count_as_one_and_are_reported(tmp_path: Path) -> None:
    data, aside = files(tmp_path / "a", {"good": 4}), files(tmp_path / "b", {None: 14})[4:]
    copy = tmp_path / "b" / "copy.png"
    copy.write_bytes(aside[0].path.read_bytes())

    found = split(data, [*aside, Labelled(copy, None)], wanted(20, 20))

    assert found.duplicates == 1
    assert (len(found.calibrate), len(found.choose)) == (5, 5)


def test_without_data_there_is_nothing_to_split() -> None:
    assert split([], [], wanted(128, 128)) == Split([], [], [], 0)
