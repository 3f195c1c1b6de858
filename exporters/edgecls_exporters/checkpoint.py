"""What ``SOURCE`` may be: a model of timm or torchvision, or a function of the user's own.

A source also knows how its model wants to see an image. That transform is used twice: as it is, on
Pillow images, for the reference that every variant is judged against; and as the declaration that
the runtime carries out.
"""

import difflib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from edgecls.errors import BundleError, ConfigError, ExportError
from edgecls.manifest import Preprocessing, Resize
from edgecls.prediction import Task
from edgecls_exporters.transforms import declared, from_timm, from_torchvision, reference
from edgecls_exporters.weights import Weights, load_into

Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True, slots=True)
class Original:
    """The trained model, as the user's own Python runs it.

    Attributes:
        source: What the user called it.
        model: In evaluation mode; float32 (n, 3, height, width) -> logits (n, n_logits).
        transform: Pillow image -> normalised float32 (3, height, width), by the source's own code.
        preprocessing: The same, as declared to the runtime.

    """

    source: str
    model: nn.Module
    transform: Transform
    preprocessing: Preprocessing


def open_source(
    source: str,
    n_labels: int,
    task: Task,
    weights: Weights | None,
    overrides: dict[str, Any],
) -> Original:
    """Build the model, load the weights, find the transform.

    Args:
        source: ``timm:NAME``, ``torchvision:NAME`` or ``package.module:factory``.
        n_labels: Labels that the model must tell apart.
        task: A binary model may have one logit or two.
        weights: To load; None leaves what the source gives.
        overrides: Fields of ``Preprocessing`` that the user has set.

    Raises:
        ExportError: No such model, weights that do not fit, or an unknown transform.

    """
    kind, _, name = source.partition(":")
    if not name:
        raise ExportError(
            f"{source}: not a source; "
            f"expected timm:NAME, torchvision:NAME or package.module:factory"
        )
    if weights is not None and kind in ("timm", "torchvision"):
        _check_architecture(name, weights)
    n_logits = _n_logits(weights, n_labels, task)
    build = {"timm": _from_timm, "torchvision": _from_torchvision}.get(kind, _from_factory)
    model, found, transform = build(source, n_logits)
    if weights is not None:
        load_into(model, weights)
    preprocessing = _overridden(source, found, overrides)
    if transform is None or overrides:
        transform = reference(preprocessing)
    original = Original(source, model.eval(), transform, preprocessing)
    _check_logits(original, n_labels, task)
    return original


def _check_architecture(name: str, weights: Weights) -> None:
    """Refuse a near relative whose tensors fit and whose answers are wrong."""
    said = weights.architecture
    if said is not None and said.partition(".")[0] != name.partition(".")[0]:
        raise ExportError(f"{weights.path}: trained as {said}; SOURCE names {name}; give {said}")


Found = tuple[nn.Module, Preprocessing | None, Transform | None]


def _from_timm(source: str, n_logits: int) -> Found:
    name = source.partition(":")[2]
    if not timm.is_model(name):
        raise ExportError(f"{source}: timm has no such model{_perhaps(name, timm.list_models())}")
    try:
        model = timm.create_model(name, pretrained=False, num_classes=n_logits)
    except Exception as error:  # an unknown tag, a package that this one model needs, ...
        raise ExportError(f"{source}: timm cannot build it: {_first_line(error)}") from error
    settings = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**settings, is_training=False)
    return model, from_timm(settings), transform


def _from_torchvision(source: str, n_logits: int) -> Found:
    name = source.partition(":")[2]
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise ExportError(f"{source}: torchvision has no such classifier{_perhaps(name, names)}")
    model = torchvision.models.get_model(name, weights=None, num_classes=n_logits)
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return model, from_torchvision(preset), preset


def _from_factory(source: str, _: int) -> Found:
    module, function = source.split(":", 1)
    try:
        with _this_folder():
            factory = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever a user's own module raises
        raise ExportError(
            f"{source}: {_first_line(error)}; expected a function without arguments in a module "
            f"on the Python path or in this folder"
        ) from error
    try:
        model = factory()
    except Exception as error:  # likewise
        raise ExportError(
            f"{source}: the function failed: {type(error).__name__}: {_first_line(error)}; "
            f"expected it to return a torch nn.Module, without arguments"
        ) from error
    if not isinstance(model, nn.Module):
        raise ExportError(f"{source}: returned {type(model).__name__}; expected a torch nn.Module")
    return model, None, None


@contextmanager
def _this_folder() -> Iterator[None]:
    """Look for modules in the current folder too, last: it must not replace installed ones."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


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
    try:
        with torch.inference_mode():
            logits = original.model(blank)
    except Exception as error:  # whatever a user's own module raises
        raise ExportError(
            f"{original.source}: fails on an image of {original.preprocessing.size} px: "
            f"{_first_line(error)}"
        ) from error
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    allowed = {(1, n_labels)} | ({(1, 1)} if task is Task.BINARY else set())
    if shape not in allowed:
        raise ExportError(
            f"{original.source}: answers {shape}; expected (1, {n_labels}), one logit a label; "
            f"do --labels and the checkpoint belong together?"
        )


def _perhaps(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 5)
    return f"; perhaps {', '.join(near)}" if near else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


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
