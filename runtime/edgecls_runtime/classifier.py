"""An image in, a prediction out, by the bundle's own preprocessing and one of its variants."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.frame import Frame
from edgecls.manifest import Variant
from edgecls.prediction import Prediction
from edgecls_runtime import signature
from edgecls_runtime.capture.ahead import PreparedFrame
from edgecls_runtime.fitting import fitting
from edgecls_runtime.measuring import tuned
from edgecls_runtime.placement import Placement
from edgecls_runtime.preprocessing import Preparer
from edgecls_runtime.protocols import Provider
from edgecls_runtime.providers import open_provider

Image = NDArray[np.uint8]
# Room for a larger batch is given back after it: 64 images of 224 px are 10 MB.
MOST_KEPT = 64


class Classifier:
    """A bundle, ready to answer; threads may share it, and with it the model's memory.

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
        self._prepare = Preparer(self.bundle.preprocessing)
        # One for each thread that classifies at the same time, made when it is first needed.
        self._free: list[Image] = []

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
        if isinstance(image, PreparedFrame):
            return self.scored(image.prepared[np.newaxis])[0]
        return self.batch([image.image if isinstance(image, Frame) else image])[0]

    def batch(self, images: Sequence[Image]) -> list[Prediction]:
        """Classify several images, of any sizes, in one call of the engine."""
        with self._room(len(images)) as rows:
            for image, row in zip(images, rows, strict=True):
                self.prepare(image, row)
            return self.scored(rows)

    def prepare(self, image: Image, out: Image | None = None) -> Image:
        """Scale and crop one image to the network's input; several threads may do so.

        Args:
            image: uint8, shape (height, width, 3), RGB.
            out: uint8, shape (*size, 3), C-contiguous, that the result is written to; without it
                the result has memory of its own.

        """
        return self._prepare(image, out)

    def scored(self, prepared: Image) -> list[Prediction]:
        """Classify a batch that is prepared already: uint8, shape (n, *size, 3)."""
        manifest = self.bundle.manifest
        return [
            Prediction(scores, manifest.labels, manifest.task, manifest.thresholds)
            for scores in self._session.run(prepared)
        ]

    @contextmanager
    def _room(self, images: int) -> Iterator[Image]:
        """Lend the network's input for so many images, which no other thread has meanwhile."""
        try:
            rows = self._free.pop()  # atomic, as append is
        except IndexError:
            rows = np.empty((0, *self.bundle.preprocessing.size, 3), np.uint8)
        if len(rows) < images:
            rows = np.empty((images, *rows.shape[1:]), np.uint8)
        try:
            yield rows[:images]
        finally:
            if len(rows) <= MOST_KEPT:
                self._free.append(rows)
