"""An image in, a prediction out, by the bundle's own preprocessing and one of its variants."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.errors import BundleError
from edgecls.frame import Frame
from edgecls.manifest import Variant
from edgecls.prediction import Prediction
from edgecls_runtime.fitting import first_fitting
from edgecls_runtime.preprocessing import prepare
from edgecls_runtime.providers import Provider, open_provider
from edgecls_runtime.session import Session, load

Image = NDArray[np.uint8]


class Classifier:
    """A bundle, ready to answer.

    Attributes:
        bundle: Where the answers come from.
        variant: The ONNX file that is running.
        provider: What it is running on.

    """

    def __init__(
        self,
        bundle: Bundle | Path | str,
        provider: str | Provider = "auto",
        variant: str = "auto",
    ) -> None:
        """Load a variant on a provider.

        Args:
            bundle: An opened bundle, or the path of one.
            provider: Name of a file in ``providers/``; ``auto`` is ``cpu``.
            variant: Name of a variant, which then runs whatever it was made for; ``auto`` is the
                bundle's first that was made for this provider and machine.

        Raises:
            BundleError: The bundle is damaged, or a variant does not fit its labels and size.
            ConfigError: No such variant or provider.
            ProviderError: The provider cannot be built on this device, or no variant is for it.

        """
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        self.provider = provider if isinstance(provider, Provider) else open_provider(provider)
        self.variant: Variant = (
            first_fitting(self.bundle, self.provider)
            if variant == "auto"
            else self.bundle.variant(variant)
        )
        self._session = load(self.bundle.path / self.variant.file, self.provider)
        check_signature(self._session, self.bundle)

    def __call__(self, image: Frame | Image) -> Prediction:
        """Classify one frame, or one image: uint8, shape (height, width, 3), RGB.

        Raises:
            ValueError: The image has another dtype or shape.
            ProviderError: The engine failed.

        """
        return self.batch([image.image if isinstance(image, Frame) else image])[0]

    def batch(self, images: Sequence[Image]) -> list[Prediction]:
        """Classify several images, of any sizes, in one call of the engine."""
        prepared = np.stack([prepare(image, self.bundle.preprocessing) for image in images])
        return self.scored(prepared)

    def scored(self, prepared: Image) -> list[Prediction]:
        """Classify a batch that is prepared already: uint8, shape (n, *size, 3)."""
        manifest = self.bundle.manifest
        return [
            Prediction(scores, manifest.labels, manifest.task, manifest.thresholds)
            for scores in self._session.run(prepared)
        ]


def check_signature(session: Session, bundle: Bundle) -> None:
    """Raise BundleError where a model's tensors or its own labels do not fit the manifest."""
    wanted = (*bundle.preprocessing.size, 3)
    where = f"{bundle.path}: {session.model.name}"
    if session.input_type != "tensor(uint8)" or session.input_shape[1:] != wanted:
        raise BundleError(
            f"{where} wants {session.input_type} {session.input_shape}, "
            f"preprocessing makes uint8 (n, {', '.join(map(str, wanted))}); export it again"
        )
    if session.output_shape[1:] != (len(bundle.labels),):
        raise BundleError(
            f"{where} answers {session.output_shape}, "
            f"the manifest has {len(bundle.labels)} labels; export it again"
        )
    stated = {
        "labels": list(bundle.labels),
        "thresholds": list(bundle.manifest.thresholds),
    }
    for key, value in stated.items():
        if json.loads(session.metadata.get(key, "null")) != value:
            raise BundleError(f"{where} has other {key} than the manifest; export it again")
