"""What ``SOURCE`` may be, and what makes of it an original that can be trusted.

A source also knows how its model wants to see an image. That transform is used twice: as it is, on
Pillow images, for the reference that every variant is judged against; and as the declaration that
the runtime carries out.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgecls.errors import BundleError, ConfigError, ExportError
from edgecls.manifest import Preprocessing, Resize
from edgecls.prediction import Task
from edgecls_exporters.foreign import Foreign, Layout
from edgecls_exporters.original import Found, Original, Transform
from edgecls_exporters.sources import (
    from_function,
    from_onnx,
    from_open_clip,
    from_pt2,
    from_timm,
    from_torchvision,
    ultralytics,
)
from edgecls_exporters.transforms import declared, reference
from edgecls_exporters.weights import Weights, load_into
from edgecls_runtime.reasons import first_line

__all__ = ["Original", "Transform", "check_task", "is_untrained", "labels_in", "open_source"]

# These give untrained models; the others bring their own weights, or a function does.
NAMED = ("timm", "torchvision", "open_clip")
FILES = (".pt2", ".onnx")
# Logits of two images that differ by less than this share of the largest are the same.
SAME = 1e-6


def open_source(  # noqa: PLR0913 - what an export is asked for
    source: str,
    n_labels: int,
    task: Task,
    weights: Weights | None,
    overrides: dict[str, Any],
    *,
    random_weights: bool = False,
) -> Original:
    """Build the model, load the weights, find the transform, ask it about made-up images.

    Args:
        source: ``timm:NAME``, ``torchvision:NAME``, ``open_clip:NAME``,
            ``package.module:factory``, a ``.pt2`` or an ``.onnx`` file.
        n_labels: Labels that the model must tell apart.
        task: A binary model may have one logit or two.
        weights: To load; None leaves what the source gives.
        overrides: Fields of ``Preprocessing`` that the user has set.
        random_weights: An untrained model may give every image the same answer.

    Raises:
        ExportError: No such model, weights that do not fit, an unknown transform, or answers that
            are no numbers, or the same on every image.
        MissingExtra: The source needs a package that is not installed.

    """
    if weights is not None and source.partition(":")[0] in NAMED:
        _check_architecture(source.partition(":")[2], weights)
    found = _build(source, _n_logits(weights, n_labels, task), task, weights, overrides)
    if weights is not None:
        if found.weighted or isinstance(found.model, Foreign):
            raise ExportError(f"{source}: has its weights inside; leave out --weights")
        load_into(found.model, weights)
    preprocessing = _preprocessing(source, found, overrides)
    transform = found.transform
    if transform is None or overrides:
        transform = reference(preprocessing)
    model = found.model.eval() if isinstance(found.model, nn.Module) else found.model
    original = Original(source, model, transform, preprocessing)
    _check_logits(original, n_labels, task)
    _check_answers(original, may_be_constant=random_weights)
    return original


def labels_in(source: str) -> tuple[str, ...] | None:
    """Return the labels that a source carries itself, in the order of its logits.

    Raises:
        ExportError: It is a file that cannot be read.

    """
    if Path(source).suffix != ".onnx":
        return None
    said = from_onnx.metadata(from_onnx.read(source))
    if "thresholds" in said and "task" in said and "labels" in said:  # one of our own
        return tuple(json.loads(said["labels"]))
    return ultralytics.labels(source, said)


def is_untrained(source: str) -> bool:
    """Return whether a source gives random weights when none are loaded."""
    return source.partition(":")[0] in NAMED


def _build(
    source: str, n_logits: int, task: Task, weights: Weights | None, overrides: dict[str, Any]
) -> Found:
    kind, _, name = source.partition(":")
    if Path(source).suffix == ".pt2":
        return from_pt2.build(source)
    if Path(source).suffix == ".onnx":
        return from_onnx.build(source, task, overrides)
    if not name:
        raise ExportError(
            f"{source}: not a source; expected timm:NAME, torchvision:NAME, open_clip:NAME, "
            f"package.module:factory, FILE.pt2 or FILE.onnx"
        )
    if kind == "timm":
        return from_timm.build(source, n_logits)
    if kind == "torchvision":
        return from_torchvision.build(source, n_logits, weights)
    if kind == "open_clip":
        return from_open_clip.build(source, n_logits, weights)
    return from_function.build(source)


def _check_architecture(name: str, weights: Weights) -> None:
    """Refuse a near relative whose tensors fit and whose answers are wrong."""
    said = weights.architecture
    if said is not None and said.partition(".")[0] != name.partition(".")[0]:
        raise ExportError(f"{weights.path}: trained as {said}; SOURCE names {name}; give {said}")


def _preprocessing(source: str, found: Found, overrides: dict[str, Any]) -> Preprocessing:
    """Join what the source knows with what the user has said."""
    model = found.model
    if isinstance(model, Foreign) and model.layout is Layout.BYTES:
        # Bytes go in as they are: nothing is subtracted, nothing divided.
        if {"mean", "std"} & set(overrides):
            raise ExportError(f"{source}: normalises inside; leave out --mean and --std")
        overrides = {"mean": (0.0,) * 3, "std": (1.0,) * 3, **overrides}
    if found.size is not None:
        if overrides.get("size", found.size) != found.size:
            raise ExportError(f"{source}: takes {found.size} px; --size is {overrides['size']}")
        overrides = {"size": found.size, **overrides}
    return _overridden(source, found.preprocessing, overrides)


def _overridden(
    source: str, found: Preprocessing | None, overrides: dict[str, Any]
) -> Preprocessing:
    if found is None:
        missing = [f"--{key}" for key in ("size", "mean", "std") if key not in overrides]
        if missing:
            raise ExportError(
                f"{source}: says nothing of its preprocessing; give {', '.join(missing)} "
                f"as they were in training"
            )
    try:
        return (
            declared(overrides) if found is None else replace(found, **_completed(found, overrides))
        )
    except BundleError as error:
        raise ConfigError(f"{source}: {error}") from error


def _completed(found: Preprocessing, overrides: dict[str, Any]) -> dict[str, Any]:
    """Add the resize size that follows from a size or a resize rule that the user has set."""
    size = overrides.get("size", found.size)
    if overrides.get("resize") in (Resize.STRETCH, Resize.LETTERBOX):
        return {"resize_size": size, **overrides}
    pairs = zip(size, found.resize_size, found.size, strict=True)
    return {"resize_size": tuple(s * resized // f for s, resized, f in pairs), **overrides}


def _n_logits(weights: Weights | None, n_labels: int, task: Task) -> int:
    """Return how many logits to build; a binary head of one logit is told by its last tensor."""
    if task is Task.BINARY and weights is not None:
        last = list(weights.state.values())[-1]
        return 1 if last.ndim and last.shape[0] == 1 else n_labels
    return n_labels


def _check_logits(original: Original, n_labels: int, task: Task) -> None:
    blank = torch.zeros(1, 3, *original.preprocessing.size)
    logits = _asked(original, blank)
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    allowed = {(1, n_labels)} | ({(1, 1)} if task is Task.BINARY else set())
    if shape not in allowed:
        raise ExportError(
            f"{original.source}: answers {shape}; expected (1, {n_labels}), one logit a label; "
            f"do --labels and the checkpoint belong together?"
        )


def _check_answers(original: Original, *, may_be_constant: bool) -> None:
    """Raise ExportError for answers that are no numbers, or the same on very different images."""
    wanted = original.preprocessing
    noise = torch.rand(2, 3, *wanted.size, generator=torch.Generator().manual_seed(0))
    pixels = torch.round(255 * noise * torch.tensor([0.3, 1.0]).view(2, 1, 1, 1)) / 255
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (wanted.mean, wanted.std))
    logits = _asked(original, (pixels - mean) / std)
    if not bool(torch.isfinite(logits).all()):
        raise ExportError(
            f"{original.source}: its logits are not numbers (NaN or infinite); expected finite "
            f"ones; did training diverge, or was the checkpoint damaged?"
        )
    apart = float((logits[0] - logits[1]).abs().max())
    if not may_be_constant and apart <= SAME * float(logits.abs().max()):
        raise ExportError(
            f"{original.source}: answers the same on every image; expected logits that follow the "
            f"image; are the weights trained ones, and --mean and --std those of training?"
        )


def _asked(original: Original, batch: Tensor) -> Tensor:
    try:
        with torch.inference_mode():
            return original.logits(batch)
    except Exception as error:  # whatever a user's own module raises
        count = "an image" if len(batch) == 1 else f"{len(batch)} images"
        raise ExportError(
            f"{original.source}: fails on {count} of {original.preprocessing.size} px: "
            f"{first_line(error)}"
        ) from error


def check_task(task: Task, labels: tuple[str, ...]) -> None:
    """Raise ExportError for labels that the task cannot have."""
    if len(labels) < 2:
        raise ExportError(f"labels: {len(labels)} given; expected at least two")
    if task is Task.BINARY and len(labels) != 2:
        raise ExportError(f"labels: {len(labels)} given; a binary task has two, negative first")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ExportError(f"labels: {', '.join(twice[:5])} more than once; each names one logit")
    for label in labels:
        if not label.strip() or re.search(r"[\x00-\x1f]", label):
            raise ExportError(f"labels: {label!r} is no name; give each label a readable one")
