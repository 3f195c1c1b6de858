"""What a model takes and gives, and whether that is what its bundle says."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import BundleError


@dataclass(frozen=True, slots=True)
class Signature:
    """A model's one input and one output.

    Attributes:
        model: The file, for messages.
        input_shape: As declared, such as ("batch", 224, 224, 3).
        input_type: As declared, such as ``tensor(uint8)``.
        output_shape: As declared, such as ("batch", 1000).
        metadata: The file's own ``metadata_props``.

    """

    model: Path
    input_shape: tuple[int | str, ...]
    input_type: str
    output_shape: tuple[int | str, ...]
    metadata: dict[str, str] = field(default_factory=dict)


def check(found: Signature, bundle: Bundle) -> None:
    """Raise BundleError where a model's tensors or its own labels do not fit the manifest."""
    wanted = (*bundle.preprocessing.size, 3)
    where = f"{bundle.path}: {found.model.name}"
    if found.input_type != "tensor(uint8)" or found.input_shape[1:] != wanted:
        raise BundleError(
            f"{where} wants {found.input_type} {found.input_shape}, "
            f"preprocessing makes uint8 (n, {', '.join(map(str, wanted))}); export it again"
        )
    if found.output_shape[1:] != (len(bundle.labels),):
        raise BundleError(
            f"{where} answers {found.output_shape}, "
            f"the manifest has {len(bundle.labels)} labels; export it again"
        )
    stated = {
        "labels": list(bundle.labels),
        "thresholds": list(bundle.manifest.thresholds),
    }
    for key, value in stated.items():
        if json.loads(found.metadata.get(key, "null")) != value:
            raise BundleError(f"{where} has other {key} than the manifest; export it again")
