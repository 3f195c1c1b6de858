"""``manifest.json`` as frozen dataclasses: what a bundle says about itself.

Reading is strict: an unknown key or a newer format is an error, because a device that ignores what
it does not understand (a new resize rule, say) answers differently and cannot know it.
"""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from edgecls import schema
from edgecls.errors import BundleError
from edgecls.prediction import Task

FORMAT = 1
# A golden sample that may be off by more than this, in scores of 0..1, proves nothing.
LOOSEST = 0.1


class Resize(StrEnum):
    """How an image of any shape becomes one of ``resize_size``."""

    SHORTEST = "shortest"
    """Keep the proportions, cover ``resize_size``; the centre crop cuts what sticks out."""
    STRETCH = "stretch"
    """Ignore the proportions."""
    LETTERBOX = "letterbox"
    """Keep the proportions, fit inside ``resize_size``; the rest is ``fill``."""


class Interpolation(StrEnum):
    """Pillow's resampling filters, antialiased, under Pillow's names."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    HAMMING = "hamming"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Resampling(StrEnum):
    """How much of a large image the filter itself reads; each rung is faster than the one above."""

    EXACT = "exact"
    """All of it: Pillow's own bytes."""
    HALVING = "halving"
    """Means of 2x2 pixels while twice the wanted height and width remain, then the filter."""
    COARSE = "coarse"
    """Means of 2x2 pixels while the wanted height and width remain, then the filter."""


class Precision(StrEnum):
    """Number format of the weights, and of the activations where the kernels allow it."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Input(StrEnum):
    """What a variant's first tensor holds."""

    UINT8_NHWC = "uint8-nhwc"
    """uint8 RGB, shape (N, height, width, 3); normalisation is in the graph."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From an image of any size to the network's input; declared here, done by the runtime.

    Attributes:
        size: Network input (height, width), px: cut from the centre after resizing.
        resize_size: (height, width), px, that the image is scaled to first; never below ``size``.
        resize: How the image's shape is brought to ``resize_size``.
        interpolation: Resampling filter.
        mean: Subtracted from each RGB channel after division by 255, so 0..1. In the graph.
        std: Then divides each channel. In the graph.
        fill: RGB, 0..255, around a letterboxed image.
        resampling: How much of a large image the filter reads. ``nearest`` is always exact.

    """

    size: tuple[int, int]
    resize_size: tuple[int, int]
    resize: Resize = Resize.SHORTEST
    interpolation: Interpolation = Interpolation.BILINEAR
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    fill: tuple[int, int, int] = (114, 114, 114)
    resampling: Resampling = Resampling.EXACT

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if min(self.size) < 1 or any(
            r < s for r, s in zip(self.resize_size, self.size, strict=True)
        ):
            raise BundleError(
                f"preprocessing: resize_size {self.resize_size} is smaller than size {self.size}; "
                f"the crop must lie inside the resized image"
            )
        if min(self.std) <= 0:
            raise BundleError(f"preprocessing: std {self.std}; expected values above 0")


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX file of a bundle.

    Attributes:
        name: Unique in the bundle, such as ``int8``.
        file: Name of the ONNX file in the bundle.
        precision: Number format.
        target: Family of kernels whose arithmetic it was made for; ``any`` runs right everywhere.
        providers: ONNX Runtime's names of the providers it was made for; empty is any.
        machines: Processors it was made for, as ``platform.machine()`` names them, with what else
            they must have as Linux names it: ``x86_64+avx512_vnni``; empty is any.
        input: What the first tensor holds.
        size_bytes: Size of the file.
        tolerance: Largest difference of a score, 0..1, that a golden sample may show on a device.
        agreement: Share of measured images, 0..1, with the original's answer; None if not measured.
        accuracy: Share of measured images answered rightly; None without labelled images.

    """

    name: str
    file: str
    precision: Precision
    target: str
    input: Input
    size_bytes: int
    tolerance: float
    agreement: float | None = None
    accuracy: float | None = None
    providers: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a tolerance that would let any answer through."""
        if not 0 < self.tolerance <= LOOSEST:
            raise BundleError(
                f"variant {self.name}: tolerance {self.tolerance:g}; "
                f"expected above 0 and at most {LOOSEST}"
            )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A bundle's statement about itself.

    Attributes:
        name: What the classifier is called, such as ``solar-cell``.
        version: The user's version of it.
        task: How scores are read.
        labels: In the order of the scores.
        thresholds: As ``Prediction.thresholds``.
        preprocessing: From image to network input.
        variants: In order of preference: the first is what ``variant="auto"`` runs.
        files: SHA-256, hex, of every other file of the bundle by its name in it.
        provenance: What made it: source, checkpoint's hash, package versions, data, time.
        format: Version of this layout.

    """

    name: str
    version: str
    task: Task
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    preprocessing: Preprocessing
    variants: tuple[Variant, ...]
    files: dict[str, str]
    provenance: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Refuse a manifest that contradicts itself or points outside its bundle."""
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) != len(names):
            raise BundleError(f"manifest: variants {names}; expected one or more, each once")
        wanted = {Task.MULTICLASS: 0, Task.BINARY: 1, Task.MULTILABEL: len(self.labels)}[self.task]
        if len(self.thresholds) != wanted:
            raise BundleError(
                f"manifest: {len(self.thresholds)} thresholds; {self.task} has {wanted}"
            )
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise BundleError(f"manifest: labels {self.labels}; expected two or more, each once")
        for file in (*self.files, *(variant.file for variant in self.variants)):
            if not _stays_inside(file):
                raise BundleError(
                    f"manifest: path {file!r} leaves the bundle; only files inside it are opened"
                )
        for variant in self.variants:
            if variant.file not in self.files:
                raise BundleError(f"manifest: {variant.file} of variant {variant.name} has no hash")

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "manifest.json") -> "Manifest":
        """Read ``manifest.json``; bytes are UTF-8.

        Raises:
            BundleError: Not JSON, another format, an unknown, missing or wrong key.

        """
        try:
            table = json.loads(text)
        except ValueError as error:
            raise BundleError(
                f"{where}: not JSON ({error}); was the bundle copied whole?"
            ) from error
        found = table.get("format") if isinstance(table, dict) else None
        if found != FORMAT:
            raise BundleError(
                f"{where}: format {found!r}; this edgecls reads format {FORMAT}; "
                f"{'upgrade edgecls' if isinstance(found, int) else 'is this an edgecls bundle?'}"
            )
        return schema.call(cls, table, where, BundleError)


def _stays_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return bool(file) and not path.is_absolute() and ".." not in path.parts and "\\" not in file
