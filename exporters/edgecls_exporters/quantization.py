"""fp32 ONNX -> int8 ONNX (static QDQ) in the scheme that a family of kernels wants.

Loud channels are quietened first (``equalisation``). Onnxruntime's quantizer places the integers;
ranges come from ``ranges``. Then, where the kernels would overflow, pairs of products are bounded
(``saturation``); weights are rounded so that their errors cancel (``rounding``), and biases
corrected (``bias_correction``). Scores stay float: a softmax rounded to 8 bits cannot be trusted
with a threshold.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgecls_exporters import bias_correction, integer_face, mixed, ranges, rounding, saturation
from edgecls_exporters.equalisation import channel_peaks, equalised
from edgecls_exporters.faster import rewritten
from edgecls_exporters.layers import LAYERS, store
from edgecls_exporters.ranges import Batches, Histogram, Range
from edgecls_exporters.release import drop_unread
from edgecls_exporters.stored import store_weights
from edgecls_exporters.targets import Scheme, Target

FLOAT_HEADS = frozenset({"Softmax", "Sigmoid"})
ACTIVATIONS = frozenset({"Clip", "Relu"})
BIASED = LAYERS | {"ConvTranspose", "InstanceNormalization", "LayerNormalization"}
TWO_SCORES = frozenset({"Concat", "Sub"})
KINDS = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8, "u16": QuantType.QUInt16}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration images show of a float graph, whatever the scheme.

    Attributes:
        graph: The float graph, its pixels made exact and its loud channels quietened.
        histograms: Of every float tensor, by name.
        means: Of each channel of the tensors that layers read, by tensor name.
        covariances: Of the inputs of layers, by node name.
        batches: The calibration images again, for what depends on the scheme.

    """

    graph: ModelProto
    histograms: dict[str, Histogram]
    means: dict[str, NDArray[np.float64]]
    covariances: dict[str, NDArray[np.float64]]
    batches: Batches


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions that are open within a scheme.

    Attributes:
        ranges: Name of a function of ``ranges.METHODS``.
        operators: ``all`` that have integer kernels; ``layers``: convolutions and products only;
            ``weights``: those with weights only, a product's result staying float; ``head``: what
            comes after the last pooling, all other weights being stored in 8 bits (``stored``).

    """

    ranges: str = "mse"
    operators: str = "all"


def calibrate(graph: ModelProto, batches: Batches, seed: int) -> Calibration:
    """Look at a float graph while calibration images pass through it, in bounded memory.

    Args:
        graph: As ``graph.export_graph`` gives it; stays as it is.
        batches: Gives the calibration images, each uint8 (n, height, width, 3), for every pass.
        seed: Decides which places of an image are looked at.

    """
    even = evened(graph, batches)
    return Calibration(
        even,
        ranges.histograms(even, batches),
        bias_correction.channel_means(even, batches("calibrating: means")),
        rounding.covariances(even, batches, seed),
        batches,
    )


def evened(graph: ModelProto, batches: Batches) -> ModelProto:
    """Return the graph with exact pixels, a bias for each layer, and loud channels quietened."""
    exact = exact_pixels(graph)
    own_biases(exact)
    return equalised(exact, channel_peaks(exact, batches))[0]


def own_biases(graph: ModelProto) -> None:
    """Give each layer a bias of its own, in place.

    Onnxruntime's quantizer copies a shared ``val_92`` to ``val_927``, whether or not that is taken.
    """
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    taken = set[str]()
    for node in graph.graph.node:
        if node.op_type not in BIASED or len(node.input) < 3 or node.input[2] not in stored:
            continue
        shared = node.input[2]
        if shared in taken:
            node.input[2] = f"{shared} of {node.name}"
            own = graph.graph.initializer.add()
            own.CopyFrom(stored[shared])
            own.name = node.input[2]
        taken.add(shared)


def exact_pixels(graph: ModelProto) -> ModelProto:
    """Return the graph with a mean of whole grey levels, so that 8 bits hold pixels exactly.

    A mean of 127.5 puts every pixel half-way between two integers. The half goes into the bias of
    the convolution that follows; where it pads, the image differs by less than one grey level.
    Graphs whose channels have unlike means stay as they are.
    """
    changed = ModelProto()
    changed.CopyFrom(graph)
    stored = {tensor.name: tensor for tensor in changed.graph.initializer}
    found = _pixels(changed)
    if found is None:
        return changed
    subtraction, convolution = found
    mean = numpy_helper.to_array(stored[subtraction.input[1]]).astype(np.float64)
    kernel = numpy_helper.to_array(stored[convolution.input[1]]).astype(np.float64)
    bias = numpy_helper.to_array(stored[convolution.input[2]]).astype(np.float64)
    whole = np.floor(mean)
    shift = ((whole - mean).reshape(1, -1, 1, 1) * kernel).sum(axis=(1, 2, 3))
    store(stored[convolution.input[2]], (bias + shift).astype(np.float32))
    store(stored[subtraction.input[1]], whole.astype(np.float32))
    return changed


def _pixels(graph: ModelProto) -> tuple[NodeProto, NodeProto] | None:
    """Return the subtraction of one mean for all channels and the convolution it feeds."""
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type != "Sub" or node.input[1] not in stored:
            continue
        users = [user for user in graph.graph.node if node.output[0] in user.input]
        mean = numpy_helper.to_array(stored[node.input[1]])
        if mean.shape != (1, 3, 1, 1) or len(set(mean.ravel().tolist())) > 1 or len(users) != 1:
            return None
        (user,) = users
        own = user.op_type == "Conv" and len(user.input) == 3 and user.input[1] in stored
        return (node, user) if own and user.input[2] in stored else None
    return None


def quantize(facts: Calibration, target: Target, plan: Plan) -> tuple[ModelProto, dict[str, float]]:
    """Quantize a graph.

    Args:
        facts: From ``calibrate``.
        target: With a scheme: what the kernels want.
        plan: What is left to choose.

    Returns:
        The model, and by a layer's name the mean factor by which bounding grew its weight scales.

    """
    assert target.scheme is not None  # noqa: S101 - an integer target has one
    if target.float_rewritings:
        facts = replace(facts, graph=rewritten(facts.graph, target.float_rewritings))
    model = _placed(facts, target, target.scheme, plan)
    largest, growth = None, {}
    if target.scheme.bounded:
        largest = saturation.largest_activations(model, facts.batches(""))
        growth = saturation.bound(model, facts.graph, largest)
    rounding.reround(model, facts.graph, facts.covariances, largest)
    bias_correction.correct(model, facts.graph, facts.means)
    if target.integer_face:
        integer_face.use_integers(model)
    if plan.operators == "head":
        store_weights(model)
    return model, growth


def _placed(facts: Calibration, target: Target, scheme: Scheme, plan: Plan) -> ModelProto:
    """Let onnxruntime place integers around every operator that shall have them."""
    method = ranges.METHODS[plan.ranges]
    found = {name: method(histogram) for name, histogram in facts.histograms.items()}
    found |= _pixel_range(facts.graph)
    every = QDQRegistry.keys() | QLinearOpsRegistry.keys()
    floats = FLOAT_HEADS | target.keep_float
    wanted = (every if plan.operators == "all" else LAYERS) - floats
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(facts.graph),
        scheme.per_channel,
        False,  # no 7-bit weights
        KINDS[scheme.weights],
        KINDS[scheme.activations],
        _tensors(found),
        [],
        mixed.float_layers(facts.graph, plan.operators)
        + _scoring(facts.graph)
        + (_weight_batches(facts.graph) if scheme.bounded else []),
        sorted(wanted),
        {
            "ActivationSymmetric": scheme.symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": scheme.integer_biases,
            # Kernels fuse them away by themselves; ``release`` needs them.
            "QDQKeepRemovableActivations": True,
        },
    )
    with _quiet():
        quantizer.quantize_model()
    quantizer.model.topological_sort()
    model: ModelProto = quantizer.model.model
    _join_activations(model)
    products = mixed.PRODUCTS if plan.operators in ("weights", "head") else frozenset()
    mixed.free_results(model, target.float_results | products, wanted)
    onnx.checker.check_model(model)
    return model


def _scoring(graph: ModelProto) -> list[str]:
    """Return the nodes between the head and the scores: those that make two of one binary logit."""
    makers = {output: node for node in graph.graph.node for output in node.output}
    found, behind = [], [graph.graph.output[0].name]
    while behind:
        node = makers.get(behind.pop())
        if node is not None and node.op_type in TWO_SCORES:
            found.append(node.name)
            behind += node.input
    return found


def _weight_batches(graph: ModelProto) -> list[str]:
    """Return products with a batch of weights: they saturate, and ``bound`` does not know them."""
    axes = {tensor.name: len(tensor.dims) for tensor in graph.graph.initializer}
    return [
        node.name
        for node in graph.graph.node
        if node.op_type == "MatMul" and axes.get(node.input[1], 2) > 2
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's quantizer, which writes warnings for its developers to the root log."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _join_activations(model: ModelProto) -> None:
    """Let each Clip and Relu stand right behind its layer: it is rounded once, after both."""
    makers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type not in ACTIVATIONS:
            continue
        reader = makers.get(node.input[0])
        if reader is None or reader.op_type != "DequantizeLinear":
            continue
        rounder = makers.get(reader.input[0])
        layer = None if rounder is None else makers.get(rounder.input[0])
        if layer is not None and layer.op_type in LAYERS and rounder is not None:
            node.input[0] = rounder.input[0]
    drop_unread(model)


def _tensors(found: dict[str, Range]) -> TensorsData:
    return TensorsData(
        CalibrationMethod.MinMax,
        {
            name: TensorData(lowest=np.float32(low), highest=np.float32(high))
            for name, (low, high) in found.items()
        },
    )


def _pixel_range(graph: ModelProto) -> dict[str, Range]:
    """Return the range of exact pixels: every grey level is one integer."""
    found = _pixels(graph)
    if found is None:
        return {}
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    mean = float(numpy_helper.to_array(stored[found[0].input[1]]).flat[0])
    return {found[0].output[0]: (-mean, 255 - mean)}
