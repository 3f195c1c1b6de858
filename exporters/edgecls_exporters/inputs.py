"""What an export is asked for, and everything it reads before the long work begins."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecls.errors import ConfigError, ExportError, ImageError
from edgecls.manifest import Precision
from edgecls.prediction import Task
from edgecls.progress import step, track
from edgecls_exporters.splits import Split, split
from edgecls_exporters.checkpoint import Original, check_task, open_source
from edgecls_exporters.transforms import check_readable
from edgecls_exporters.weights import Weights, read_weights
from edgecls_runtime.images import Labelled, find_labelled, label_names, read_image


@dataclass(frozen=True, slots=True)
class Job:
    """What to export.

    Attributes:
        source: ``timm:NAME``, ``torchvision:NAME`` or ``package.module:factory``.
        target: Where the bundle shall stand.
        weights: Checkpoint; None leaves what the user's own function gives.
        random_weights: Take an untrained model of timm or torchvision, to measure its speed.
        labels: A label a line, in logit order; None takes the checkpoint's or the folders' names.
        data: Images, ``DIR/<label>/*`` or flat; None measures on golden samples only.
        task: How scores are read.
        precisions: Wanted variants; None is fp32, and int8 where it keeps to the budget.
        max_drop: Points of top-1 that a variant may lose.
        thresholds: One for binary, one a label for multilabel; None is 0.5 each.
        overrides: Fields of ``Preprocessing`` set by the user.
        calibration_images: Wanted number.
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
    precisions: tuple[Precision, ...] | None = None
    max_drop: float = 1.0
    thresholds: tuple[float, ...] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    calibration_images: int = 128
    max_images: int = 2000
    seed: int = 0
    name: str | None = None
    version: str = "1"
    force: bool = False


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
    weights = read_weights(job.weights) if job.weights else None
    data = find_labelled(job.data) if job.data else []
    labels = _labels(job, weights, data)
    check_task(job.task, labels)
    thresholds = _thresholds(job, labels)
    for name in label_names(data):
        if name not in labels:
            raise ExportError(
                f"{job.data}/{name}: no label of the model; its labels are {', '.join(labels[:10])}"
            )
    step(f"building {job.source}")
    original = open_source(job.source, len(labels), job.task, weights, job.overrides)
    if weights is None and not job.random_weights:
        _refuse_untrained(job.source)
    good, skipped = _readable(data)
    if data and not good:
        raise ExportError(f"{job.data}: none of {len(data)} files is an image")
    n_calibrate = 0 if job.precisions == (Precision.FP32,) else job.calibration_images
    images = split(good, n_calibrate, job.max_images, job.seed)
    return Inputs(original, labels, thresholds, images, skipped, weights)


def _refuse_untrained(source: str) -> None:
    if source.partition(":")[0] in ("timm", "torchvision"):
        raise ExportError(
            f"{source}: untrained without --weights FILE; "
            f"give --random-weights if its speed is all you want to know"
        )


def _labels(job: Job, weights: Weights | None, data: list[Labelled]) -> tuple[str, ...]:
    known = weights.labels if weights is not None else None
    if job.labels is not None:
        labels = _read_labels(job.labels)
        if known is not None and labels != known and set(labels) == set(known):
            first = next(
                i for i, pair in enumerate(zip(labels, known, strict=True)) if len({*pair}) > 1
            )
            raise ExportError(
                f"{job.labels}: line {first + 1} is {labels[first]!r}; the checkpoint has "
                f"{known[first]!r} there; expected the order of the logits"
            )
        return labels
    if known is not None:
        return known
    if labels := label_names(data):
        return labels
    raise ExportError("labels: none given; expected --labels FILE, or --data with folders by label")


def _read_labels(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{file}: {error}; expected a label a line") from error
    labels = tuple(line.strip() for line in lines if line.strip())
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ExportError(f"{file}: {', '.join(twice[:5])} more than once")
    return labels


def _readable(data: list[Labelled]) -> tuple[list[Labelled], tuple[str, ...]]:
    """Decode every file once, so that a broken one is named now and not in the middle."""
    good, skipped = [], []
    for item in track(data, "data: checking", len(data)) if data else ():
        try:
            read_image(item.path)
            check_readable(item.path)
        except ImageError as error:
            skipped.append(str(error))
        else:
            good.append(item)
    return good, tuple(skipped)


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
