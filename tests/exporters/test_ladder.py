"""Choosing how exactly to resize: by the user's own images, never by hope."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Preprocessing, Resampling
from edgecls.prediction import Task
from edgecls_exporters.ladder import FEWEST, Judge, choose, fastest
from edgecls_exporters.report import Rung
from edgecls_runtime.images import Labelled
from edgecls_runtime.preprocessing import prepare
from parts import LABELS, NETWORK, part_image, trained_network

Pixels = NDArray[np.uint8]
SMALL = Preprocessing((64, 64), (64, 64))
EXACT, HALVING, COARSE = Resampling


def rung(name: Resampling, agreement: float, milliseconds: float) -> Rung:
    return Rung(name, agreement, 0.0, milliseconds, chosen=False)


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Return the small network of the tests, trained."""
    module: dict[str, object] = {}
    exec(NETWORK, module)  # noqa: S102 - text of tests/parts.py
    trained = trained_network(module)

    def classify(images: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
            scores = torch.softmax(trained((pixels - 0.4) / 0.2), dim=1)
        return np.asarray(scores.numpy(), np.float32)

    return Judge(classify, Task.MULTICLASS, ())


def sharpness(images: Pixels) -> NDArray[np.float32]:
    """Answer 1 where neighbours differ by more than 50 grey levels on average: texture decides."""
    steps = np.abs(np.diff(images.astype(np.float32), axis=2)).mean(axis=(1, 2, 3))
    score = np.clip(steps / 100, 0, 1)
    return np.stack([1 - score, score], axis=1)


def write(folder: Path, images: list[Pixels], suffix: str = ".png") -> list[Labelled]:
    """Write images; PNG without compression, which is fast."""
    for number, image in enumerate(images):
        file = str(folder / f"{number:03}{suffix}")
        cv2.imwrite(file, image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return [Labelled(path, None) for path in sorted(folder.iterdir())]


def camera_images(count: int) -> list[Pixels]:
    """Draw parts as a camera of 720 rows sees them."""
    random = np.random.default_rng(0)
    parts = [part_image(LABELS[number % 2], random) for number in range(count)]
    return [np.asarray(cv2.resize(part, (960, 720)), np.uint8) for part in parts]


def test_a_faster_rung_is_chosen_where_it_keeps_to_the_budget(judge: Judge, tmp_path: Path) -> None:
    images = write(tmp_path, camera_images(FEWEST))

    chosen, rungs = choose(judge, images, SMALL, most_changed=0.1)

    assert [item.name for item in rungs] == ["exact", "halving", "coarse"]
    assert min(item.agreement for item in rungs) >= 0.9
    assert chosen is not EXACT
    assert [item.name for item in rungs if item.chosen] == [chosen]
    assert rungs[0].largest_difference == 0 < rungs[1].largest_difference
    assert rungs[0].milliseconds > 1.5 * rungs[1].milliseconds > 0


def test_a_rung_that_changes_answers_is_not_chosen(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    texture = [
        np.where(random.random((140 + n, 150, 1)) < 0.5, 0, 255).astype(np.uint8).repeat(3, axis=2)
        for n in range(FEWEST)
    ]

    wanted = Preprocessing((64, 64), (64, 64), interpolation=Interpolation.LANCZOS)
    judge = Judge(sharpness, Task.MULTICLASS, ())
    chosen, rungs = choose(judge, write(tmp_path, texture), wanted)

    assert rungs[2].agreement < 0.9
    assert chosen is not COARSE


def test_the_user_s_own_choice_is_measured_and_kept(judge: Judge, tmp_path: Path) -> None:
    images = write(tmp_path, camera_images(4))

    chosen, rungs = choose(judge, images, SMALL, wanted=Resampling.COARSE)

    assert chosen is COARSE
    assert [item.chosen for item in rungs] == [False, False, True]


def test_too_few_images_show_nothing(judge: Judge, tmp_path: Path) -> None:
    images = write(tmp_path, camera_images(4))

    chosen, rungs = choose(judge, images, SMALL)

    assert chosen is EXACT
    assert len(rungs) == 3


def test_images_too_small_to_be_halved_are_resized_exactly(judge: Judge, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    images = write(tmp_path, [part_image("good", random)[:66, :66] for _ in range(FEWEST)])

    chosen, rungs = choose(judge, images, SMALL)

    assert chosen is EXACT
    assert len({item.milliseconds for item in rungs}) == 1
    assert {item.largest_difference for item in rungs} == {0.0}


def test_without_images_nothing_is_measured(judge: Judge) -> None:
    assert choose(judge, [], SMALL) == (EXACT, ())
    assert choose(judge, [], SMALL, wanted=HALVING) == (HALVING, ())


@pytest.mark.parametrize(
    ("halving", "coarse", "n_images", "most_changed", "expected"),
    [
        ((1.0, 5.0), (1.0, 2.0), 500, 0.001, COARSE),
        ((1.0, 5.0), (0.998, 2.0), 500, 0.001, HALVING),
        ((0.998, 5.0), (0.998, 2.0), 500, 0.001, EXACT),
        ((0.998, 5.0), (0.998, 2.0), 500, 0.002, COARSE),
        ((0.998, 5.0), (1.0, 2.0), 500, 0.001, COARSE),
        ((0.999, 5.0), (0.998, 2.0), 1000, 0.001, HALVING),
        ((0.71, 5.0), (0.70, 2.0), 100, 0.29, HALVING),
        ((1.0, 9.1), (1.0, 9.1), 500, 0.001, EXACT),
        ((1.0, 9.5), (1.0, 8.9), 500, 0.001, COARSE),
        ((1.0, 5.0), (1.0, 4.6), 500, 0.001, HALVING),
        ((1.0, 5.0), (1.0, 2.0), FEWEST - 1, 0.5, EXACT),
    ],
)
def test_a_rung_must_keep_to_the_budget_and_be_worth_it(
    halving: tuple[float, float],
    coarse: tuple[float, float],
    n_images: int,
    most_changed: float,
    expected: Resampling,
) -> None:
    rungs = (rung(EXACT, 1.0, 10.0), rung(HALVING, *halving), rung(COARSE, *coarse))

    assert fastest(rungs, n_images, most_changed) is expected


def test_every_label_of_a_multilabel_answer_has_to_stay(tmp_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 256, (140, 150, 3), dtype=np.uint8)
    exact, coarse = (
        sharpness(prepare(image, replace(SMALL, resampling=name))[np.newaxis])[0]
        for name in (EXACT, COARSE)
    )
    thresholds = (0.01, float(exact[1] + coarse[1]) / 2)  # the first label is always there

    judge = Judge(sharpness, Task.MULTILABEL, thresholds)
    _, rungs = choose(judge, write(tmp_path, [image]), SMALL)

    assert [item.agreement for item in rungs] == [1, 1, 0]
