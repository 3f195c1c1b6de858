"""One float graph -> a variant for each family of kernels that was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgecls.errors import ExportError
from edgecls.manifest import Precision, Preprocessing
from edgecls.prediction import Task
from edgecls.progress import step, track
from edgecls_exporters import ledger, targets
from edgecls_exporters.budget import Budget
from edgecls_exporters.half import to_half
from edgecls_exporters.original import first_line
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.quantization import Calibration, calibrate
from edgecls_exporters.ranges import Batches
from edgecls_exporters.repair import Choosing, guarded
from edgecls_exporters.report import Quantization
from edgecls_exporters.splits import Split
from edgecls_exporters.targets import Target
from edgecls_runtime.images import Labelled, readable
from edgecls_runtime.preprocessing import prepare


@dataclass(frozen=True, slots=True)
class Made:
    """A variant's file, not yet judged.

    Attributes:
        name: Precision and target, such as ``int8-arm``.
        target: The kernels it is for; None for fp32.
        model: What goes into the file.
        quantization: How it was made; None for what is not quantized.

    """

    name: str
    target: Target | None
    model: ModelProto
    quantization: Quantization | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What variants are made from.

    Attributes:
        graph: The float graph.
        preprocessing: As declared in the bundle.
        images: Divided.
        labels: In the order of the scores.
        task: How scores are read.
        thresholds: As ``Prediction.thresholds``.
        good: Labels that let a part pass.
        budget: What a variant may lose.
        seed: Of every random choice.

    """

    graph: ModelProto
    preprocessing: Preprocessing
    images: Split
    labels: tuple[str, ...]
    task: Task
    thresholds: tuple[float, ...]
    good: tuple[str, ...]
    budget: Budget
    seed: int


def make(material: Material, wanted: tuple[str, ...]) -> tuple[list[Made], dict[str, str]]:
    """Make a variant for each target.

    Args:
        material: What they are made from.
        wanted: Names of targets.

    Returns:
        The variants, and by its name why one could not be made.

    """
    chosen = [targets.find(name) for name in wanted]
    chosen = [target for target in chosen if target.precision is not Precision.FP32]
    names = {target.name: f"{target.precision}-{target.name}" for target in chosen}
    fault = _too_few(material)
    if fault or not chosen:
        return [], {names[target.name]: fault for target in chosen}
    try:
        facts = calibrate(material.graph, _batches(material), material.seed)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        # A graph that calibration does not expect still has its fp32 variant.
        fault = f"calibration fails: {first_line(error)}"
        return [], {names[target.name]: fault for target in chosen}
    choosing = _choosing(material)
    made, failed = [], {}
    for target in chosen:
        name = names[target.name]
        try:
            made.append(_made(facts, target, choosing, name))
        except ExportError as error:
            failed[name] = str(error)
    return made, failed


def _made(facts: Calibration, target: Target, choosing: Choosing, name: str) -> Made:
    if target.precision is Precision.FP16:
        step(f"{name}: converting")
        seen = facts.histograms
        largest = {key: max(-found.low, found.high) for key, found in seen.items()}
        return Made(name, target, to_half(facts.graph, largest))
    try:
        model, quantization = guarded(facts, target, choosing, name)
    except ExportError:  # a ValueError too, and it says what is wrong
        raise
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        # Onnxruntime's quantizer raises these for graphs that it does not expect.
        raise ExportError(f"onnxruntime's quantizer fails: {first_line(error)}") from error
    return Made(name, target, model, quantization)


def _too_few(material: Material) -> str:
    """Return why the images are too few to prove anything, or an empty text."""
    images, needed = material.images, material.budget.images_needed
    if not images.measure:
        return "needs images to calibrate and to measure on; give --data DIR"
    if not images.calibrate or not images.choose:
        count = len(images.measure) + len(images.calibrate)
        return f"{count} images are too few to divide; give images until {needed} are measured"
    if len(images.measure) < needed:
        count = len(images.measure)
        return (
            f"measured on {count} images, where one answer is {100 / count:.1f} points; the budget "
            f"is {material.budget.points:g}: give images until {needed} are measured, or a larger "
            f"--max-drop"
        )
    return ""


def _batches(material: Material) -> Batches:
    def batches(text: str) -> Iterator[NDArray[np.uint8]]:
        images = material.images.calibrate
        shown = track(images, text, len(images)) if text else images
        for image in prepared(shown, material.preprocessing):
            yield image[np.newaxis]

    return batches


def prepared(
    images: Iterator[Labelled] | list[Labelled], preprocessing: Preprocessing
) -> Iterator[NDArray[np.uint8]]:
    """Yield images as the network sees them: uint8 (height, width, 3)."""
    for _, image in readable(images, []):
        yield prepare(image, preprocessing)


def _choosing(material: Material) -> Choosing:
    images = material.images.choose
    network_size = np.stack(list(prepared(images, material.preprocessing)))
    session = quiet_session(material.graph)
    tracked = track(network_size, "fp32: answering to choose by", len(network_size))
    scores = np.concatenate([session.run(None, {"image": image[None]})[0] for image in tracked])
    return Choosing(
        network_size,
        ledger.answered("fp32", scores, material.task, material.thresholds),
        ledger.known([item.label for item in images], material.labels, material.good),
        material.task,
        material.thresholds,
        material.budget,
    )
