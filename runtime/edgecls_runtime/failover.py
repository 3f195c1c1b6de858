"""A classifier that comes back when its provider is lost: here again, or on the next allowed one.

A device that is reset, a driver that is updated, memory that runs out: the engine raises, and may
raise for ever. The station goes on, each part a REVIEW with the reason, while another thread opens
the bundle again from the first allowed provider on.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import ProviderError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls_runtime.classifier import Classifier

Image = NDArray[np.uint8]
Answer = TypeVar("Answer")

# Seconds before the first attempt and between the last ones; each wait is twice the one before.
FIRST_S, LONGEST_S = 0.2, 30.0


class Failover:
    """A classifier that is opened again when it is lost.

    Attributes:
        lost: How often the provider was lost.

    """

    def __init__(self, opened: Callable[[], Classifier], say: Callable[[str], object]) -> None:
        """Open the classifier.

        Args:
            opened: Opens it; called again, in another thread, after a loss.
            say: Told of each loss, and of what runs afterwards.

        Raises:
            EdgeclsError: It cannot be opened the first time.

        """
        self.lost = 0
        self._opened, self._say = opened, say
        self._change = threading.Lock()
        self._stopping = threading.Event()
        self._fault = ""
        self._classifier = opened()

    @property
    def classifier(self) -> Classifier:
        """The one that answers now, or answered last."""
        return self._classifier

    @property
    def fault(self) -> str:
        """Why nothing answers at the moment; empty when one does."""
        return self._fault

    def __call__(self, frame: Frame) -> Prediction:
        """Classify one frame.

        Raises:
            ProviderError: The provider is lost; it is being opened again.

        """
        return self.run(lambda classifier: classifier(frame))

    def prepare(self, image: Image, out: Image | None = None) -> Image:
        """Prepare one image, as ``Classifier.prepare``, by the one that answers now."""
        return self._classifier.prepare(image, out)

    def run(self, work: Callable[[Classifier], Answer]) -> Answer:
        """Have the classifier do some work, such as a batch.

        Raises:
            ProviderError: The provider is lost; it is being opened again.

        """
        classifier, fault = self._classifier, self._fault
        if fault:
            raise ProviderError(f"{fault}; being opened again")
        try:
            return work(classifier)
        except ProviderError as error:
            self._lose(classifier, str(error))
            raise

    def close(self) -> None:
        """Release the device, and stop opening it; closing twice is allowed."""
        self._stopping.set()
        with self._change:
            self._classifier.close()

    def _lose(self, classifier: Classifier, fault: str) -> None:
        with self._change:
            # Several cameras may see one loss; the first of them has it opened again.
            if self._fault or classifier is not self._classifier or self._stopping.is_set():
                return
            self._fault = fault
            self.lost += 1
        self._say(f"provider lost: {fault}; opening it again")
        threading.Thread(target=self._reopen, name="failover", daemon=True).start()

    def _reopen(self) -> None:
        with suppress(Exception):  # of a device that is gone it may fail
            self._classifier.close()  # one that is still held cannot be opened
        wait = FIRST_S
        while not self._stopping.wait(wait):
            try:
                classifier = self._opened()
            except Exception as error:  # noqa: BLE001 - a thread that dies never brings it back
                self._fault = str(error) or type(error).__name__
                wait = min(2 * wait, LONGEST_S)
                continue
            with self._change:
                self._classifier, self._fault = classifier, ""
                if self._stopping.is_set():
                    classifier.close()
            self._say(f"provider back: {classifier.variant.name} on {classifier.provider.name}")
            return
