"""What can be compared, behind one seam: a bundle, an ONNX file, a model with its weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import onnx

from edgecls import schema
from edgecls.bundle import MANIFEST, Bundle, sha256
from edgecls.errors import BundleError, ConfigError, ExportError
from edgecls.manifest import Input, Manifest, Precision, Preprocessing, Variant
from edgecls.prediction import Task
from edgecls.progress import step
from edgecls_exporters import proof
from edgecls_exporters.checkpoint import check_task, open_source
from edgecls_exporters.diagnosis import Subject
from edgecls_exporters.float_input import float_scores
from edgecls_exporters.ledger import Answers
from edgecls_exporters.views import declared_view
from edgecls_exporters.weights import read_weights
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled

UNTRAINED = ("timm", "torchvision")
INTEGER = {"DequantizeLinear", "QLinearConv", "ConvInteger"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared.

    Attributes:
        name: ``A`` or ``B``.
        what: What it is, for people, such as ``bolt.bundle (int8)``.
        labels: In the order of its scores.
        task: How its scores are read.
        thresholds: As ``Prediction.thresholds``.
        preprocessing: As declared.
        answer: Its answers on image files, by its own way of reading them.
        subject: Shows it images in other ways; None where its graph does not allow that.

    """

    name: str
    what: str
    labels: tuple[str, ...]
    task: Task
    thresholds: tuple[float, ...]
    preprocessing: Preprocessing
    answer: Callable[[list[Labelled]], Answers]
    subject: Callable[[], Subject | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says of one side.

    Attributes:
        name: ``A`` or ``B``.
        given: A bundle, ``BUNDLE:VARIANT``, an ONNX file, or a SOURCE as ``edgecls export`` takes.
        weights: Of a SOURCE; None leaves what it gives.

    """

    name: str
    given: str
    weights: Path | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a SOURCE does not say of itself.

    Attributes:
        labels: In the order of its logits, as the user says; None takes what the checkpoint says.
        fallback: Labels where neither says anything: the other side's, or the data folders'.
        task: How scores are read.
        thresholds: As ``Prediction.thresholds``; None is 0.5 each.
        overrides: Fields of ``Preprocessing`` that the user has set.

    """

    labels: tuple[str, ...] | None = None
    fallback: tuple[str, ...] | None = None
    task: Task = Task.MULTICLASS
    thresholds: tuple[float, ...] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


def open_exported(wanted: Wanted) -> Side | None:
    """Open what edgecls made, which says everything of itself; None for a SOURCE.

    Raises:
        BundleError: A bundle or an ONNX file that is missing, damaged, or says too little.
        ConfigError: No such variant, weights for what holds its own, or nothing of any kind.

    """
    found = _exported(wanted.given)
    if found is None:
        return None
    if wanted.weights is not None:
        raise ConfigError(
            f"--weights-{wanted.name.lower()}: {wanted.given} holds its own; leave it out"
        )
    bundle, variant, what = found
    classifier = Classifier(bundle, "cpu", variant)  # auto would be this user's, not the bundle's
    file = bundle.path / classifier.variant.file

    def subject() -> Subject | None:
        view = declared_view(bundle.preprocessing)
        scores = float_scores(file, view)
        return None if scores is None else Subject(wanted.name, view, scores)

    return Side(
        wanted.name,
        what or f"{wanted.given.removesuffix(f':{variant}')} ({classifier.variant.name})",
        bundle.labels,
        bundle.task,
        bundle.manifest.thresholds,
        bundle.preprocessing,
        lambda data: proof.variant_answers(classifier, data),
        subject,
    )


def open_original(wanted: Wanted, known: Known) -> Side:
    """Open a SOURCE, which runs as in the user's own Python.

    Raises:
        ExportError: No such source, weights that do not fit, no labels.
        ConfigError: Thresholds that the task does not take.

    """
    flag = f"--weights-{wanted.name.lower()}"
    if wanted.weights is None and wanted.given.partition(":")[0] in UNTRAINED:
        raise ExportError(f"{wanted.given}: untrained without {flag} FILE")
    weights = read_weights(wanted.weights) if wanted.weights else None
    labels = _labels(wanted, known, weights.labels if weights is not None else None)
    check_task(known.task, labels)
    thresholds = _thresholds(known, labels)
    step(f"{wanted.name}: building {wanted.given}")
    original = open_source(wanted.given, len(labels), known.task, weights, known.overrides)
    view = declared_view(original.preprocessing)
    subject = Subject(wanted.name, view, proof.on_tensors(original, known.task))
    return Side(
        wanted.name,
        wanted.given + (f" ({wanted.weights.name})" if wanted.weights else ""),
        labels,
        known.task,
        thresholds,
        original.preprocessing,
        lambda data: proof.original_answers(original, data, known.task, thresholds),
        lambda: subject,
    )


def _exported(given: str) -> tuple[Bundle, str, str] | None:
    """Return a bundle, the wanted variant and, for a bare file, what it is called."""
    folder, _, variant = given.rpartition(":")
    if folder and (Path(folder) / MANIFEST).is_file():
        return Bundle.open(folder), variant, ""
    path = Path(given)
    if path.suffix == ".onnx":
        if not path.is_file():
            raise BundleError(f"{path}: no such file; expected an ONNX file")
        bundle = _bare(path)
        return None if bundle is None else (bundle, "auto", given)
    if path.is_dir() or folder.endswith(".bundle") or given.endswith(".bundle"):
        return Bundle.open(folder if folder.endswith(".bundle") else path), "auto", ""
    if ":" not in given and not path.is_file():
        raise ConfigError(
            f"{given}: nothing of that name; expected a bundle, BUNDLE:VARIANT, FILE.onnx, "
            f"or a SOURCE as edgecls export takes it, such as timm:NAME"
        )
    return None


def _bare(file: Path) -> Bundle | None:
    """Return one ONNX file as a bundle, by what it says of itself; None where we did not make it.

    There is no manifest beside it, so nothing says whether the file was changed.
    """
    try:
        model = onnx.load(file)
    except Exception as error:  # protobuf's own classes derive from Exception alone
        raise BundleError(f"{file}: not an ONNX file, or a damaged one; export it again") from error
    stated = {entry.key: entry.value for entry in model.metadata_props}
    if not {"labels", "task", "thresholds", "preprocessing"} <= stated.keys():
        return None
    if "preprocessing_json" not in stated:
        raise BundleError(
            f"{file}: made by an older edgecls, which wrote its preprocessing for people alone; "
            f"expected preprocessing_json in its metadata; give its bundle, or export it again"
        )
    operators = {node.op_type for node in model.graph.node}
    variant = Variant(
        name=file.stem,
        file=file.name,
        precision=Precision.INT8 if INTEGER & operators else Precision.FP32,
        target="any",
        input=Input.UINT8_NHWC,
        size_bytes=file.stat().st_size,
        tolerance=1e-3,
    )
    manifest = Manifest(
        name=file.stem,
        version="",
        task=_read(file, stated, "task", Task),
        labels=_read(file, stated, "labels", lambda text: tuple(map(str, json.loads(text)))),
        thresholds=_read(file, stated, "thresholds", lambda text: tuple(json.loads(text))),
        preprocessing=_read(file, stated, "preprocessing_json", _preprocessing),
        variants=(variant,),
        files={file.name: sha256(file)},
    )
    return Bundle(file.parent, manifest, "")


def _preprocessing(text: str) -> Preprocessing:
    return schema.call(Preprocessing, json.loads(text), "preprocessing", BundleError)


def _read(file: Path, stated: dict[str, str], key: str, reader: Callable[[str], T]) -> T:
    try:
        return reader(stated[key])
    except (ValueError, TypeError) as error:  # BundleError among them
        raise BundleError(f"{file}: metadata {key}: {error}; export it again") from error


def _labels(wanted: Wanted, known: Known, stated: tuple[str, ...] | None) -> tuple[str, ...]:
    if known.labels and stated and known.labels != stated:
        raise ExportError(
            f"--labels: {', '.join(known.labels[:5])}; {wanted.weights} says "
            f"{', '.join(stated[:5])}; expected the order of the logits; leave --labels out"
        )
    labels = known.labels or stated or known.fallback
    if not labels:
        raise ExportError(f"{wanted.given}: says nothing of its labels; give --labels FILE")
    return labels


def _thresholds(known: Known, labels: tuple[str, ...]) -> tuple[float, ...]:
    wanted = {Task.MULTICLASS: 0, Task.BINARY: 1, Task.MULTILABEL: len(labels)}[known.task]
    if known.thresholds is None:
        return (0.5,) * wanted
    if len(known.thresholds) != wanted or not all(0 < value < 1 for value in known.thresholds):
        raise ConfigError(
            f"--threshold: {', '.join(map(str, known.thresholds))}; a {known.task} task takes "
            f"{wanted}, each above 0 and below 1"
        )
    return known.thresholds
