"""What an export is asked for, and everything it reads before the long work begins."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecls.errors import ConfigError, ExportError
from edgecls.manifest import Precision, Resampling
from edgecls.prediction import Task
from edgecls.progress import step
from edgecls_exporters import targets
from edgecls_exporters.budget import Budget
from edgecls_exporters.checkpoint import (
    Original,
    check_task,
    is_untrained,
    labels_in,
    open_source,
)
from edgecls_exporters.label_file import read_labels
from edgecls_exporters.splits import Split, Wanted, split
from edgecls_exporters.transforms import readable_by_both
from edgecls_exporters.weights import Weights, read_weights
from edgecls_runtime.images import Labelled, find_labelled, label_names

# A PC of any age, a Raspberry Pi, a Jetson.
INTEGER = ("x86-avx2", "arm", "tensorrt")
DEFAULT: dict[Precision | None, tuple[str, ...]] = {
    None: INTEGER,
    Precision.FP32: (),
    Precision.FP16: ("webgpu",),
    Precision.INT8: INTEGER,
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to export.

    Attributes:
        source: As ``checkpoint.open_source`` takes it.
        target: Where the bundle shall stand.
        weights: Checkpoint; None leaves what the user's own function gives.
        random_weights: Take an untrained model of timm or torchvision, to measure its speed.
        labels: A label a line, in logit order; None takes the checkpoint's or the folders' names.
        data: Images, ``DIR/<label>/*`` or flat; None measures on golden samples only.
        task: How scores are read.
        calibration_data: Images that calibrate and choose, so that ``data`` only measures; None
            takes a part of ``data`` for each.
        precision: Wanted besides fp32; None is int8 where it keeps to the budget.
        targets: Kernels to make variants for; None is ``DEFAULT`` of the precision.
        max_drop: Points of top-1 that a variant may lose.
        max_label_drop: Points that any one label's recall may lose; None for no limit.
        good: Labels that let a part pass; with them, new escapes are counted and limited.
        max_escapes: Defective parts that the original stops and a variant may pass.
        thresholds: One for binary, one a label for multilabel; None is 0.5 each.
        overrides: Fields of ``Preprocessing`` set by the user.
        resampling: How much of a large image the resize reads; None measures and chooses.
        calibration_images: Wanted number.
        choosing_images: Wanted number of images that ways of quantizing are compared on.
        max_images: Use no more images than this.
        seed: Of every random choice.
        name: What the bundle is called; None takes the target's name.
        version: The user's version of the classifier.
        force: Replace a bundle at the target.

    """

    source: str
    target: Path
    weights: Path | None = None
    random_weights: bool = False
    labels: Path | None = None
    data: Path | None = None
    task: Task = Task.MULTICLASS
    calibration_data: Path | None = None
    precision: Precision | None = None
    targets: tuple[str, ...] | None = None
    max_drop: float = 1.0
    max_label_drop: float | None = None
    good: tuple[str, ...] = ()
    max_escapes: int = 0
    thresholds: tuple[float, ...] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    resampling: Resampling | None = None
    calibration_images: int = 128
    choosing_images: int = 128
    max_images: int = 2000
    seed: int = 0
    name: str | None = None
    version: str = "1"
    force: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the targets to make variants for."""
        return DEFAULT[self.precision] if self.targets is None else self.targets

    @property
    def asked(self) -> bool:
        """Whether a variant was asked for: leaving it out is then an answer of no."""
        return self.targets is not None or self.precision in (Precision.INT8, Precision.FP16)

    @property
    def budget(self) -> Budget:
        """What a variant may lose."""
        return Budget(
            self.max_drop,
            self.max_label_drop,
            self.max_escapes if self.good else None,
            # A folder tells one of several labels.
            by_truth=self.task is not Task.MULTILABEL,
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that was read before the work begins."""

    original: Original
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    images: Split
    skipped: tuple[str, ...]
    weights: Weights | None


def read(job: Job) -> Inputs:
    """Read everything, so that a mistake is told before any long work begins.

    Raises:
        ConfigError: No such data folder.
        ExportError: Weights, labels or data are wrong, or do not fit the model.

    """
    for name in job.wanted:
        targets.find(name)
    weights = read_weights(job.weights) if job.weights else None
    data = find_labelled(job.data) if job.data else []
    aside = find_labelled(job.calibration_data) if job.calibration_data else []
    labels = _labels(job, weights, data)
    check_task(job.task, labels)
    thresholds = _thresholds(job, labels)
    _check_named(job, labels, data, aside)
    step(f"building {job.source}")
    original = open_source(
        job.source,
        len(labels),
        job.task,
        weights,
        job.overrides,
        random_weights=job.random_weights,
    )
    if weights is None and not job.random_weights:
        _refuse_untrained(job.source)
    good, skipped = _readable(data, job.data)
    others, skipped_too = _readable(aside, job.calibration_data)
    n = 0 if not job.wanted else job.calibration_images
    wanted = Wanted(n, job.choosing_images if n else 0, job.max_images, job.seed)
    images = split(good, others, wanted)
    _check_labels_seen(job, images)
    return Inputs(original, labels, thresholds, images, skipped + skipped_too, weights)


def _check_named(
    job: Job, labels: tuple[str, ...], data: list[Labelled], aside: list[Labelled]
) -> None:
    for folder, items in ((job.data, data), (job.calibration_data, aside)):
        for name in label_names(items):
            if name not in labels:
                known = ", ".join(labels[:10])
                raise ExportError(f"{folder}/{name}: no label of the model; its labels are {known}")
    for name in job.good:
        if name not in labels:
            raise ConfigError(
                f"--good: {name!r} is no label of the model; its labels are "
                f"{', '.join(labels[:10])}"
            )


def _check_labels_seen(job: Job, images: Split) -> None:
    """Raise ExportError for labelled images that all show the same label: they prove nothing."""
    seen = {item.label for item in images.measure}
    if len(seen) == 1 and None not in seen and len(images.measure) > 1:
        raise ExportError(
            f"{job.data}: every measured image is {seen.pop()!r}, and a model that always says so "
            f"would be perfect; expected images of at least two labels"
        )


def _refuse_untrained(source: str) -> None:
    if is_untrained(source):
        raise ExportError(
            f"{source}: untrained without --weights FILE; "
            f"give --random-weights if its speed is all you want to know"
        )


def _labels(job: Job, weights: Weights | None, data: list[Labelled]) -> tuple[str, ...]:
    known = weights.labels if weights is not None else labels_in(job.source)
    if job.labels is not None:
        labels = read_labels(job.labels)
        if known is not None and labels != known and set(labels) == set(known):
            first = next(
                i for i, pair in enumerate(zip(labels, known, strict=True)) if len({*pair}) > 1
            )
            raise ExportError(
                f"{job.labels}: line {first + 1} is {labels[first]!r}; the model has "
                f"{known[first]!r} there; expected the order of the logits"
            )
        return labels
    if known is not None:
        return known
    if labels := label_names(data):
        return labels
    raise ExportError("labels: none given; expected --labels FILE, or --data with folders by label")


def _readable(data: list[Labelled], folder: Path | None) -> tuple[list[Labelled], tuple[str, ...]]:
    good, skipped = readable_by_both(data)
    if data and not good:
        raise ExportError(f"{folder}: none of {len(data)} files is an image")
    return good, skipped


def _thresholds(job: Job, labels: tuple[str, ...]) -> tuple[float, ...]:
    wanted = {Task.MULTICLASS: 0, Task.BINARY: 1, Task.MULTILABEL: len(labels)}[job.task]
    given = job.thresholds
    if given is None:
        return (0.5,) * wanted
    if len(given) != wanted or not all(0 < value < 1 for value in given):
        raise ConfigError(
            f"--threshold: {', '.join(map(str, given))}; a {job.task} task takes {wanted}, "
            f"each above 0 and below 1"
        )
    return given
