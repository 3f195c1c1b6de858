"""Refit the head of a quantized model, so that its scores mean what fp32's mean.

Rounding makes a network a little more or less sure of itself, and shifts it. Scores are compared
with limits: a binary or multilabel threshold, a station's ``min_score``. So logits are divided by a
temperature, and for sigmoids shifted label by label, such that scores come closest to fp32's on the
choosing images. It is part of the file: thresholds stay the same numbers in every variant.

Source:
    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2, fitted here
    to the original's scores instead of labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgecls.prediction import Task
from edgecls_exporters.ledger import Scores

TINY = 1e-7
# A head that needs more than this was broken, not rounded.
TEMPERATURES = np.exp(np.linspace(-np.log(2), np.log(2), 401))
COARSE = 20
NEWTON_STEPS = 20
HEADS = frozenset({"Softmax", "Sigmoid"})
# Weight of "change nothing" against the images, in images.
CAUTION = 4.0


def divergence(wanted: Scores, found: NDArray[Any], task: Task) -> float:
    """Return the mean KL divergence of scores from the wanted ones, nats: 0 for the same."""
    p, q = _inside(wanted), _inside(found)
    apart = p * np.log(p / q)
    if task is Task.MULTILABEL:
        apart = apart + (1 - p) * np.log((1 - p) / (1 - q))
    return float(apart.sum(axis=1).mean())


def refitted(
    model: ModelProto, found: Scores, wanted: Scores, task: Task
) -> tuple[ModelProto, float]:
    """Return the model with its head refitted, and the temperature: 1 when none helps.

    Args:
        model: Ends in a Softmax or Sigmoid; those of attention and gates stay as they are.
        found: What it answers on the choosing images: (n, n_labels).
        wanted: What the original answers on them.
        task: How scores are read.

    """
    fit = _fitted(model, found, wanted, task)
    if fit is None:
        return model, 1.0
    slopes, shifts = fit
    return _scaled(model, slopes, shifts), float(1 / np.mean(slopes))


def rescored(model: ModelProto, found: Scores, wanted: Scores, task: Task) -> Scores:
    """Return what the model answers once it is ``refitted``, without running it; arguments alike.

    A score below 1e-7 is taken for that.
    """
    fit = _fitted(model, found, wanted, task)
    if fit is None:
        return found
    slopes, shifts = fit
    if shifts is None:
        return _softmax(np.log(_inside(found)) * slopes).astype(np.float32)
    logits = _logit(found[:, _sigmoids(task)]) * slopes + shifts
    scores = 1 / (1 + np.exp(-logits))
    scores = np.concatenate([1 - scores, scores], axis=1) if task is Task.BINARY else scores
    return np.asarray(scores, np.float32)


def _fitted(
    model: ModelProto, found: Scores, wanted: Scores, task: Task
) -> tuple[float | Scores, Scores | None] | None:
    """Return what logits are multiplied by, and what is added; None where nothing helps."""
    head = _head(model)
    if head is None or not np.isfinite(found).all():
        return None
    if head.op_type == "Softmax":
        return 1 / _temperature(found, wanted, task), None
    columns = _sigmoids(task)
    return _lines(_logit(found[:, columns]), _inside(wanted[:, columns]))


def _sigmoids(task: Task) -> slice:
    """Return the columns that are sigmoids: one binary logit became two scores, the second."""
    return slice(1, 2) if task is Task.BINARY else slice(None)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _head(model: ModelProto) -> NodeProto | None:
    """Return the Softmax or Sigmoid that gives the scores, through a binary task's two columns."""
    makers = {output: node for node in model.graph.node for output in node.output}
    node = makers.get(model.graph.output[0].name)
    if node is not None and node.op_type == "Concat":
        node = makers.get(node.input[-1])
    return node if node is not None and node.op_type in HEADS else None


def _temperature(found: Scores, wanted: Scores, task: Task) -> float:
    logits = np.log(_inside(found))

    def lost(temperature: float) -> float:
        apart = divergence(wanted, _softmax(logits / temperature), task)
        return apart + 1e-9 * abs(float(np.log(temperature)))

    # The divergence is convex in 1 / t: the least lies between the neighbours of a coarse least.
    coarse = int(np.argmin([lost(t) for t in TEMPERATURES[::COARSE]])) * COARSE
    near = TEMPERATURES[max(coarse - COARSE, 0) : coarse + COARSE + 1]
    return float(min(near, key=lost))


def _lines(logits: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[Scores, Scores]:
    """Fit sigmoid(slope * logit + shift) to the wanted scores, each label for itself."""
    slopes, shifts = np.ones(logits.shape[1]), np.zeros(logits.shape[1])
    for k in range(logits.shape[1]):
        design = np.stack([logits[:, k], np.ones(len(logits))], axis=1)
        fitted = np.array([1.0, 0.0])
        prior = CAUTION * 0.25 * np.diag([max(float((logits[:, k] ** 2).mean()), 1.0), 1.0])
        for _ in range(NEWTON_STEPS):
            scores = 1 / (1 + np.exp(-np.clip(design @ fitted, -30, 30)))
            slope = design.T @ (scores - wanted[:, k]) + prior @ (fitted - (1.0, 0.0))
            curve = (design * (scores * (1 - scores))[:, None]).T @ design + prior
            fitted = fitted - np.linalg.solve(curve, slope)
        slopes[k], shifts[k] = np.clip(fitted[0], 0.5, 2.0), fitted[1]
    return slopes.astype(np.float32), shifts.astype(np.float32)


def _scaled(model: ModelProto, slopes: float | Scores, shifts: Scores | None) -> ModelProto:
    """Return a copy whose logits are multiplied and shifted before its head."""
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    head = _head(copy)
    assert head is not None  # noqa: S101 - the caller found it
    at = next(i for i, node in enumerate(graph.node) if node.output[0] == head.output[0])
    changes = [("Mul", "head_slope", slopes)]
    changes += [] if shifts is None else [("Add", "head_shift", shifts)]
    for operator, name, values in changes:
        constant = numpy_helper.from_array(np.asarray(values, np.float32).reshape(-1), name)
        graph.initializer.append(constant)
        node = helper.make_node(operator, [head.input[0], name], [f"{name}_out"], name=name)
        graph.node.insert(at, node)
        head.input[0], at = node.output[0], at + 1
    return copy


def _inside(scores: NDArray[Any]) -> NDArray[np.float64]:
    return np.clip(scores.astype(np.float64), TINY, 1 - TINY)


def _logit(scores: Scores) -> NDArray[np.float64]:
    inside = _inside(scores)
    return np.asarray(np.log(inside / (1 - inside)))
