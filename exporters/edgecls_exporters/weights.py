"""Weight files -> state dicts, without running any code that a file may carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from edgecls.errors import ExportError

# Where training scripts keep the state dict, averaged weights first: they are what is deployed.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.")
# Where a training module (Lightning's, mostly) keeps the model.
ATTRIBUTES = ("model.", "net.", "network.", "backbone.", "classifier.")
# Counters of training; no model reads them when it answers.
AVERAGED, SEEN = "n_averaged", "num_batches_tracked"
# A zip or a pickle: one of them is what torch.save writes.
BEGINNINGS = (b"PK", b"\x80")
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Weights:
    """What a weight file holds.

    Attributes:
        path: The file.
        state: Tensors by parameter name, prefixes of wrappers removed.
        labels: Label names in logit order, if the file carries them under ``labels``.
        architecture: What the file says it was trained as, under ``architecture`` or ``arch``.

    """

    path: Path
    state: dict[str, Tensor]
    labels: tuple[str, ...] | None
    architecture: str | None = None


def read_weights(path: Path) -> Weights:
    """Read ``.pth``, ``.pt`` or ``.safetensors``.

    Raises:
        ExportError: Missing, empty, truncated, not a state dict, or it would need to run code.

    """
    if not path.is_file():
        raise ExportError(f"{path}: no such file; expected .pth, .pt or .safetensors")
    if path.stat().st_size == 0:
        raise ExportError(f"{path}: empty file; was it copied whole?")
    loaded = _load(path)
    if not isinstance(loaded, Mapping):
        raise ExportError(f"{path}: holds a {type(loaded).__name__}; expected a state dict")
    unwrapped = _unwrapped(loaded)
    state = {_bare(str(k)): value for k, value in unwrapped.items() if isinstance(value, Tensor)}
    if not state or len(state) != len(unwrapped):
        keys = ", ".join(map(str, list(loaded)[:SHOWN])) or "none"
        raise ExportError(f"{path}: no state dict in it; its keys are {keys}")
    state.pop(AVERAGED, None)
    named = loaded.get("architecture", loaded.get("arch"))
    architecture = named if isinstance(named, str) else None
    return Weights(path, state, _labels(loaded.get("labels")), architecture)


def load_into(model: nn.Module, weights: Weights) -> None:
    """Load weights into a model, every tensor or none.

    Raises:
        ExportError: Names or shapes differ; the message names them.

    """
    # The model may be wrapped as well, or have a part that is called "module".
    names = {_bare(key): key for key in model.state_dict()}
    wanted = {_bare(key): value for key, value in model.state_dict().items()}
    given = _unprefixed(weights.state, set(wanted))
    missing = [key for key in wanted if key not in given and not key.endswith(SEEN)]
    surplus = [key for key in given if key not in wanted]
    shapes = [
        f"{key} is {tuple(given[key].shape)}, the model has {tuple(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    if missing or surplus or shapes:
        faults = [("missing", missing), ("unknown", surplus), ("of another shape", shapes)]
        said = "; ".join(f"{_listed(keys)} {what}" for what, keys in faults if keys)
        raise ExportError(
            f"{weights.path}: does not fit the model: {said}; is SOURCE the right one?"
        )
    # Not strict: nothing but a counter can be missing here.
    model.load_state_dict({names[key]: value for key, value in given.items()}, strict=False)


def _unprefixed(given: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Take off the name that a training module gave the whole model, if then every name fits."""
    for prefix in ATTRIBUTES:
        bare = {key.removeprefix(prefix): value for key, value in given.items()}
        if not wanted >= set(given) and wanted >= set(bare) and len(bare) == len(given):
            return bare
    return given


def _load(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen types for a damaged file
        first = str(error).strip().partition("\n")[0]
        if path.suffix != ".safetensors" and not _begins(path).startswith(BEGINNINGS):
            raise ExportError(
                f"{path}: not what torch.save writes; expected .pth, .pt or .safetensors"
            ) from error
        if "weights_only" in str(error).lower() or "Unsupported" in str(error):
            raise ExportError(
                f"{path}: holds Python objects, which would run code when loaded; "
                f"save model.state_dict() instead"
            ) from error
        raise ExportError(
            f"{path}: cannot be read ({first[:120]}); was it copied whole?"
        ) from error


def _begins(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(2)


def _unwrapped(loaded: Mapping[str, object]) -> Mapping[str, object]:
    for key in WRAPPERS:
        if isinstance(inner := loaded.get(key), Mapping) and inner:
            return _unwrapped(inner)
    return loaded


def _labels(found: object) -> tuple[str, ...] | None:
    if not isinstance(found, list | tuple) or not found:
        return None
    return tuple(found) if all(isinstance(label, str) for label in found) else None


def _bare(key: str) -> str:
    for prefix in PREFIXES:
        if str(key).startswith(prefix):
            return _bare(key.removeprefix(prefix))
    return key


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
