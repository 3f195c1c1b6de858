"""The ledger's figures against the same counted image by image."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.prediction import Task
from edgecls_exporters.ledger import (
    Answers,
    Truth,
    answered,
    flips,
    known,
    new_escapes,
    reliability,
    row,
)

LABELS = ("good", "scratch", "dent")
COUNT = 300


def scores(seed: int, labels: int = 3) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).gamma(0.7, 1, (COUNT, labels))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True), np.float32)


def mixed(seed: int) -> NDArray[np.float32]:
    """Return scores that are those of seed 0 on most images."""
    changed = np.random.default_rng(seed).random(COUNT) < 0.2
    return np.where(changed[:, None], scores(seed), scores(0))


@pytest.fixture
def original() -> Answers:
    return answered("pytorch", scores(0), Task.MULTICLASS, ())


@pytest.fixture
def found() -> Answers:
    return answered("int8-arm", mixed(5), Task.MULTICLASS, ())


@pytest.fixture
def images() -> Truth:
    random = np.random.default_rng(9)
    truth = np.where(random.random(COUNT) < 0.8, scores(0).argmax(1), random.integers(0, 3, COUNT))
    return Truth(LABELS, truth.astype(np.intp), ("good",))


def test_a_row_holds_what_counting_image_by_image_gives(
    original: Answers, found: Answers, images: Truth
) -> None:
    before = answered("fp32", mixed(6), Task.MULTICLASS, ())
    assert images.truth is not None
    said, meant, step = (one.scores.argmax(axis=1).tolist() for one in (found, original, before))
    truth = images.truth.tolist()

    told = row(found, original, before, images)

    assert (told.name, told.after, told.images) == ("int8-arm", "fp32", COUNT)
    assert told.agreement == sum(a == b for a, b in zip(said, meant, strict=True)) / COUNT
    assert told.changed == sum(a != b for a, b in zip(said, step, strict=True))
    apart = [
        abs(float(a) - float(b))
        for a, b in zip(found.scores.flat, original.scores.flat, strict=True)
    ]
    assert told.largest_difference == pytest.approx(max(apart))
    right = sum(a == t for a, t in zip(said, truth, strict=True))
    original_right = sum(a == t for a, t in zip(meant, truth, strict=True))
    assert told.accuracy == right / COUNT
    assert told.drop == pytest.approx(100 * (original_right - right) / COUNT)
    assert told.drop is not None
    assert told.drop_interval is not None
    assert told.drop_interval[0] < told.drop < told.drop_interval[1]
    assert told.drop_p is not None
    assert 0 <= told.drop_p <= 1
    for number, label in enumerate(LABELS):
        own = [a for a, t in zip(said, truth, strict=True) if t == number]
        assert told.recall[label] == own.count(number) / len(own)
    pairs = list(zip(truth, said, strict=True))
    assert told.confusions == tuple((t, a, pairs.count((t, a))) for t, a in sorted(set(pairs)))


def test_the_original_agrees_with_itself_and_follows_nothing(
    original: Answers, images: Truth
) -> None:
    told = row(original, original, None, images)

    assert told.after is None
    assert (told.agreement, told.changed, told.largest_difference) == (1.0, 0, 0.0)
    assert (told.drop, told.drop_p, told.escapes) == (0.0, 1.0, 0)


def test_without_labels_nothing_is_said_of_what_is_right(original: Answers, found: Answers) -> None:
    told = row(found, original, original, Truth(LABELS, None, ("good",)))

    assert told.agreement < 1
    unknown = (told.accuracy, told.drop, told.drop_interval, told.drop_p, told.escapes)
    assert unknown == (None,) * 5
    assert (told.recall, told.confusions, told.reliability) == ({}, (), ())


def test_a_label_without_an_image_has_no_recall(original: Answers) -> None:
    told = row(original, original, None, Truth(LABELS, np.zeros(COUNT, np.intp)))

    assert set(told.recall) == {"good"}


def test_scores_that_are_not_numbers_show_in_the_largest_difference(original: Answers) -> None:
    broken = original.scores.copy()
    broken[3] = np.nan

    told = row(answered("int8", broken, Task.MULTICLASS, ()), original, None, Truth(LABELS, None))

    assert not np.isfinite(told.largest_difference)


def test_new_escapes_are_defects_that_the_original_stops_and_these_answers_pass(
    original: Answers, found: Answers, images: Truth
) -> None:
    assert images.truth is not None
    said, meant = found.scores.argmax(axis=1), original.scores.argmax(axis=1)

    wanted = sum(
        truth != 0 and before != 0 and now == 0
        for truth, before, now in zip(images.truth, meant, said, strict=True)
    )

    assert wanted > 0
    assert new_escapes(found, original, images) == wanted
    assert row(found, original, None, images).escapes == wanted


def test_escapes_of_the_original_itself_are_not_new(original: Answers, images: Truth) -> None:
    assert new_escapes(original, original, images) == 0


def test_without_good_labels_or_truth_escapes_are_not_counted(
    original: Answers, found: Answers, images: Truth
) -> None:
    assert new_escapes(found, original, Truth(LABELS, images.truth)) is None
    assert new_escapes(found, original, Truth(LABELS, None, ("good",))) is None


def test_a_part_with_a_good_and_a_bad_label_does_not_pass() -> None:
    def held(*lines: tuple[float, float, float]) -> Answers:
        return answered("x", np.array(lines, np.float32), Task.MULTILABEL, (0.5, 0.5, 0.5))

    original = held((0.1, 0.9, 0.1), (0.1, 0.9, 0.1), (0.1, 0.9, 0.1), (0.1, 0.9, 0.1))
    now = held((0.9, 0.9, 0.1), (0.9, 0.1, 0.1), (0.1, 0.1, 0.1), (0.9, 0.1, 0.6))
    images = Truth(LABELS, np.array([1, 1, 1, 1], np.intp), ("good",))

    assert new_escapes(now, original, images) == 1


def test_several_labels_are_the_same_answer_only_when_all_are() -> None:
    one = answered("a", np.array([[0.9, 0.6], [0.9, 0.4]], np.float32), Task.MULTILABEL, (0.5, 0.5))
    other = answered(
        "b", np.array([[0.9, 0.4], [0.9, 0.4]], np.float32), Task.MULTILABEL, (0.5,) * 2
    )

    told = row(other, one, one, Truth(("a", "b"), None))

    assert (told.agreement, told.changed) == (0.5, 1)


def test_a_binary_answer_is_read_by_its_threshold() -> None:
    scores = np.array([[0.7, 0.3], [0.8, 0.2]], np.float32)

    found = answered("x", scores, Task.BINARY, (0.25,))

    assert found.answers.tolist() == [1, 0]
    assert found.present.tolist() == [[False, True], [True, False]]


def test_tenths_of_the_best_score_hold_every_image_once(found: Answers, images: Truth) -> None:
    assert images.truth is not None
    right = found.answers == images.truth

    bins = reliability(found, right)

    best = found.scores.max(axis=1)
    assert sum(one.images for one in bins) == COUNT
    for one in bins:
        tenth = min(int(10 * one.score), 9)
        mine = [i for i in range(COUNT) if min(int(best[i] * 10), 9) == tenth]
        assert one.images == len(mine)
        assert one.score == pytest.approx(float(np.mean(best[mine])), rel=1e-5)
        assert one.right == pytest.approx(float(np.mean(right[mine])))


def test_a_score_of_1_is_in_the_last_tenth() -> None:
    sure = answered("x", np.array([[1.0, 0.0]], np.float32), Task.MULTICLASS, ())

    (only,) = reliability(sure, np.array([True]))

    assert (only.images, only.score, only.right) == (1, 1.0, 1.0)


def test_flips_are_the_images_that_any_row_answers_otherwise(
    original: Answers, found: Answers, images: Truth
) -> None:
    files = [f"{i:03}.png" for i in range(COUNT)]
    other = answered("fp32", original.scores, Task.MULTICLASS, ())

    told = flips(files, [other, found], original, images)

    said, meant = found.scores.argmax(axis=1), original.scores.argmax(axis=1)
    assert [flip.file for flip in told] == [files[i] for i in np.flatnonzero(said != meant)]
    assert images.truth is not None
    for flip in told:
        i = files.index(flip.file)
        assert flip.label == LABELS[images.truth[i]]
        assert flip.original == LABELS[meant[i]]
        assert flip.answers == {"fp32": LABELS[meant[i]], "int8-arm": LABELS[said[i]]}


def test_one_image_without_a_label_and_nothing_is_known_of_any() -> None:
    assert known(["good", None], LABELS, ()).truth is None
    truth = known(["dent", "good"], LABELS, ("good",)).truth
    assert truth is not None
    assert truth.tolist() == [2, 0]
