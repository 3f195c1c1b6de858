"""One float graph -> a variant for each family of kernels that was asked for."""

from collections.abc import Callable, Iterator
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
from edgecls_exporters.faster import rewrite_for
from edgecls_exporters.half import to_half
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.quantization import Calibration, calibrate, evened
from edgecls_exporters.ranges import Batches, Range, extremes
from edgecls_exporters.repair import Choosing, guarded
from edgecls_exporters.report import Quantization
from edgecls_exporters.splits import Split
from edgecls_exporters.targets import Target
from edgecls_runtime.images import Labelled, readable
from edgecls_runtime.preprocessing import prepare
from edgecls_runtime.reasons import first_line


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


def make(
    material: Material, wanted: tuple[str, ...], *, asked: bool = True
) -> tuple[list[Made], dict[str, str]]:
    """Make a variant for each target.

    Args:
        material: What they are made from.
        wanted: Names of targets.
        asked: Whether the user named them; else what none of them can do without is told once.

    Returns:
        The variants, and by its name why one could not be made.

    """
    chosen = [targets.find(name) for name in wanted]
    chosen = [target for target in chosen if target.precision is not Precision.FP32]
    names = {target.name: f"{target.precision}-{target.name}" for target in chosen}
    told = names.values() if asked else [str(target.precision) for target in chosen]
    if not chosen:
        return [], {}
    if fault := _too_few(material):
        return [], dict.fromkeys(told, fault)
    try:
        maker = _maker(material, chosen)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        # A graph that calibration does not expect still has its fp32 variant.
        return [], dict.fromkeys(told, f"calibration fails: {first_line(error)}")
    made, failed = [], {}
    for target in chosen:
        name = names[target.name]
        try:
            made.append(maker(target, name))
        except ExportError as error:
            failed[name] = str(error)
    return made, failed


def _maker(material: Material, chosen: list[Target]) -> Callable[[Target, str], Made]:
    """Look at the images for as much as the targets need; return what makes a variant for one."""
    batches = _batches(material)
    if all(target.precision is Precision.FP16 for target in chosen):
        even = evened(material.graph, batches)
        seen = extremes(even, batches)
        return lambda target, name: _half(even, seen, target, name)
    facts = calibrate(material.graph, batches, material.seed)
    ends = {name: (found.low, found.high) for name, found in facts.histograms.items()}
    choosing = _choosing(material)

    def made(target: Target, name: str) -> Made:
        if target.precision is Precision.FP16:
            return _half(facts.graph, ends, target, name)
        return _integer(facts, target, choosing, name)

    return made


def _half(graph: ModelProto, seen: dict[str, Range], target: Target, name: str) -> Made:
    step(f"{name}: converting")
    return Made(name, target, to_half(graph, seen))


def _integer(facts: Calibration, target: Target, choosing: Choosing, name: str) -> Made:
    try:
        model, quantization = guarded(facts, target, choosing, name)
    except ExportError:  # a ValueError too, and it says what is wrong
        raise
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        # Onnxruntime's quantizer raises these for graphs that it does not expect.
        raise ExportError(f"onnxruntime's quantizer fails: {first_line(error)}") from error
    rewrite_for(model, target.rewritings)
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
