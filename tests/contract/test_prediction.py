"""How scores are read, specified, for each task."""

import numpy as np
import pytest

from edgecls import Outcome, Prediction, Task, Verdict

LABELS = ("ok", "scratch", "dent")


def scored(
    *scores: float, task: Task = Task.MULTICLASS, limits: tuple[float, ...] = ()
) -> Prediction:
    return Prediction(np.array(scores, np.float32), LABELS[: len(scores)], task, limits)


def test_a_multiclass_answer_is_the_best_label_with_its_lead_over_the_second() -> None:
    prediction = scored(0.2, 0.7, 0.1)

    assert prediction.label == "scratch"
    assert prediction.score == pytest.approx(0.7)
    assert prediction.margin == pytest.approx(0.5)
    assert prediction.present == ("scratch",)


def test_the_top_labels_come_highest_first_and_equals_keep_their_order() -> None:
    top = scored(0.3, 0.4, 0.3).top(3)

    assert [label for label, _ in top] == ["scratch", "ok", "dent"]


@pytest.mark.parametrize(
    ("positive", "label", "margin"),
    [(0.29, "ok", 0.42), (0.3, "scratch", -0.4), (0.9, "scratch", 0.8)],
)
def test_a_binary_answer_is_positive_from_its_threshold_on(
    positive: float, label: str, margin: float
) -> None:
    prediction = scored(1 - positive, positive, task=Task.BINARY, limits=(np.float32(0.3).item(),))

    assert prediction.label == label
    assert prediction.margin == pytest.approx(margin)


def test_every_multilabel_label_has_a_threshold_of_its_own() -> None:
    prediction = scored(0.4, 0.6, 0.95, task=Task.MULTILABEL, limits=(0.3, 0.7, 0.9))

    assert prediction.present == ("ok", "dent")
    assert prediction.label == "dent"


def test_scores_that_do_not_fit_the_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores of shape \(2,\); expected \(3,\), one per label"):
        Prediction(np.zeros(2, np.float32), LABELS)


def test_a_pass_without_a_prediction_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="PASS without a prediction"):
        Verdict(Outcome.PASS, "the camera was silent")


def test_latency_counts_from_the_frame_s_arrival_and_is_none_without_a_frame() -> None:
    assert Verdict(Outcome.REVIEW, "", captured_at=2.0, decided_at=2.5).latency == 0.5
    assert Verdict(Outcome.REVIEW, "", decided_at=2.5).latency is None
