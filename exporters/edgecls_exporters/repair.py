"""Choose how to quantize, and mend what lost too much: all on images kept for choosing.

Ways of finding ranges are compared first. If the best still changes too many answers, operators
without weights return to float; then layers do, those that cost most first, in doublings: small
ones, which hardly change the file's size and speed, and large ones only if the budget is broken
without. If it still is, weights are only stored in 8 bits: the size of int8 at the speed of fp32
(``Target.mixed``). Of the attempts that keep to the budget the one with the fewest layers in float
is taken whose divergence is near the least. Every attempt is judged as it would ship, its head
refitted, and stands in the report.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgecls.errors import ExportError
from edgecls.prediction import Task
from edgecls.progress import step, track
from edgecls_exporters import float_layers, head, ledger, mixed, ranges
from edgecls_exporters.budget import Budget
from edgecls_exporters.layers import quantized_layers
from edgecls_exporters.ledger import Answers, Row, Truth
from edgecls_exporters.probe import Probe, quiet_session
from edgecls_exporters.quantization import Calibration, Plan, quantize
from edgecls_exporters.release import release
from edgecls_exporters.report import Attempt, Quantization, QuantizedLayer
from edgecls_exporters.targets import Target
from edgecls_runtime.reasons import first_line

# Sensitivity is an order, not a figure that ships: a few images give it.
SENSITIVITY_IMAGES = 32
NOISE_IMAGES = 8
# Small layers: together at most this share of all weights.
SMALL = 0.02
# With more than half of the layers in float, fp32 is the better variant.
MOST_RELEASED = 0.5
# Divergences closer than this factor are not told apart by a hundred images.
NEAR = 1.25


@dataclass(frozen=True, slots=True)
class Choosing:
    """Images that ways of quantizing are compared on; none calibrates, none is reported on.

    Attributes:
        images: Prepared: uint8 (n, height, width, 3).
        original: What fp32 answers on them.
        truth: What is known of them.
        task: How scores are read.
        thresholds: As ``Prediction.thresholds``.
        budget: What may be lost.

    """

    images: NDArray[np.uint8]
    original: Answers
    truth: Truth
    task: Task
    thresholds: tuple[float, ...]
    budget: Budget

    def scores(self, model: ModelProto, *, exact: bool, most: int | None = None) -> ledger.Scores:
        """Return what a model answers on the images, one at a time: (n, n_labels).

        Raises:
            ExportError: onnxruntime cannot run it.

        """
        try:
            session = quiet_session(model, "none" if exact else "all")
            found = [session.run(None, {"image": image[None]})[0] for image in self.images[:most]]
        except Exception as error:  # its classes derive from Exception alone
            raise ExportError(f"onnxruntime cannot run it: {first_line(error)}") from error
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be quantized, for whom, and judged by what; ``name`` is the variant's."""

    facts: Calibration
    target: Target
    choosing: Choosing
    name: str

    def answers(self, model: ModelProto, most: int | None = None) -> ledger.Scores:
        """Return a model's scores; this processor's kernels are asked only if none overflows."""
        exact = not overflow_free(self.target)
        return self.choosing.scores(model, exact=exact, most=most)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt: what it answers as it is (``scores``); all else as with its head refitted."""

    plan: Plan
    released: tuple[str, ...]
    model: ModelProto
    growth: dict[str, float]
    scores: ledger.Scores
    divergence: float
    row: Row
    fault: str
    tight: bool


def guarded(
    facts: Calibration, target: Target, choosing: Choosing, name: str
) -> tuple[ModelProto, Quantization]:
    """Quantize for a target as well as the budget asks for, or as well as it goes.

    Returns:
        The best model, whether or not it keeps to the budget (the report's images decide), and
        how it was found.

    """
    case = Case(facts, target, choosing, name)
    operators = mixed.operators(facts.graph)
    operators = operators if operators in target.mixed else "all"
    try:
        attempts, gains = _attempts(case, operators)
    except ExportError as error:  # an integer kernel that onnxruntime lacks, or places wrongly
        if "head" not in target.mixed or operators == "head":
            raise
        attempts, gains = [_stored(case, Plan(), str(error))], {}
    else:
        if best_of(attempts).fault and "head" in target.mixed and operators != "head":
            attempts.append(_stored(case, best_of(attempts).plan, "answers change"))
    best = best_of(attempts)
    model, temperature = head.refitted(
        best.model, best.scores, choosing.original.scores, choosing.task
    )
    if target.integer_face:
        float_layers.store_floats(model)
    listed = tuple(_listed(one, best) for one in attempts)
    layers = _layers(facts, best, choosing, gains)
    return model, Quantization(name, target.name, listed, layers, temperature)


def _attempts(case: Case, operators: str) -> tuple[list[Tried], dict[str, float]]:
    """Return attempts in their order, and what each layer gains in float where that was asked."""
    ways = track(ranges.METHODS, f"{case.name}: comparing ways to quantize", len(ranges.METHODS))
    attempts = [_tried(case, Plan(method, operators)) for method in ways]
    if best_of(attempts).tight:
        return attempts, {}
    if operators == "all":
        plan = Plan(best_of(attempts).plan.ranges, "layers")
        step(f"{case.name}: answers change; trying {plan.ranges}, layers with weights only")
        attempts.append(_tried(case, plan))
    start = best_of(attempts)
    gains = _gains(case, start)
    small = _small(case.facts.graph, gains)
    attempts += _released(case, start, small, len(small))
    if best_of(attempts).fault:
        order = sorted(gains, key=lambda layer: -gains[layer])
        attempts += _released(case, start, order, int(MOST_RELEASED * len(order)))
    return attempts, gains


def _stored(case: Case, plan: Plan, why: str) -> Tried:
    """Return the last resort, with a plan's ranges."""
    step(f"{case.name}: {why}; trying {plan.ranges}, weights only stored in 8 bits")
    return _tried(case, Plan(plan.ranges, "head"))


def best_of(attempts: list[Tried]) -> Tried:
    """Return the attempt to ship: in the budget, near the least divergence, mostly in integers."""
    kept = [one for one in attempts if not one.fault] or attempts
    least = min(one.divergence for one in kept)
    # Where scores are not numbers nothing is near anything.
    near = [one for one in kept if one.divergence <= NEAR * least] or kept
    return min(near, key=lambda one: (len(one.released), one.divergence))


def overflow_free(target: Target) -> bool:
    """Return whether this processor's kernels compute a target's files rightly, whatever it is."""
    return target.scheme is not None and target.scheme.bounded


def _tried(case: Case, plan: Plan) -> Tried:
    model, growth = quantize(case.facts, case.target, plan)
    return _judged(case, model, plan, (), growth)


def _judged(
    case: Case,
    model: ModelProto,
    plan: Plan,
    released: tuple[str, ...],
    growth: dict[str, float],
) -> Tried:
    choosing = case.choosing
    original, scores = choosing.original, case.answers(model)
    shown = head.rescored(model, scores, original.scores, choosing.task)
    answers = ledger.answered(case.name, shown, choosing.task, choosing.thresholds)
    row = ledger.row(answers, original, original, choosing.truth)
    apart = head.divergence(original.scores, shown, choosing.task)
    fault = choosing.budget.fault(row, ledger.row(original, original, None, choosing.truth))
    tight = choosing.budget.tight(row)
    return Tried(plan, released, model, growth, scores, apart, row, fault, tight)


def _gains(case: Case, start: Tried) -> dict[str, float]:
    """Return how much the divergence falls when one layer alone returns to float, by its name."""
    wanted, task = case.choosing.original.scores[:SENSITIVITY_IMAGES], case.choosing.task
    now = head.divergence(wanted, start.scores[:SENSITIVITY_IMAGES], task)
    names = [layer.node.name for layer in quantized_layers(start.model)]
    gains = {}
    for layer in track(names, f"{case.name}: sensitivity of layers", len(names)):
        model = release(start.model, case.facts.graph, (layer,))
        gains[layer] = now - head.divergence(wanted, case.answers(model, SENSITIVITY_IMAGES), task)
    return gains


def _small(graph: ModelProto, gains: dict[str, float]) -> list[str]:
    """Return the layers that gain most, together no more than a small share of all weights."""
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.graph.initializer}
    weights = {node.name: sizes[node.input[1]] for node in graph.graph.node if node.name in gains}
    left, chosen = SMALL * sum(weights.values()), []
    for layer in sorted(gains, key=lambda name: -gains[name]):
        if gains[layer] > 0 and weights[layer] <= left:
            chosen.append(layer)
            left -= weights[layer]
    return chosen


def _released(case: Case, start: Tried, order: list[str], most: int) -> list[Tried]:
    """Return attempts with the first 1, 2, 4 ... of some layers in float."""
    attempts: list[Tried] = []
    count = 1
    while count <= most and not (attempts and attempts[-1].tight):
        names = tuple(order[:count])
        step(f"{case.name}: answers change; trying {count} of {len(order)} layers in float")
        model = release(start.model, case.facts.graph, names)
        attempts.append(_judged(case, model, start.plan, names, start.growth))
        count *= 2
    return attempts


def _listed(one: Tried, best: Tried) -> Attempt:
    return Attempt(
        one.plan.ranges,
        one.plan.operators,
        len(one.released),
        one.divergence,
        one.row.agreement,
        one is best,
    )


def _layers(
    facts: Calibration, best: Tried, choosing: Choosing, gains: dict[str, float]
) -> tuple[QuantizedLayer, ...]:
    """Return every layer with weights, and how much noise integers put into its output."""
    integer = {layer.node.name for layer in quantized_layers(best.model)}
    weights = {tensor.name for tensor in facts.graph.graph.initializer}
    nodes = {
        node.name: node
        for node in facts.graph.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in weights
    }
    noise = _noise(facts.graph, best.model, [n.output[0] for n in nodes.values()], choosing.images)
    return tuple(
        QuantizedLayer(
            name,
            node.op_type,
            name in integer,
            noise.get(node.output[0]),
            gains.get(name),
            best.growth.get(name, 1.0),
        )
        for name, node in nodes.items()
    )


def _noise(
    graph: ModelProto, model: ModelProto, outputs: list[str], images: NDArray[np.uint8]
) -> dict[str, float]:
    """Return 10 log10(signal / error) of tensors that both graphs compute, by name."""
    made = {name for node in model.graph.node for name in node.output}
    shared = [name for name in outputs if name in made]
    one, other = Probe(graph, shared), Probe(model, shared, exact=True)
    signal, error = dict.fromkeys(shared, 0.0), dict.fromkeys(shared, 0.0)
    for image in images[:NOISE_IMAGES]:
        wanted, found = _floats(one(image[None])), _floats(other(image[None]))
        for name in shared:
            signal[name] += float(np.square(wanted[name], dtype=np.float64).sum())
            error[name] += float(np.square(found[name] - wanted[name], dtype=np.float64).sum())
    return {
        name: round(10 * float(np.log10(signal[name] / error[name])), 2)
        for name in shared
        if signal[name] > 0 and error[name] > 0
    }


def _floats(found: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.asarray(values, np.float64) for name, values in found.items()}
