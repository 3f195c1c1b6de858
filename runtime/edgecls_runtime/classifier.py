"""An image in, a prediction out, by the bundle's own preprocessing and one of its variants."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.frame import Frame
from edgecls.manifest import Variant
from edgecls.prediction import Prediction
from edgecls_runtime import signature, tuned
from edgecls_runtime.fitting import fitting
from edgecls_runtime.placement import Placement
from edgecls_runtime.preprocessing import prepare
from edgecls_runtime.protocols import Provider
from edgecls_runtime.providers import open_provider

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
            provider: Name of a file in ``providers/``; ``auto`` is what ``edgecls tune`` chose for
                the bundle on this device, else ``cpu``.
            variant: Name of a variant, which then runs whatever it was made for; ``auto`` is the
                one that tune chose, else the bundle's first that was made for this provider and
                machine. A choice is for its variant alone: another one runs as if untuned.

        Raises:
            BundleError: The bundle is damaged, or a variant does not fit its labels and size.
            ConfigError: No such variant or provider.
            ProviderError: The provider cannot be built on this device, or no variant is for it.

        """
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        choice = tuned.find(self.bundle) if provider == "auto" else None
        if choice and variant in ("auto", choice.variant):
            self.bundle, variant = choice.applied(self.bundle), choice.variant
            provider = choice.open_provider()
        self.provider = open_provider(provider) if isinstance(provider, str) else provider
        self.variant: Variant = (
            fitting(self.bundle, self.provider)[0]
            if variant == "auto"
            else self.bundle.variant(variant)
        )
        self._session = self.provider.load(self.bundle.path / self.variant.file)
        signature.check(self._session.signature, self.bundle)

    @property
    def placement(self) -> Placement:
        """Which node runs on which provider."""
        return self._session.placement

    def close(self) -> None:
        """Release the device; closing twice is allowed."""
        self._session.close()

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
