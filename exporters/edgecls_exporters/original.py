"""The trained model as its own world runs it: what every variant is judged against."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor, nn

from edgecls.manifest import Preprocessing
from edgecls_exporters.foreign import Foreign

Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True, slots=True)
class Original:
    """The trained model, as the user's own Python runs it.

    Attributes:
        source: What the user called it.
        model: A module in evaluation mode, or an ONNX file of someone else's.
        transform: Pillow image -> normalised float32 (3, height, width), by the source's own code.
        preprocessing: The same, as declared to the runtime.

    """

    source: str
    model: nn.Module | Foreign
    transform: Transform
    preprocessing: Preprocessing

    def logits(self, batch: Tensor) -> Tensor:
        """Map normalised float32 (n, 3, height, width) to logits (n, n_logits)."""
        answer: Tensor = self.model(batch)
        return answer


@dataclass(frozen=True, slots=True)
class Found:
    """What a kind of source makes of its name.

    Attributes:
        model: As ``Original.model``, weights not yet loaded.
        preprocessing: What the source knows of it; None is nothing.
        transform: The source's own; None where there is none.
        size: The only (height, width) that the model takes, px; None where any will do.
        weighted: The source carries trained weights; others cannot be loaded into it.

    """

    model: nn.Module | Foreign
    preprocessing: Preprocessing | None = None
    transform: Transform | None = None
    size: tuple[int, int] | None = None
    weighted: bool = False
