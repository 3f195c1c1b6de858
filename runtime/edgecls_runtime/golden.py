"""Golden samples: images that travel with the bundle, and the scores they must give on a device.

A hash proves that a file is the same; only an answer proves that this device computes the same
with it. Golden images pass through the whole path: file, resize, engine.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgecls import schema
from edgecls.errors import BundleError, ProviderError
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import read_image

FILE = "golden/golden.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """One golden image.

    Attributes:
        file: Name of the PNG in the bundle.
        reference: Scores of the original PyTorch model with its own transform.
        variants: Scores of each variant by its name, as the build machine computed them.

    """

    file: str
    reference: tuple[float, ...]
    variants: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Samples:
    """The content of ``golden/golden.json``."""

    samples: tuple[Sample, ...]

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Check:
    """How far one golden image is off on this device.

    Attributes:
        file: Name of the image in the bundle.
        difference: Largest difference of any score from the build machine's, 0..1.
        from_reference: Largest difference from the original PyTorch model, 0..1; for information.
        tolerance: Largest difference that is allowed.

    """

    file: str
    difference: float
    from_reference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether this device computes what the build machine computed; a NaN never passes."""
        return self.difference <= self.tolerance


def read(bundle_path: Path) -> tuple[Sample, ...]:
    """Return a bundle's golden samples.

    Raises:
        BundleError: There are none, or the file is not ours.

    """
    where = bundle_path / FILE
    try:
        table = json.loads(where.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{where}: {error}; export the bundle again") from error
    samples = schema.call(Samples, table, str(where), BundleError).samples
    if not samples:
        raise BundleError(f"{where}: no samples; nothing can be verified; export the bundle again")
    return samples


def require(classifier: Classifier) -> None:
    """Raise ProviderError when a classifier answers wrongly on this device."""
    worst = max(check(classifier), key=lambda check: (not check.passed, check.difference))
    if not worst.passed:
        raise ProviderError(
            f"{classifier.bundle.path}: {classifier.variant.name} answers wrongly here on "
            f"{classifier.provider.name}: {worst.file} is off by {worst.difference:.3g}; "
            f"expected at most {worst.tolerance:g}; choose another variant (edgecls verify)"
        )


def check(classifier: Classifier) -> list[Check]:
    """Run the golden samples of a classifier's bundle through it, on this device.

    Raises:
        BundleError: The bundle has no golden samples, or none for this variant.

    """
    path, variant = classifier.bundle.path, classifier.variant
    checks = []
    for sample in read(path):
        if variant.name not in sample.variants:
            raise BundleError(f"{path / FILE}: {sample.file} has no scores for {variant.name}")
        if sample.file not in classifier.bundle.manifest.files:
            raise BundleError(f"{path / FILE}: {sample.file} is no file of the bundle")
        scores = classifier(read_image(path / sample.file)).scores
        expected = np.array(sample.variants[variant.name])
        if not scores.shape == expected.shape == np.shape(sample.reference):
            raise BundleError(f"{path / FILE}: {sample.file} has not one score a label")
        checks.append(
            Check(
                sample.file,
                float(np.abs(scores - expected).max()),
                float(np.abs(scores - np.array(sample.reference)).max()),
                variant.tolerance,
            )
        )
    return checks
