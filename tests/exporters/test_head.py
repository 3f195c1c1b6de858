"""The head refitted: scores of an int8 file mean what fp32's mean, so limits stay limits."""

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecls.prediction import Task
from edgecls_exporters.head import divergence, refitted, rescored
from edgecls_exporters.probe import quiet_session

Floats = NDArray[np.float32]

SOFTMAX = [helper.make_node("Softmax", ["moved"], ["scores"], axis=1)]
SIGMOIDS = [helper.make_node("Sigmoid", ["moved"], ["scores"])]
BINARY = [
    helper.make_node("Sigmoid", ["moved"], ["positive"]),
    helper.make_node("Sub", ["one", "positive"], ["negative"]),
    helper.make_node("Concat", ["negative", "positive"], ["scores"], axis=1),
]


def model_of(
    head: list[NodeProto],
    n_logits: int,
    slope: float | list[float] = 1.0,
    shift: float | list[float] = 0.0,
) -> ModelProto:
    """Return a model whose logits are its input ``x``, made louder and moved before the head."""
    nodes = [
        helper.make_node("Mul", ["x", "slope"], ["louder"]),
        helper.make_node("Add", ["louder", "shift"], ["moved"]),
        *head,
    ]
    constants = {"slope": slope, "shift": shift, "one": [[1.0]]}
    n_scores = 2 if head is BINARY else n_logits
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_logits])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", n_scores])],
        [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    made: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return made


def scores_of(model: ModelProto, logits: Floats) -> Floats:
    (scores,) = quiet_session(model).run(None, {"x": logits})
    return np.asarray(scores)


def logits_of(n: int, count: int = 400) -> Floats:
    return np.random.default_rng(3).normal(0, 1.5, (count, n)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.6, 0.8, 1.0, 1.3, 1.9])
def test_a_temperature_that_was_put_in_is_found_again(temperature: float) -> None:
    logits = logits_of(5)
    hot = model_of(SOFTMAX, 5, slope=temperature)
    wanted, found = scores_of(model_of(SOFTMAX, 5), logits), scores_of(hot, logits)

    model, told = refitted(hot, found, wanted, Task.MULTICLASS)

    assert told == pytest.approx(temperature, rel=0.01)
    assert np.abs(scores_of(model, logits) - wanted).max() < 0.01


def test_a_head_that_needs_nothing_keeps_its_scores() -> None:
    logits = logits_of(5)
    exact = model_of(SOFTMAX, 5)
    wanted = scores_of(exact, logits)

    model, told = refitted(exact, wanted, wanted, Task.MULTICLASS)

    assert told == pytest.approx(1.0)
    assert np.abs(scores_of(model, logits) - wanted).max() < 1e-6


def test_no_answer_of_a_softmax_changes() -> None:
    logits = logits_of(5)
    hot = model_of(SOFTMAX, 5, slope=1.7, shift=[0.1, -0.2, 0.0, 0.1, 0.0])
    found = scores_of(hot, logits)

    model, _ = refitted(hot, found, scores_of(model_of(SOFTMAX, 5), logits), Task.MULTICLASS)

    assert np.array_equal(scores_of(model, logits).argmax(axis=1), found.argmax(axis=1))


def test_the_temperature_stays_within_a_half_and_two() -> None:
    logits = logits_of(5)
    wanted = scores_of(model_of(SOFTMAX, 5), logits)

    for slope, limit in ((0.05, 0.5), (20.0, 2.0)):
        broken = model_of(SOFTMAX, 5, slope=slope)
        _, told = refitted(broken, scores_of(broken, logits), wanted, Task.MULTICLASS)
        assert told == pytest.approx(limit)


def test_each_sigmoid_gets_back_its_own_slope_and_shift() -> None:
    logits = logits_of(3, 2000)
    slopes, shifts = [1.5, 0.8, 1.0], [0.4, -0.6, 0.0]
    moved = model_of(SIGMOIDS, 3, slopes, shifts)
    wanted, found = scores_of(model_of(SIGMOIDS, 3), logits), scores_of(moved, logits)

    model, told = refitted(moved, found, wanted, Task.MULTILABEL)

    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert stored["head_slope"] == pytest.approx([1 / s for s in slopes], rel=0.02)
    assert stored["head_shift"] == pytest.approx(
        [-b / s for s, b in zip(slopes, shifts, strict=True)], abs=0.02
    )
    assert told == pytest.approx(1 / np.mean([1 / s for s in slopes]), rel=0.02)
    assert np.abs(scores_of(model, logits) - wanted).max() < 0.01


def test_one_binary_logit_gets_back_its_slope_and_shift_and_its_scores_add_up_to_1() -> None:
    logits = logits_of(1, 2000)
    moved = model_of(BINARY, 1, 1.4, 0.5)
    wanted, found = scores_of(model_of(BINARY, 1), logits), scores_of(moved, logits)

    model, told = refitted(moved, found, wanted, Task.BINARY)

    again = scores_of(model, logits)
    assert told == pytest.approx(1.4, rel=0.02)
    assert np.abs(again - wanted).max() < 0.01
    assert np.allclose(again.sum(axis=1), 1, atol=1e-6)


def test_a_binary_softmax_is_refitted_by_a_temperature() -> None:
    logits = logits_of(2)
    hot = model_of(SOFTMAX, 2, slope=1.5)
    wanted = scores_of(model_of(SOFTMAX, 2), logits)

    model, told = refitted(hot, scores_of(hot, logits), wanted, Task.BINARY)

    assert told == pytest.approx(1.5, rel=0.01)
    assert np.abs(scores_of(model, logits) - wanted).max() < 0.01


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_a_threshold_tells_the_same_images_apart_as_in_fp32(threshold: float) -> None:
    logits = logits_of(1, 1000)
    moved = model_of(BINARY, 1, 1.0, 0.8)
    wanted, found = scores_of(model_of(BINARY, 1), logits), scores_of(moved, logits)

    model, _ = refitted(moved, found, wanted, Task.BINARY)

    def changed(scores: Floats) -> int:
        return int(((scores[:, 1] >= threshold) != (wanted[:, 1] >= threshold)).sum())

    assert changed(found) > 20
    assert changed(scores_of(model, logits)) <= 5


def test_a_few_images_move_a_sigmoid_only_a_little() -> None:
    moved = model_of(SIGMOIDS, 1, 1.0, 1.0)
    few, many = logits_of(1, 2), logits_of(1, 2000)

    shifts = []
    for logits in (few, many):
        wanted, found = scores_of(model_of(SIGMOIDS, 1), logits), scores_of(moved, logits)
        model, _ = refitted(moved, found, wanted, Task.MULTILABEL)
        stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        shifts.append(float(stored["head_shift"][0]))

    assert -0.5 < shifts[0] < 0
    assert shifts[1] == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize("end", [[helper.make_node("Identity", ["moved"], ["scores"])]])
def test_a_graph_without_a_head_is_left_as_it_is(end: list[NodeProto]) -> None:
    model = model_of(end, 3)
    scores = scores_of(model_of(SOFTMAX, 3), logits_of(3))

    same, told = refitted(model, scores, scores, Task.MULTICLASS)

    assert same is model
    assert told == 1.0


def test_softmax_of_attention_is_no_head_and_stays_as_it_is() -> None:
    attention = [
        helper.make_node("Softmax", ["moved"], ["weights"], axis=1),
        helper.make_node("Mul", ["moved", "weights"], ["seen"]),
        helper.make_node("Softmax", ["seen"], ["scores"], axis=1),
    ]
    logits = logits_of(4)
    model = model_of(attention, 4)
    found = scores_of(model, logits)
    cooler = found.astype(np.float64) ** 0.8
    wanted = (cooler / cooler.sum(axis=1, keepdims=True)).astype(np.float32)

    refit, told = refitted(model, found, wanted, Task.MULTICLASS)

    (head,) = (node for node in refit.graph.node if node.output[0] == "scores")
    (first,) = (node for node in refit.graph.node if node.output[0] == "weights")
    assert told == pytest.approx(1.25, rel=0.01)
    assert (first.input[0], head.input[0]) == ("moved", "head_slope_out")
    assert np.abs(scores_of(refit, logits) - wanted).max() < 0.01


def test_the_model_that_was_given_stays_as_it_is() -> None:
    logits = logits_of(5)
    hot = model_of(SOFTMAX, 5, slope=1.5)
    before = hot.SerializeToString(deterministic=True)

    refitted(hot, scores_of(hot, logits), scores_of(model_of(SOFTMAX, 5), logits), Task.MULTICLASS)

    assert hot.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("head", "n_logits", "task"),
    [
        (SOFTMAX, 5, Task.MULTICLASS),
        (SOFTMAX, 2, Task.BINARY),
        (BINARY, 1, Task.BINARY),
        (SIGMOIDS, 3, Task.MULTILABEL),
    ],
    ids=["softmax", "binary softmax", "binary sigmoid", "sigmoids"],
)
def test_scores_are_told_before_the_refitted_file_is_run(
    head: list[NodeProto], n_logits: int, task: Task
) -> None:
    logits = logits_of(n_logits)
    moved = model_of(head, n_logits, 1.4, 0.5)
    wanted, found = scores_of(model_of(head, n_logits), logits), scores_of(moved, logits)

    told = rescored(moved, found, wanted, task)

    model, _ = refitted(moved, found, wanted, task)
    assert np.abs(told - found).max() > 0.05
    assert np.abs(told - scores_of(model, logits)).max() < 1e-5


def test_scores_that_are_not_numbers_stay_what_they_are_and_so_does_their_file() -> None:
    model = model_of(SOFTMAX, 3)
    wanted = scores_of(model, logits_of(3))
    found = np.full_like(wanted, np.nan)

    assert rescored(model, found, wanted, Task.MULTICLASS) is found
    assert refitted(model, found, wanted, Task.MULTICLASS) == (model, 1.0)


def test_a_divergence_is_0_for_the_same_scores_and_grows_with_their_distance() -> None:
    logits = logits_of(4)
    same, near, far = (scores_of(model_of(SOFTMAX, 4, slope=s), logits) for s in (1.0, 1.1, 1.6))

    apart = [divergence(same, found, Task.MULTICLASS) for found in (same, near, far)]

    assert apart[0] == pytest.approx(0, abs=1e-9)
    assert 0 < apart[1] < apart[2]


def test_a_divergence_of_sure_and_wrong_scores_is_finite() -> None:
    sure = np.array([[1.0, 0.0]], np.float32)

    for task in (Task.MULTICLASS, Task.MULTILABEL):
        assert 10 < divergence(sure, sure[:, ::-1], task) < 40
